"""Record which loads have written a contacts table, and what each has asked its vendor."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from airflow_provider_contacts.core.matching.parsing import ConditionLike, parse_condition
from airflow_provider_contacts.databases import sa
from airflow_provider_contacts.databases.dialects import build_column_types
from airflow_provider_contacts.databases.tables import DIGEST_LENGTH, build_table

if TYPE_CHECKING:
    from airflow_provider_contacts.hooks.base import ContactsHook

LOADS_TABLE = "contact_loads"
_COUNTS = ("seen", "new", "changed", "unchanged", "removed", "rows_before")


def define_loads_table(contacts: sa.Table) -> sa.Table:
    """Return the definition of the table of loads, which is in the schema of the contacts table."""
    types = build_column_types()
    columns = [
        sa.Column("load_id", sa.String(36), primary_key=True),
        sa.Column("account_id", types["key"], primary_key=True),
        sa.Column("table_name", types["key"], nullable=False),
        sa.Column("vendor", types["key"], nullable=False),
        sa.Column("contacts_conn_id", types["text"], nullable=False),
        sa.Column("question", sa.String(DIGEST_LENGTH), nullable=False),
        sa.Column("started_at", types["time"], nullable=False),
        sa.Column("finished_at", types["time"], nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in _COUNTS),
    ]
    name = f"{contacts.schema}.{LOADS_TABLE}" if contacts.schema else LOADS_TABLE
    return build_table(name, columns, LOADS_TABLE)


@dataclass(frozen=True, slots=True)
class Question:
    """What a load asks its vendor.

    :param vendor: connection type of the vendor.
    :param contacts_conn_id: the connection.
    :param digest: of connection, filters and condition.
    :param is_narrowed: whether it has filters or a condition, so that a contact that is not listed
        may still exist.
    """

    vendor: str
    contacts_conn_id: str
    digest: str
    is_narrowed: bool


def describe_question(hook: ContactsHook[Any], filters: Any, condition: ConditionLike | None) -> Question:
    """Return what a listing with filters and a condition asks.

    :raises ContactsError: what ``hook.list_contacts`` would raise before its first request.
    """
    parsed = parse_condition(condition)
    sent = hook.resolve_filters(filters, condition=condition)
    parts = (
        hook.contacts_conn_id,
        hook.settings.base_url,
        sorted(sent.items()),
        None if parsed is None else parsed.to_dict(),
    )
    digest = hashlib.sha256(msgspec.json.encode(parts, order="sorted")).hexdigest()
    return Question(hook.vendor.name, hook.contacts_conn_id, digest, bool(filters) or parsed is not None)


@dataclass(frozen=True, slots=True)
class LoadLog:
    """The loads of a contacts table.

    :param loads: the table of loads.
    :param table_name: the contacts table, without its schema.
    :param question: what the load that is running asks.
    """

    loads: sa.Table
    table_name: str
    question: Question

    def list_accounts(self, connection: sa.Connection) -> list[str]:
        """Return the accounts in which earlier loads with the same question found contacts."""
        columns = self.loads.c
        is_same = columns.question == self.question.digest
        return list(
            connection.scalars(sa.select(columns.account_id).where(self._is_own(), is_same).distinct())
        )

    def is_only_question(self, connection: sa.Connection, account_id: str) -> bool:
        """Return whether all contacts of an account in the table were loaded with this question."""
        columns = self.loads.c
        row = connection.execute(
            sa.select(
                sa.func.min(columns.question).label("first"),
                sa.func.max(columns.question).label("last"),
                sa.func.min(columns.rows_before).label("fewest"),
            ).where(self._is_own(), columns.account_id == account_id)
        ).one()
        # Before one of these loads, there was no row of another origin.
        return bool(row.first == row.last == self.question.digest and row.fewest == 0)

    def add(
        self,
        connection: sa.Connection,
        counts: Mapping[str, Mapping[str, int]],
        started_at: datetime,
        finished_at: datetime,
    ) -> None:
        """Record the load that is running, with a row per account.

        :param counts: by account, the values of the columns with the same names.
        :param started_at: when reading started, by the database's clock.
        """
        load = {
            "load_id": str(uuid.uuid4()),
            "table_name": self.table_name,
            "vendor": self.question.vendor,
            "contacts_conn_id": self.question.contacts_conn_id,
            "question": self.question.digest,
            "started_at": started_at,
            "finished_at": finished_at,
        }
        rows = [{**load, "account_id": account_id, **values} for account_id, values in counts.items()]
        if rows:
            connection.execute(self.loads.insert(), rows)

    def _is_own(self) -> sa.ColumnElement[bool]:
        columns = self.loads.c
        return sa.and_(columns.table_name == self.table_name, columns.vendor == self.question.vendor)
