"""The audit: a row per contact and attempt of an update, in the user's database."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from airflow_provider_contacts.core.updates.targets import Target
from airflow_provider_contacts.core.validation import TableLocation
from airflow_provider_contacts.databases import sa
from airflow_provider_contacts.databases.connecting import connect, transaction
from airflow_provider_contacts.databases.dialects import (
    build_column_types,
    database_time,
    read_clock,
    require_schema_support,
)
from airflow_provider_contacts.databases.errors import database_errors
from airflow_provider_contacts.databases.tables import build_table, ensure_table, require_table
from airflow_provider_contacts.errors import ContactsError, OptedOut

if TYPE_CHECKING:
    from airflow.sdk import Context

RowOutcome = Literal["updated", "unchanged", "suppressed", "unchecked", "failed", "previewed", "rejected"]

_ROWS_PER_INSERT = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskAttempt:
    """What all rows of one attempt of a task have in common."""

    dag_id: str
    task_id: str
    run_id: str
    map_index: int
    try_number: int
    contacts_conn_id: str
    vendor: str

    @classmethod
    def from_context(cls, context: Context, contacts_conn_id: str, vendor: str) -> TaskAttempt:
        """Return the attempt that a task's context describes."""
        ti = dict(context).get("ti")
        return cls(
            dag_id=getattr(ti, "dag_id", ""),
            task_id=getattr(ti, "task_id", ""),
            run_id=getattr(ti, "run_id", ""),
            map_index=getattr(ti, "map_index", -1),
            try_number=getattr(ti, "try_number", 1),
            contacts_conn_id=contacts_conn_id,
            vendor=vendor,
        )


def define_audit(name: str) -> sa.Table:
    """Return the definition of the audit.

    :param name: ``table`` or ``schema.table``.
    """
    types = build_column_types()
    texts = ("dag_id", "task_id", "run_id")
    keys = ("contacts_conn_id", "vendor", "account_id", "contact_id")
    columns = [
        sa.Column("recorded_at", types["time"], nullable=False, index=True),
        *(sa.Column(column, types["text"], nullable=False) for column in texts),
        sa.Column("map_index", sa.Integer(), nullable=False),
        sa.Column("try_number", sa.Integer(), nullable=False),
        *(sa.Column(column, types["key"], nullable=False) for column in keys),
        sa.Column("change", types["text"], nullable=False),
        sa.Column("outcome", types["key"], nullable=False),
        sa.Column("error", types["text"], nullable=True),
        sa.Column("approver", types["text"], nullable=True),
    ]
    return build_table(name, columns, "audit_table")


class AuditWriter:
    """Writes the outcomes of one attempt to tables. Open it with :func:`open_audit_writer`.

    :param tables: engines and tables; without any, nothing is written.
    :param targets: the contacts that the attempt may update.

    ``error`` is why rows could not be written, or None.
    """

    def __init__(
        self, tables: Sequence[tuple[sa.Engine, sa.Table]], attempt: TaskAttempt, targets: Sequence[Target]
    ) -> None:
        self._tables = tables
        self._attempt = {name: getattr(attempt, name) for name in attempt.__slots__}
        self._targets = targets
        self.approver: str | None = None
        self.error: ContactsError | None = None

    def record(self, updated: Sequence[int], failed: Mapping[int, ContactsError]) -> None:
        """Write that contacts were updated, and that others failed, by index into the targets."""
        self._write(
            [
                *(self._row(self._targets[index], "updated") for index in updated),
                *(
                    self._row(
                        self._targets[index],
                        "suppressed" if isinstance(error, OptedOut) else "failed",
                        type(error).__name__,
                    )
                    for index, error in failed.items()
                ),
            ]
        )

    def record_plan(
        self,
        unchanged: Sequence[Target],
        suppressed: Sequence[Target],
        *,
        unchecked: Sequence[Target] = (),
        previewed: Sequence[Target] = (),
        rejected: Sequence[Target] = (),
    ) -> None:
        """Write which contacts are not updated, and why."""
        self._write(
            [
                *(self._row(target, "unchanged") for target in unchanged),
                *(self._row(target, "suppressed") for target in suppressed),
                *(self._row(target, "unchecked") for target in unchecked),
                *(self._row(target, "previewed") for target in previewed),
                *(self._row(target, "rejected") for target in rejected),
            ]
        )

    def _row(self, target: Target, outcome: RowOutcome, error: str | None = None) -> dict[str, object]:
        return {
            **self._attempt,
            "account_id": target.account_id,
            "contact_id": target.contact_id,
            "change": str(target.change),
            "outcome": outcome,
            "error": error,
            # Of a rejected change: who rejected it, or no one if the request timed out.
            "approver": self.approver if outcome in ("updated", "failed", "rejected") else None,
        }

    def _write(self, rows: list[dict[str, object]]) -> None:
        for engine, table in self._tables:
            try:
                with database_errors(f"The audit {table.fullname!r} cannot be written, so the update stops"):
                    for start in range(0, len(rows), _ROWS_PER_INSERT):
                        with transaction(engine) as connection:
                            statement = table.insert().values(recorded_at=database_time(connection))
                            connection.execute(statement, rows[start : start + _ROWS_PER_INSERT])
            except ContactsError as error:
                self.error = error
                raise


@contextlib.contextmanager
def _open_audit(location: TableLocation, *, create: bool) -> Iterator[tuple[sa.Engine, sa.Table]]:
    """Open the table of an audit for writing.

    :param create: whether to create the table if it does not exist.
    """
    with connect(location.sql_conn_id) as engine:
        table = define_audit(location.table)
        require_schema_support(engine.dialect.name, table.schema)
        with database_errors(f"The audit {location} cannot be used, so nothing is written"):
            ensure_table(engine, table, create=create, append_only=True)
        yield engine, table


@contextlib.contextmanager
def open_audit_writer(
    locations: Sequence[TableLocation], attempt: TaskAttempt, targets: Sequence[Target]
) -> Iterator[AuditWriter]:
    """Open the audit of one attempt.

    :param locations: the tables.
    :raises ContactsError: if a table cannot be written, or is incompatible.
    """
    with contextlib.ExitStack() as stack:
        tables = [stack.enter_context(_open_audit(location, create=True)) for location in locations]
        yield AuditWriter(tables, attempt, targets)


def list_rows(
    location: TableLocation, vendor: str, account_id: str | None, contact_id: str
) -> list[dict[str, object]]:
    """Return the rows of a contact, the latest first.

    :param account_id: None for all accounts of the vendor.
    :raises ContactsError: if the table does not exist or cannot be read.
    """
    table = define_audit(location.table)
    columns = table.c
    is_contact = (columns.vendor == vendor) & (columns.contact_id == contact_id)
    if account_id is not None:
        is_contact &= columns.account_id == account_id
    with connect(location.sql_conn_id) as engine, database_errors(f"The audit {location} cannot be read"):
        require_table(engine, table, writer="an operator with `audit_table`")
        with transaction(engine) as connection:
            query = sa.select(table).where(is_contact).order_by(columns.recorded_at.desc())
            return [
                {str(name): value for name, value in row.items()}
                for row in connection.execute(query).mappings()
            ]


def prune_audit(location: TableLocation, keep: timedelta) -> int:
    """Delete the rows that are older than a duration, by the database's clock.

    :return: how many rows were deleted.
    :raises ContactsError: if the table does not exist or cannot be written.
    """
    with (
        _open_audit(location, create=False) as (engine, table),
        database_errors(f"The audit {location} cannot be pruned"),
        transaction(engine) as connection,
    ):
        before = read_clock(connection) - keep
        return connection.execute(table.delete().where(table.c.recorded_at < before)).rowcount
