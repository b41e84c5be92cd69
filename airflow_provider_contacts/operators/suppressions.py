"""Operators that suppress contacts and end suppressions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_contacts.conditions.times import parse_time_or_duration
from airflow_provider_contacts.core.logs import Log
from airflow_provider_contacts.core.validation import (
    TableLocation,
    is_empty_text,
    list_names,
    parse_conn_id,
    parse_optional_table,
    parse_optional_text,
)
from airflow_provider_contacts.errors import InvalidRequest
from airflow_provider_contacts.hooks.registry import find_hook_class, hook_classes
from airflow_provider_contacts.identity_keys import require_region
from airflow_provider_contacts.operators.arguments import (
    argument,
    declares,
    list_arguments,
    parse_arguments,
    pop_arguments,
    set_arguments,
)
from airflow_provider_contacts.operators.base import ContactsLike, describe_task
from airflow_provider_contacts.operators.sources import read_items
from airflow_provider_contacts.retry import RetryPolicyOperator
from airflow_provider_contacts.safeguards.configuration import (
    ALL_VENDORS,
    find_secret_conn_id,
    locate_table,
    read_suppressions,
    require_table_for_secret,
)

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_contacts.safeguards.suppressions import SuppressionList

_KIND_NAMES = {
    "email": "e-mail address",
    "linkedin": "LinkedIn profile",
    "phone": "phone number",
    "reference": "reference",
}

__all__ = ["AllowContactsOperator", "SuppressContactsOperator"]


def _parse_reason(name: str, value: object) -> str:
    reason = parse_optional_text(name, value)
    if not reason:
        raise InvalidRequest(f"`{name}` is empty. Say why, without personal data.")
    return reason


def _parse_region(name: str, value: object) -> str:
    """Return an ISO 3166 alpha-2 code, or an empty string."""
    code = parse_optional_text(name, value)
    return require_region(f"`{name}`", code) if code else ""


def _parse_end(name: str, value: object) -> datetime | timedelta | None:
    """Return a time in UTC, a duration from now, or None for never."""
    if is_empty_text(value):
        return None
    try:
        return parse_time_or_duration(value, name, "from now")
    except ValueError as error:
        raise InvalidRequest(f"{error}.") from None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SuppressionOptions:
    """The arguments of the operators that write suppressions, after templates are rendered."""

    sql_conn_id: str = argument(parse_conn_id, None, is_safeguard=True)
    suppressions_table: str = argument(parse_optional_table, None, is_safeguard=True)
    reason: str = argument(_parse_reason)
    scope: str = argument(parse_optional_text, ALL_VENDORS)
    secret_conn_id: str = argument(parse_conn_id, None, is_safeguard=True)
    default_region: str = argument(_parse_region, None)

    def check(self) -> None:
        """Check what may be valid when the DAG is parsed and not when it runs.

        :raises InvalidRequest: if the scope is unknown.
        """
        known = (ALL_VENDORS, *hook_classes())
        if self.scope not in known:
            raise InvalidRequest(f"`scope` must be one of {', '.join(known)}.")

    def locate(self) -> tuple[TableLocation, str]:
        """Return the table, and the connection of its secret: the task's own, or those configured.

        :raises InvalidRequest: if there is none.
        """
        if self.suppressions_table:
            table = locate_table("suppressions_table", self.suppressions_table, self.sql_conn_id)
            return table, find_secret_conn_id(self.secret_conn_id)
        require_table_for_secret(self.secret_conn_id, None)
        if self.sql_conn_id:
            raise InvalidRequest(
                "`suppressions_table` is empty, but `sql_conn_id` is set. Set both or, to use those of "
                "[contacts], neither."
            )
        if (configured := read_suppressions()) is None:
            raise InvalidRequest(
                "`suppressions_table` is empty. Set it, or [contacts] suppressions_table for the whole "
                "installation."
            )
        return configured


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SuppressOptions(SuppressionOptions):
    """The arguments of :class:`SuppressContactsOperator` after templates are rendered."""

    until: datetime | timedelta | None = argument(_parse_end, None)

    def check(self) -> None:
        """Also check that ``until`` is in the future."""
        SuppressionOptions.check(self)
        if isinstance(self.until, datetime) and self.until <= datetime.now(timezone.utc):
            raise InvalidRequest("`until` is in the past.")


class _SuppressionsOperator(RetryPolicyOperator):
    """Base class of the operators that write suppressions."""

    options_class: ClassVar[type[SuppressionOptions]] = SuppressionOptions
    template_fields: Sequence[str] = ("contacts", *list_arguments(SuppressionOptions))
    creates_table: ClassVar[bool] = False
    # The name of the count of contacts whose suppression has changed.
    outcome: ClassVar[str]

    @declares(SuppressionOptions)
    def __init__(self, *, contacts: ContactsLike, **kwargs: Any) -> None:
        given = pop_arguments(self.options_class, kwargs)
        super().__init__(**kwargs)
        self.contacts = contacts
        self.required_arguments = set_arguments(self, self.options_class, given)

    def execute(self, context: Context) -> dict[str, int]:
        """Write the suppressions."""
        from airflow_provider_contacts.safeguards.suppressions import open_suppressions

        options = parse_arguments(self, self.options_class, self.required_arguments)
        options.check()
        location, secret_conn_id = options.locate()
        self.log.info("Suppressions: %s.", location)
        keys, problems = _find_keys(self.contacts, options.default_region, self.log)
        if problems and not keys:
            raise InvalidRequest(f"{' '.join(problems[:1])} Nothing was written.")
        with open_suppressions(location, secret_conn_id, create=self.creates_table) as suppressions:
            written = self.write(suppressions, keys, options, describe_task(context))
        changed = sum(not written.isdisjoint(found) for found in keys)
        counts = {"contacts": len(keys), self.outcome: changed, "unchanged": len(keys) - changed}
        self.log.info(
            "%d contacts: %d %s, %d unchanged.", len(keys), changed, self.outcome, counts["unchanged"]
        )
        if problems:
            more = f" {len(problems) - 1} more items are invalid." if problems[1:] else ""
            raise InvalidRequest(
                f"{problems[0]}{more} The other {len(keys)} contacts were written: {changed} {self.outcome}."
            )
        return counts

    def write(
        self, suppressions: SuppressionList, keys: list[list[str]], options: Any, source: str
    ) -> set[str]:
        """Write the suppressions of contacts, and return the keys whose suppression has changed.

        :param keys: the keys of each contact.
        :param options: of ``options_class``.
        :param source: which task writes.
        """
        raise NotImplementedError


class SuppressContactsOperator(_SuppressionsOperator):
    """Suppress contacts: add them to a table of people who must not be contacted.

    The table holds hashes of e-mail addresses, phone numbers, LinkedIn profiles and references,
    made with a secret, so it contains no readable personal data. A contact who is suppressed
    already, at least as long, is not written again.

    All arguments are templated.

    :param contacts: contacts, references, or a query (``SqlContacts``) or file (``FileContacts``)
        with the columns ``email``, ``phone`` and ``country``, ``linkedin_url``, or ``vendor`` and
        ``contact_id``. Complete contacts are recognized at all vendors, references only where they
        belong.
    :param sql_conn_id: connection of the database; by default ``[contacts] sql_conn_id``.
    :param suppressions_table: ``table`` or ``schema.table``; by default ``[contacts]
        suppressions_table``. It is created if it does not exist.
    :param reason: why, such as ``"unsubscribed"``. No personal data.
    :param scope: a vendor's connection type, or ``all``.
    :param until: when it ends: a time, or a duration from now such as ``"30d"``; by default it does
        not end.
    :param secret_conn_id: connection whose password is the secret of the hashes; by default
        ``[contacts] suppressions_secret_conn_id``, or ``contacts_suppressions``.
    :param default_region: ISO 3166 code of the country of phone numbers without one, such as
        ``"US"``. A number whose country is unknown is not suppressed: it may be a stranger's.
    :return: ``{"contacts", "suppressed", "unchanged"}``, numbers of contacts.
    :raises InvalidRequest: if a contact has no key, after the others were written; or if the table
        was written with another secret.
    """

    options_class = SuppressOptions
    template_fields: Sequence[str] = ("contacts", *list_arguments(SuppressOptions))
    ui_color = "#f1e4ec"
    creates_table = True
    outcome = "suppressed"

    @declares(SuppressOptions)
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)

    def write(
        self, suppressions: SuppressionList, keys: list[list[str]], options: Any, source: str
    ) -> set[str]:
        """Suppress contacts."""
        return suppressions.add(
            keys, scope=options.scope, reason=options.reason, source=source, until=options.until
        )


class AllowContactsOperator(_SuppressionsOperator):
    """End suppressions, such as of a person who has subscribed again. Their rows stay.

    A phone number that another suppressed person has too stays suppressed, with a warning.

    All arguments are templated.

    :param contacts: as for :class:`SuppressContactsOperator`.
    :param sql_conn_id: connection of the database; by default ``[contacts] sql_conn_id``.
    :param suppressions_table: ``table`` or ``schema.table``; by default ``[contacts]
        suppressions_table``.
    :param reason: why, such as ``"subscribed again"``. No personal data.
    :param scope: end only suppressions with this scope; ``all`` ends suppressions of every scope.
    :param secret_conn_id: connection whose password is the secret of the hashes; by default
        ``[contacts] suppressions_secret_conn_id``, or ``contacts_suppressions``.
    :param default_region: as for :class:`SuppressContactsOperator`.
    :return: ``{"contacts", "allowed", "unchanged"}``, numbers of contacts.
    :raises InvalidRequest: if a contact has no key, after the others were written; or if the table
        was written with another secret.
    """

    ui_color = "#e4f1ec"
    outcome = "allowed"

    def write(
        self, suppressions: SuppressionList, keys: list[list[str]], options: Any, source: str
    ) -> set[str]:
        """End the suppressions of contacts."""
        every_key = {key for found in keys for key in found}
        result = suppressions.end(keys, scope=options.scope, reason=options.reason, source=source)
        if kept := result.kept:
            self.log.warning(
                "%d of %d contacts are still suppressed by a %s that another suppressed person has too. To "
                "end it, allow that person too.",
                sum(not kept.isdisjoint(found) for found in keys),
                len(keys),
                _name_kinds({key.partition(":")[0] for key in kept}),
            )
        if result.other_kinds:
            self.log.warning(
                "Some of these people are still suppressed by another %s. To end it, pass complete contacts.",
                _name_kinds(result.other_kinds),
            )
        if options.scope != ALL_VENDORS and (active := suppressions.find_active(every_key, (ALL_VENDORS,))):
            self.log.warning(
                "%d of %d contacts are still suppressed at %s, because they are suppressed for all vendors.",
                sum(not active.isdisjoint(found) for found in keys),
                len(keys),
                options.scope,
            )
        return result.ended


def _name_kinds(kinds: Iterable[str]) -> str:
    return " or ".join(sorted(_KIND_NAMES[kind] for kind in kinds))


def _find_keys(contacts: object, default_region: str, log: Log) -> tuple[list[list[str]], list[str]]:
    """Return the keys of each contact that has some, and what is wrong with the others."""
    from airflow_provider_contacts.safeguards.keys import find_keys_to_suppress, list_unreadable_fields

    unreadable: Counter[str] = Counter()
    found = []
    problems = []
    for number, item in enumerate(read_items(contacts), start=1):
        where = f"Item {number} of `contacts`"
        fields: Mapping[str, object] = item if isinstance(item, Mapping) else {}
        try:
            keys = find_keys_to_suppress(fields, default_region)
            _check_reference(fields, where)
        except InvalidRequest as error:
            problem = str(error).removesuffix(" Nothing was written.")
            problems.append(problem if problem.startswith(where) else f"{where}: {problem}")
            continue
        if not keys:
            problems.append(
                f"{where} has no e-mail address, no phone number with a country, no LinkedIn profile, and "
                "no `vendor` with a `contact_id`, so it could not be recognized. Its fields are: "
                f"{list_names(fields)}."
            )
            continue
        for name in list_unreadable_fields(fields, keys):
            unreadable[name] += 1
        found.append(keys)
    if not found and not problems:
        log.warning("`contacts` is empty, so nothing is written.")
    for name, count in unreadable.items():
        log.warning(
            "%d contacts have a value of `%s` that cannot be normalized, such as a number without a "
            "country. "
            "They are recognized by their other keys only.",
            count,
            name,
        )
    return found, problems


def _check_reference(item: Mapping[str, object], where: str) -> None:
    """Check the reference of a contact: an invalid one would never match."""
    if not item.get("vendor") or item.get("contact_id") is None:
        return
    try:
        hook_class = find_hook_class(str(item["vendor"]).strip())
    except LookupError:
        raise InvalidRequest(
            f"{where} has an unknown `vendor`. Known vendors: {', '.join(hook_classes())}."
        ) from None
    try:
        hook_class.vendor.updates.check_ids(str(item["contact_id"]).strip(), "")
    except InvalidRequest as error:
        raise error.at(where) from None
