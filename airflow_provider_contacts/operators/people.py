"""Operator that recognizes people across vendors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_contacts.core.validation import (
    TableLocation,
    is_empty_argument,
    list_names,
    parse_bool,
    parse_int,
    parse_table,
    parse_text,
)
from airflow_provider_contacts.errors import InvalidRequest
from airflow_provider_contacts.hooks.registry import hook_classes
from airflow_provider_contacts.identity_keys import require_region
from airflow_provider_contacts.lineage import add_asset_metadata
from airflow_provider_contacts.operators.arguments import (
    argument,
    declares,
    list_arguments,
    parse_arguments,
    pop_arguments,
    set_arguments,
)
from airflow_provider_contacts.retry import RetryPolicyOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

__all__ = ["ResolvePeopleOperator"]


def parse_regions(name: str, value: object) -> dict[str, str]:
    """Return the region of phone numbers without a country, by vendor.

    :param name: the argument's name, for messages.
    :param value: a code for all vendors, or a mapping of vendors to codes.
    :raises InvalidRequest: if a code or a vendor is unknown.
    """
    if is_empty_argument(value):
        return {}
    codes = dict(value) if isinstance(value, Mapping) else dict.fromkeys(hook_classes(), value)
    if unknown := [name for name in codes if name not in hook_classes()]:
        raise InvalidRequest(
            f"`{name}` has unknown vendors: {list_names(unknown)}. Known vendors: "
            f"{', '.join(hook_classes())}."
        )
    return {vendor: require_region(f"`{name}` ({vendor})", code) for vendor, code in codes.items()}


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ResolveOptions:
    """The arguments of :class:`ResolvePeopleOperator` after templates are rendered."""

    sql_conn_id: str = argument(parse_text)
    contacts_table: str = argument(parse_table, "contacts")
    people_table: str = argument(parse_table, "contact_people")
    max_contacts_per_key: int = argument(parse_int, 20)
    max_contacts_per_person: int = argument(parse_int, 30)
    max_emails_per_person: int = argument(parse_int, 3)
    default_region: dict[str, str] = argument(parse_regions, None)
    allow_untested_dialect: bool = argument(parse_bool, False)


class ResolvePeopleOperator(RetryPolicyOperator):
    """Find out which contacts of a table belong to one person, and write it to another table.

    Contacts belong to one person if they share a LinkedIn profile, an e-mail address or a phone
    number. Keys that would merge strangers are set aside. Nothing is requested from vendors.
    Everything is written in one transaction, and only what has changed. All arguments are
    templated.

    The table of people has a row per contact: ``vendor``, ``account_id``, ``contact_id``,
    ``person_id``, ``person_since``, ``matched_on`` (the kinds of keys that the contact shares with
    others of the person) and ``set_aside`` (its keys that were set aside). A person keeps the id
    from one run to the next.

    :param sql_conn_id: connection of the database.
    :param contacts_table: table of exported contacts, as ``ContactsToSqlOperator`` writes it.
    :param people_table: table to write. It is created if it does not exist, with one more whose
        name ends in ``_stops``.
    :param max_contacts_per_key: a key that more contacts share is set aside.
    :param max_contacts_per_person: a key is set aside if it would give a person more contacts.
    :param max_emails_per_person: a LinkedIn profile is set aside if its contacts have more
        different e-mail addresses.
    :param default_region: ISO 3166 alpha-2 code of the country of phone numbers without one, such
        as ``"CA"``, or a mapping of vendors to codes.
    :param allow_untested_dialect: allow databases other than SQLite, PostgreSQL, MySQL and MariaDB.
    :return: ``{"contacts", "people", "by_channels", "set_aside", "merged", "split"}``: numbers of
        contacts and people, of people by their number of vendors, of keys that were set aside by
        ``kind:reason``, of ids that were given up because two people are one, and of ids whose
        contacts now belong to several people.
    :raises InvalidRequest: if a table is missing or incompatible.
    """

    template_fields: Sequence[str] = tuple(list_arguments(ResolveOptions))
    ui_color = "#e4e9f1"

    @declares(ResolveOptions)
    def __init__(self, **kwargs: Any) -> None:
        given = pop_arguments(ResolveOptions, kwargs)
        super().__init__(**kwargs)
        set_arguments(self, ResolveOptions, given)

    def execute(self, context: Context) -> dict[str, Any]:
        """Resolve the people."""
        from airflow_provider_contacts.databases.errors import database_errors
        from airflow_provider_contacts.people.identity import KeyLimits
        from airflow_provider_contacts.people.resolving import resolve_people
        from airflow_provider_contacts.people.tables import open_people_tables

        options = parse_arguments(self, ResolveOptions)
        limits = KeyLimits(
            max_contacts_per_key=options.max_contacts_per_key,
            max_contacts_per_person=options.max_contacts_per_person,
            max_emails_per_person=options.max_emails_per_person,
        )
        with (
            open_people_tables(
                TableLocation(options.sql_conn_id, options.people_table),
                options.contacts_table,
                create=True,
                allow_untested_dialect=options.allow_untested_dialect,
            ) as (engine, tables),
            database_errors("The people could not be resolved; nothing was written"),
        ):
            counts = resolve_people(engine, tables, limits, options.default_region)
        result: dict[str, Any] = {
            "contacts": counts.contacts,
            "people": counts.people,
            "by_channels": dict(counts.by_channels),
            "set_aside": dict(counts.set_aside),
            "merged": counts.merged,
            "split": counts.split,
        }
        self.log.info(
            "%d contacts belong to %d people, %d of them with contacts at several vendors. %d keys were set "
            "aside. %d rows were written.",
            counts.contacts,
            counts.people,
            sum(count for channels, count in counts.by_channels.items() if channels != "1"),
            sum(counts.set_aside.values()),
            counts.written,
        )
        if counts.merged or counts.split:
            self.log.info(
                "%d person ids were merged into others; %d were split.", counts.merged, counts.split
            )
        _send_metrics(result, options.people_table)
        add_asset_metadata(self, context, {**result, "table": options.people_table})
        return result


def _send_metrics(counts: Mapping[str, Any], table: str) -> None:
    """Send the counts as gauges, such as ``contacts.people.by_channels.2``."""
    from airflow.providers.common.compat.sdk import Stats

    for name, value in counts.items():
        parts = value.items() if isinstance(value, Mapping) else [("", value)]
        for part, count in parts:
            metric = ".".join(filter(None, ("contacts.people", name, part.replace(":", "."))))
            Stats.gauge(metric, count, tags={"table": table})
