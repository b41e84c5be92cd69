"""Operators that suppress contacts and end suppressions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_contacts.conditions import parse_time_or_duration
from airflow_provider_contacts.core.logs import Log
from airflow_provider_contacts.core.validation import list_names, parse_optional_text
from airflow_provider_contacts.errors import InvalidRequest
from airflow_provider_contacts.hooks.registry import hook_classes
from airflow_provider_contacts.operators.base import ContactsLike, describe_task
from airflow_provider_contacts.operators.literals import check_literals
from airflow_provider_contacts.operators.sources import read_items
from airflow_provider_contacts.retry import RetryPolicyOperator
from airflow_provider_contacts.safeguards.arguments import parse_optional_location
from airflow_provider_contacts.safeguards.configuration import DEFAULT_SECRET_CONN_ID

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_contacts.safeguards.suppressions import SuppressionList

__all__ = ["AllowContactsOperator", "SuppressContactsOperator"]

_ALL_VENDORS = "all"


class _SuppressionsOperator(RetryPolicyOperator):
    """Base class of the operators that write suppressions."""

    template_fields: Sequence[str] = ("contacts", "suppressions", "reason", "scope", "secret_conn_id")
    creates_table: ClassVar[bool] = False

    def __init__(
        self,
        *,
        contacts: ContactsLike,
        suppressions: str,
        reason: str,
        scope: str = _ALL_VENDORS,
        secret_conn_id: str = DEFAULT_SECRET_CONN_ID,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.contacts = contacts
        self.suppressions = suppressions
        self.reason = reason
        self.scope = scope
        self.secret_conn_id = secret_conn_id
        check_literals(self, _parse_location, suppressions)
        check_literals(self, _parse_reason, reason)

    def execute(self, context: Context) -> dict[str, int]:
        """Write the suppressions."""
        from airflow_provider_contacts.safeguards.suppressions import open_suppressions

        location = _parse_location(self.suppressions)
        reason = _parse_reason(self.reason)
        scope = _parse_scope(self.scope)
        secret_conn_id = parse_optional_text("secret_conn_id", self.secret_conn_id) or DEFAULT_SECRET_CONN_ID
        self.check_arguments()
        keys = _find_keys(self.contacts, self.log)
        with open_suppressions(location, secret_conn_id, create=self.creates_table) as suppressions:
            return self.write(suppressions, keys, scope, reason, describe_task(context))

    def check_arguments(self) -> None:
        """Validate the arguments that only the subclass has."""

    def write(
        self,
        suppressions: SuppressionList,
        keys: list[list[str]],
        scope: str,
        reason: str,
        source: str,
    ) -> dict[str, int]:
        """Write the suppressions of contacts, and return the counts.

        :param keys: the keys of each contact.
        """
        raise NotImplementedError


class SuppressContactsOperator(_SuppressionsOperator):
    """Suppress contacts: add them to a table of people who must not be contacted.

    The table holds hashes of e-mail addresses, phone numbers, LinkedIn profiles and references, made with a secret, so
    it contains no readable personal data. A contact who is suppressed already, at least as long, is not written again.

    :param contacts: contacts, references, or a query (``SqlContacts``) or file (``FileContacts``) with the columns ``email``,
        ``phone`` and ``country``, ``linkedin_url``, or ``vendor`` and ``contact_id``. Complete contacts are recognized at all
        vendors, references only where they belong. Templated.
    :param suppressions: ``<conn_id>.<table>``. The table is created if it does not exist. Templated.
    :param reason: why, such as ``"unsubscribed"``. No personal data. Templated.
    :param scope: a vendor's connection type, or ``all``. Templated.
    :param until: when it ends: a time, or a duration from now such as ``"30d"``; by default it does not end. Templated.
    :param secret_conn_id: connection whose password is the secret of the hashes. Templated.
    :return: ``{"contacts", "suppressed", "unchanged"}``, numbers of contacts.
    :raises InvalidRequest: if a contact has no key, or the table was written with another secret; nothing is written then.
    """

    template_fields: Sequence[str] = (*_SuppressionsOperator.template_fields, "until")
    ui_color = "#f1e4ec"
    creates_table = True

    def __init__(self, *, until: datetime | date | timedelta | str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.until = until
        check_literals(self, _parse_end, until)

    def check_arguments(self) -> None:
        """Check ``until``."""
        _parse_until(self.until)

    def write(
        self,
        suppressions: SuppressionList,
        keys: list[list[str]],
        scope: str,
        reason: str,
        source: str,
    ) -> dict[str, int]:
        """Suppress contacts."""
        until = _parse_until(self.until)
        new = suppressions.add(_flatten_keys(keys), scope=scope, reason=reason, source=source, until=until)
        return _count(self, keys, new, "suppressed")


class AllowContactsOperator(_SuppressionsOperator):
    """End suppressions, for example of a person who has subscribed again. Their rows stay, with the time and the reason.

    :param contacts: as for :class:`SuppressContactsOperator`. Templated.
    :param suppressions: ``<conn_id>.<table>``. Templated.
    :param reason: why, such as ``"subscribed again"``. No personal data. Templated.
    :param scope: end only suppressions with this scope; ``all`` ends them whatever their scope is. Templated.
    :param secret_conn_id: connection whose password is the secret of the hashes. Templated.
    :return: ``{"contacts", "allowed", "unchanged"}``, numbers of contacts.
    :raises InvalidRequest: if a contact has no key, or the table was written with another secret.
    """

    ui_color = "#e4f1ec"

    def write(
        self,
        suppressions: SuppressionList,
        keys: list[list[str]],
        scope: str,
        reason: str,
        source: str,
    ) -> dict[str, int]:
        """End the suppressions of contacts."""
        ended = suppressions.end(_flatten_keys(keys), scope=scope, reason=reason, source=source)
        if scope != _ALL_VENDORS and (
            still := suppressions.find_active(_flatten_keys(keys), (_ALL_VENDORS,))
        ):
            self.log.warning(
                "%d of %d contacts stay suppressed at %s, by a suppression at all vendors.",
                sum(not still.isdisjoint(one) for one in keys),
                len(keys),
                scope,
            )
        return _count(self, keys, ended, "allowed")


def _count(
    operator: _SuppressionsOperator, keys: list[list[str]], written: set[str], name: str
) -> dict[str, int]:
    changed = sum(not written.isdisjoint(one) for one in keys)
    counts = {"contacts": len(keys), name: changed, "unchanged": len(keys) - changed}
    operator.log.info("%d contacts: %d %s, %d unchanged.", len(keys), changed, name, len(keys) - changed)
    return counts


def _find_keys(contacts: object, log: Log) -> list[list[str]]:
    """Return the keys of each contact.

    :raises InvalidRequest: if one has none.
    """
    from airflow_provider_contacts.safeguards.keys import find_keys, list_unreadable_fields

    unreadable: Counter[str] = Counter()
    found = []
    for number, item in enumerate(read_items(contacts), start=1):
        where = f"Item {number} of `contacts`"
        fields: Mapping[str, object] = item if isinstance(item, Mapping) else {}
        keys = find_keys(fields)
        if not keys:
            raise InvalidRequest(
                f"{where} has no e-mail address, no phone number with a country, no LinkedIn profile, and no `vendor` with a "
                f"`contact_id`, so it could not be recognized. Nothing was written. Its fields are: {list_names(fields)}."
            )
        _check_reference(fields, where)
        for name in list_unreadable_fields(fields):
            unreadable[name] += 1
        found.append(keys)
    if not found:
        log.warning("`contacts` is empty, so nothing is written.")
    for name, count in unreadable.items():
        log.warning(
            "%d contacts have a value of `%s` that cannot be normalized. They are recognized by their other keys only.",
            count,
            name,
        )
    return found


def _check_reference(item: Mapping[str, object], where: str) -> None:
    """Check the reference of a contact: an invalid one would never match."""
    if not item.get("vendor") or item.get("contact_id") is None:
        return
    hook_class = hook_classes().get(str(item["vendor"]).strip())
    if hook_class is None:
        raise InvalidRequest(
            f"{where} has an unknown `vendor`. Known vendors: {', '.join(hook_classes())}. Nothing was written."
        )
    try:
        hook_class.vendor.updates.check_ids(str(item["contact_id"]).strip(), "")
    except InvalidRequest as error:
        raise InvalidRequest(f"{where}: {error} Nothing was written.") from None


def _flatten_keys(keys: list[list[str]]) -> list[str]:
    return list(dict.fromkeys(key for one in keys for key in one))


def _parse_location(value: object) -> str:
    location = parse_optional_location("suppressions", value)
    if not location:
        raise InvalidRequest("`suppressions` is empty. Set it to a connection and a table.")
    return location


def _parse_reason(value: object) -> str:
    reason = parse_optional_text("reason", value)
    if not reason:
        raise InvalidRequest("`reason` is empty. Say why, without personal data.")
    return reason


def _parse_scope(value: object) -> str:
    scope = parse_optional_text("scope", value)
    known = (_ALL_VENDORS, *hook_classes())
    if scope not in known:
        raise InvalidRequest(f"`scope` must be one of {', '.join(known)}.")
    return scope


def _parse_end(value: object) -> datetime | None:
    """Return a time in UTC, or None for never."""
    if value is None or (isinstance(value, str) and value.strip() in ("", "None")):
        return None
    try:
        until = parse_time_or_duration(value, "until", "from now")
    except ValueError as error:
        raise InvalidRequest(f"{error}.") from None
    return datetime.now(timezone.utc) + until if isinstance(until, timedelta) else until


def _parse_until(value: object) -> datetime | None:
    end = _parse_end(value)
    # Not checked when the DAG is parsed: it would stop importing one day.
    if end is not None and end <= datetime.now(timezone.utc):
        raise InvalidRequest("`until` is in the past.")
    return end
