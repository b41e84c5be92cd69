"""The tables of people, and what they need of the table of exported contacts."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow_provider_contacts.contact import REFERENCE_FIELDS
from airflow_provider_contacts.core.validation import TableLocation
from airflow_provider_contacts.databases import sa
from airflow_provider_contacts.databases.connecting import connect
from airflow_provider_contacts.databases.dialects import (
    build_column_types,
    require_schema_support,
    require_tested,
    to_utc,
)
from airflow_provider_contacts.databases.errors import database_errors
from airflow_provider_contacts.databases.tables import (
    DIGEST_LENGTH,
    ERASED,
    build_table,
    ensure_table,
    require_table,
)
from airflow_provider_contacts.identity_keys import IDENTITY_FIELDS

CONTACT_COLUMNS = (*IDENTITY_FIELDS, "name", "tags", "unknown_fields", "stage", "url")
EVENT_COLUMNS = ("replied", "replied_at", "unsubscribed_at")
_STOPS_SUFFIX = "_stops"


@dataclass(frozen=True, slots=True)
class PeopleTables:
    """The tables of people in one database. Open them with :func:`open_people_tables`."""

    contacts: sa.Table
    people: sa.Table
    stops: sa.Table


@contextlib.contextmanager
def open_people_tables(
    people_table: TableLocation, contacts_table: str, *, create: bool, allow_untested_dialect: bool = True
) -> Iterator[tuple[sa.Engine, PeopleTables]]:
    """Open the tables of people.

    :param contacts_table: table of exported contacts in the same database.
    :param create: whether the tables of people are created if they do not exist.
    :param allow_untested_dialect: allow databases that the tests do not cover.
    :return: the engine and the tables.
    :raises ContactsError: if a table does not exist, is incompatible, or cannot be used.
    """
    tables = PeopleTables(
        define_contacts_table(contacts_table),
        define_people_table(people_table.table),
        define_stops_table(people_table.table),
    )
    conn_id = people_table.sql_conn_id
    with connect(conn_id) as engine:
        require_tested(engine.dialect.name, allow_untested=allow_untested_dialect)
        for table in (tables.contacts, tables.people):
            require_schema_support(engine.dialect.name, table.schema)
        with database_errors(
            f"The tables of people in the database of connection {conn_id!r} cannot be used"
        ):
            require_table(engine, tables.contacts, allow_other_columns=True, writer="ContactsToSqlOperator")
            for table in (tables.people, tables.stops):
                if create:
                    ensure_table(engine, table, create=True)
                else:
                    require_table(engine, table, writer="ResolvePeopleOperator")
        yield engine, tables


def define_people_table(name: object) -> sa.Table:
    """Return the definition of the table of people, with a row per contact.

    :param name: ``table`` or ``schema.table``.
    """
    types = build_column_types()
    columns = [
        *_key_columns(),
        sa.Column("person_id", types["key"], nullable=False, index=True),
        sa.Column("person_since", types["time"], nullable=False),
        sa.Column("matched_on", types["key"], nullable=False),
        sa.Column("set_aside", types["key"], nullable=False),
        # `changed_at` of the contact when it was resolved.
        sa.Column("contact_changed_at", types["time"], nullable=False),
    ]
    return build_table(name, columns, "people_table")


def define_stops_table(name: object) -> sa.Table:
    """Return the definition of the table of stops, with a row per contact and change.

    :param name: of the table of people.
    """
    types = build_column_types()
    columns = [
        # A digest of the contact and the change: MySQL has no index over all these columns.
        sa.Column("stop_key", sa.String(DIGEST_LENGTH), primary_key=True),
        sa.Column("vendor", types["key"], nullable=False),
        sa.Column("account_id", types["key"], nullable=False),
        sa.Column("contact_id", types["key"], nullable=False, index=True),
        sa.Column("stop_digest", sa.String(DIGEST_LENGTH), nullable=False),
        # Whether the change was to the stage of contacts who have opted out.
        sa.Column("opts_out", types["flag"], nullable=False),
        sa.Column("stopped_at", types["time"], nullable=False),
        sa.Column("stopped_by", types["text"], nullable=False),
        # Why: a reply, an opt-out, or by hand; and when that was, if it is known.
        sa.Column("cause", types["key"], nullable=True),
        sa.Column("caused_at", types["time"], nullable=True),
    ]
    return build_table(f"{name}{_STOPS_SUFFIX}", columns, "people_table")


def define_contacts_table(name: object) -> sa.Table:
    """Return the definition of the table of contacts, with the columns that are read here.

    :param name: ``table`` or ``schema.table``.
    """
    types = build_column_types()
    columns = [
        *_key_columns(),
        *(sa.Column(column, types["text"], nullable=True) for column in CONTACT_COLUMNS),
        sa.Column("replied", types["flag"], nullable=True),
        *(sa.Column(column, types["time"], nullable=True) for column in EVENT_COLUMNS[1:]),
        sa.Column("digest", sa.String(DIGEST_LENGTH), nullable=False),
        sa.Column("changed_at", types["time"], nullable=False),
        sa.Column("removed_at", types["time"], nullable=True),
    ]
    return build_table(name, columns, "contacts_table")


def _key_columns() -> list[sa.Column[Any]]:
    return [sa.Column(name, build_column_types()["key"], primary_key=True) for name in REFERENCE_FIELDS]


def is_same_contact(one: sa.FromClause, other: sa.FromClause) -> sa.ColumnElement[bool]:
    """Return a SQL condition: both rows have the same key."""
    return sa.and_(*(one.c[name] == other.c[name] for name in REFERENCE_FIELDS))


def is_not_erased(contacts: sa.Table) -> sa.ColumnElement[bool]:
    """Return the condition that a contact was not erased. It may be removed at its vendor."""
    return contacts.c.digest != ERASED


def find_first_unresolved_change(connection: sa.Connection, tables: PeopleTables) -> datetime | None:
    """Return when a contact changed or appeared first that was not resolved since, or None."""
    contacts, people = tables.contacts, tables.people
    is_unresolved = people.c.contact_id.is_(None) | (people.c.contact_changed_at != contacts.c.changed_at)
    first = connection.scalar(
        sa.select(sa.func.min(contacts.c.changed_at))
        .select_from(contacts.outerjoin(people, is_same_contact(contacts, people)))
        .where(is_unresolved, is_not_erased(contacts))
    )
    return None if first is None else to_utc(first)
