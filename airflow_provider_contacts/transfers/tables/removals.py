"""How many contacts one run may mark as removed."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_contacts.errors import IncompleteListing, InvalidRequest

_DEFAULT_PERCENT = 20
# Small tables change by large shares.
_DEFAULT_ROWS = 20


@dataclass(frozen=True, slots=True)
class RemovalLimit:
    """The most contacts that one run marks as removed.

    A vendor that answers with a part of its contacts, or with none, looks as if the others had been
    deleted.

    :param rows: a number of contacts, or None.
    :param percent: a share of the contacts in the table, or None. Without either, the limit is 20 %
        or 20 contacts, whichever is more, and applies to each account too.
    """

    rows: int | None = None
    percent: int | None = None

    @property
    def is_default(self) -> bool:
        """Whether the user set no limit."""
        return self == RemovalLimit()

    def check(self, *, listed: int, present: int, gone: int) -> None:
        """Check, before the first write, how many contacts would be marked.

        :param listed: how many contacts the vendor listed.
        :param present: how many contacts of the listed accounts the table has that are not marked.
        :param gone: how many of those are not listed any more.
        :raises IncompleteListing: if they are too many.
        """
        advice = "Nothing was written. If they are really gone, set max_removed for one run."
        if gone and not listed and self.is_default:
            raise IncompleteListing(
                f"The vendor listed no contacts of an account, so all {gone} of its contacts in the table "
                f"would be marked as removed. {advice}"
            )
        if gone > self._compute_limit(present):
            raise IncompleteListing(
                f"{gone} of the table's {present} contacts would be marked as removed, more than "
                f"max_removed ({self}). The vendor may have listed only a part of its contacts. {advice} "
                f"Here it would be {gone}."
            )

    def _compute_limit(self, present: int) -> float:
        if self.rows is not None:
            return self.rows
        if self.percent is not None:
            return self.percent * present / 100
        return max(_DEFAULT_ROWS, _DEFAULT_PERCENT * present / 100)

    def __str__(self) -> str:
        if self.rows is not None:
            return f"{self.rows}"
        if self.percent is not None:
            return f"{self.percent} %"
        return f"by default {_DEFAULT_ROWS} or {_DEFAULT_PERCENT} %, whichever is more"


def parse_removal_limit(name: str, value: object) -> RemovalLimit:
    """Parse the argument ``max_removed``.

    :param name: the argument's name, for messages.
    :param value: a number of contacts, a share such as ``"30%"``, or None for the default.
    :raises InvalidRequest: if it is something else.
    """
    text = value.strip() if isinstance(value, str) else value
    if text is None or text in ("", "None"):
        return RemovalLimit()
    if isinstance(text, str) and text.endswith("%"):
        digits = text[:-1].strip()
        if digits.isdecimal() and int(digits) <= 100:
            return RemovalLimit(percent=int(digits))
    elif isinstance(text, str) and text.isdecimal():
        return RemovalLimit(rows=int(text))
    elif isinstance(text, int) and not isinstance(text, bool) and text >= 0:
        return RemovalLimit(rows=text)
    raise InvalidRequest(f'`{name}` must be a whole number, or a share between "0%" and "100%".')
