"""Operator that recognizes people across vendors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_contacts.core.validation import (
    is_empty_argument,
    list_names,
    parse_bool,
    parse_int,
    parse_table_name,
)
from airflow_provider_contacts.databases.tables import TableLocation
from airflow_provider_contacts.errors import InvalidRequest
from airflow_provider_contacts.hooks.registry import hook_classes
from airflow_provider_contacts.identity_keys import find_region
from airflow_provider_contacts.lineage import add_asset_metadata
from airflow_provider_contacts.operators.arguments import check_literals
from airflow_provider_contacts.retry import RetryPolicyOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

__all__ = ["ResolvePeopleOperator"]


class ResolvePeopleOperator(RetryPolicyOperator):
    """Find out which contacts of a table belong to one person, and write it to another table.

    Contacts belong to one person if they share a LinkedIn profile, an e-mail address or a phone
    number. Keys that would merge strangers are set aside. Nothing is requested from vendors.
    Everything is written in one transaction, and only what has changed.

    The table of people has a row per contact: ``vendor``, ``account_id``, ``contact_id``,
    ``person_id``, ``person_since``, ``matched_on`` (the kinds of keys that the contact shares with
    others of the person) and ``set_aside`` (its keys that were set aside). A person keeps the id
    from one run to the next.

    :param sql_conn_id: connection of the database. Templated.
    :param contacts_table: table of exported contacts, as ``ContactsToSqlOperator`` writes it.
        Templated.
    :param people_table: table to write. It is created if it does not exist, with two more whose
        names end in ``_state`` and ``_stops``. Templated.
    :param max_contacts_per_key: a key that more contacts share is set aside. Templated.
    :param max_contacts_per_person: a key is set aside if it would give a person more contacts.
        Templated.
    :param max_emails_per_person: a LinkedIn profile is set aside if its contacts have more
        different e-mail addresses. Templated.
    :param default_region: ISO 3166 alpha-2 code of the country of phone numbers without one, such
        as ``"CA"``, or a mapping of vendors to codes. Templated.
    :param allow_untested_dialect: allow databases other than SQLite, PostgreSQL, MySQL and MariaDB.
    :return: ``{"contacts", "people", "by_channels", "set_aside", "merged", "split"}``: numbers of
        contacts and people, of people by their number of vendors, of keys that were set aside by
        ``kind:reason``, of ids that were given up because two people are one, and of ids whose
        contacts now belong to several people.
    :raises InvalidRequest: if a table is missing or incompatible.
    """

    template_fields: Sequence[str] = (
        "sql_conn_id",
        "contacts_table",
        "people_table",
        "max_contacts_per_key",
        "max_contacts_per_person",
        "max_emails_per_person",
        "default_region",
    )
    ui_color = "#e4e9f1"

    def __init__(
        self,
        *,
        sql_conn_id: str,
        contacts_table: str = "contacts",
        people_table: str = "contact_people",
        max_contacts_per_key: int | str = 20,
        max_contacts_per_person: int | str = 30,
        max_emails_per_person: int | str = 3,
        default_region: str | Mapping[str, str] | None = None,
        allow_untested_dialect: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.sql_conn_id = sql_conn_id
        self.contacts_table = contacts_table
        self.people_table = people_table
        self.max_contacts_per_key = max_contacts_per_key
        self.max_contacts_per_person = max_contacts_per_person
        self.max_emails_per_person = max_emails_per_person
        self.default_region = default_region
        self.allow_untested_dialect = allow_untested_dialect
        for name in ("contacts_table", "people_table"):
            check_literals(self, partial(_check_table, name), getattr(self, name))
        for name in ("max_contacts_per_key", "max_contacts_per_person", "max_emails_per_person"):
            check_literals(self, partial(_parse_limit, name), getattr(self, name))
        check_literals(self, parse_regions, default_region)

    def execute(self, context: Context) -> dict[str, Any]:
        """Resolve the people."""
        from airflow_provider_contacts.databases.errors import database_errors
        from airflow_provider_contacts.people.identity import KeyLimits
        from airflow_provider_contacts.people.resolving import resolve_people
        from airflow_provider_contacts.people.tables import open_people_tables

        limits = KeyLimits(
            max_contacts_per_key=_parse_limit("max_contacts_per_key", self.max_contacts_per_key),
            max_contacts_per_person=_parse_limit("max_contacts_per_person", self.max_contacts_per_person),
            max_emails_per_person=_parse_limit("max_emails_per_person", self.max_emails_per_person),
        )
        regions = parse_regions(self.default_region)
        allow_untested = parse_bool("allow_untested_dialect", self.allow_untested_dialect)
        with (
            open_people_tables(
                TableLocation(self.sql_conn_id, self.people_table),
                self.contacts_table,
                create=True,
                allow_untested_dialect=allow_untested,
            ) as (engine, tables),
            database_errors("The people could not be resolved; nothing was written"),
        ):
            found = resolve_people(engine, tables, limits, regions)
        result: dict[str, Any] = {
            "contacts": found.contacts,
            "people": found.people,
            "by_channels": dict(found.by_channels),
            "set_aside": dict(found.set_aside),
            "merged": found.merged,
            "split": found.split,
        }
        self.log.info(
            "%d contacts belong to %d people, %d of them with contacts at several vendors. %d keys were set "
            "aside. %d rows were written.",
            found.contacts,
            found.people,
            sum(count for channels, count in found.by_channels.items() if channels != "1"),
            sum(found.set_aside.values()),
            found.written,
        )
        if found.merged or found.split:
            self.log.info(
                "%d person ids were merged into others; %d were split.",
                found.merged,
                found.split,
            )
        _send_metrics(result, self.people_table)
        add_asset_metadata(self, context, {**result, "table": self.people_table})
        return result


def parse_regions(value: object) -> dict[str, str]:
    """Return the region of phone numbers without a country, by vendor.

    :param value: a code for all vendors, or a mapping of vendors to codes.
    :raises InvalidRequest: if a code or a vendor is unknown.
    """
    if is_empty_argument(value):
        return {}
    codes = dict(value) if isinstance(value, Mapping) else dict.fromkeys(hook_classes(), value)
    if unknown := [name for name in codes if name not in hook_classes()]:
        raise InvalidRequest(
            f"`default_region` has unknown vendors: {list_names(unknown)}. Known vendors: "
            f"{', '.join(hook_classes())}."
        )
    regions: dict[str, str] = {}
    for vendor, code in codes.items():
        if not isinstance(code, str) or not code or find_region(code) != code:
            raise InvalidRequest(
                f"`default_region` has the invalid code {code!r} for {vendor}. Use an ISO 3166 alpha-2 code "
                'in capital letters, such as "CA".'
            )
        regions[vendor] = code
    return regions


def _check_table(argument: str, value: object) -> None:
    parse_table_name(value, argument)


def _parse_limit(argument: str, value: object) -> int:
    limit = parse_int(argument, value)
    if limit < 1:
        raise InvalidRequest(f"`{argument}` must be at least 1.")
    return limit


def _send_metrics(counts: Mapping[str, Any], table: str) -> None:
    """Send the counts as gauges, such as ``contacts.people.by_channels.2``."""
    from airflow.providers.common.compat.sdk import Stats

    for name, value in counts.items():
        parts = value.items() if isinstance(value, Mapping) else [("", value)]
        for part, count in parts:
            metric = ".".join(filter(None, ("contacts.people", name, part.replace(":", "."))))
            Stats.gauge(metric, count, tags={"table": table})
