"""Write many rows of the contacts table with few statements.

How depends on the database: PostgreSQL receives rows by ``COPY``; PostgreSQL and MySQL update rows
from a temporary table, others one by one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any

from airflow_provider_contacts.contact import REFERENCE_FIELDS
from airflow_provider_contacts.core.batches import batched
from airflow_provider_contacts.databases import sa
from airflow_provider_contacts.databases.dialects import create_temporary_table, drop_temporary_table
from airflow_provider_contacts.errors import MalformedRecord
from airflow_provider_contacts.transfers.tables.copying import copy_rows, reject_nul, supports_copy
from airflow_provider_contacts.transfers.tables.staging import VALUE_COLUMNS, StagedRow

# Rows per statement: enough that round trips no longer matter, and little memory.
_ROWS_PER_STATEMENT = 1000
# Old versions of SQLite allow 999 parameters.
_IDS_PER_STATEMENT = 900
_TIME_INDEXES = tuple(index for index, column in enumerate(VALUE_COLUMNS) if column.kind == "time")
# The columns in the order in which rows are made here.
_ROW_COLUMNS = (
    *(column.name for column in VALUE_COLUMNS),
    "digest",
    "raw",
    "first_seen_at",
    "changed_at",
    "removed_at",
)
_UPDATED = tuple(name for name in _ROW_COLUMNS if name not in (*REFERENCE_FIELDS, "first_seen_at"))


def insert_rows(connection: sa.Connection, table: sa.Table, rows: Iterable[StagedRow], now: datetime) -> None:
    """Insert rows.

    :param rows: from :meth:`Staging.read_rows`.
    :param now: the value of ``first_seen_at`` and ``changed_at``.
    :raises MalformedRecord: if the database cannot store a value.
    """
    if supports_copy(connection, table):
        copy_rows(connection, table, rows, {"first_seen_at": now, "changed_at": now, "removed_at": None})
        return
    _insert(connection, table, batched(_to_values(connection, rows, now), _ROWS_PER_STATEMENT))


def update_rows(
    connection: sa.Connection,
    table: sa.Table,
    rows: Iterable[StagedRow],
    now: datetime,
    condition: sa.ColumnElement[bool],
) -> None:
    """Update existing rows and clear their ``removed_at``.

    :param rows: from :meth:`Staging.read_rows`.
    :param now: the value of ``changed_at``.
    :param condition: other rows stay as they are.
    :raises MalformedRecord: if the database cannot store a value.
    """
    changed_rows = create_temporary_table(connection, table, _ROW_COLUMNS)
    if changed_rows is None:
        _update_by_key(connection, table, rows, now, condition)
        return
    insert_rows(connection, changed_rows, rows, now)
    connection.execute(
        table.update()
        .where(condition, *(table.c[name] == changed_rows.c[name] for name in REFERENCE_FIELDS))
        .values({name: changed_rows.c[name] for name in _UPDATED})
    )
    drop_temporary_table(connection, changed_rows)


def mark_removed(
    connection: sa.Connection,
    table: sa.Table,
    account: sa.ColumnElement[bool],
    contact_ids: Sequence[str],
    now: datetime,
) -> None:
    """Set ``removed_at`` of an account's contacts.

    :param account: selects the rows of the account.
    :param now: the value of ``removed_at``.
    """
    for batch in batched(contact_ids, _IDS_PER_STATEMENT):
        statement = table.update().where(account, table.c.contact_id.in_(batch)).values(removed_at=now)
        connection.execute(statement)


def _to_values(connection: sa.Connection, rows: Iterable[StagedRow], now: datetime) -> Iterator[list[object]]:
    """Yield the values of ``_ROW_COLUMNS``, with times."""
    for staged, raw in rows:
        if connection.dialect.name == "postgresql":
            reject_nul(staged)
        values: list[object] = [*staged, raw.decode(), now, now, None]
        for index in _TIME_INDEXES:
            if isinstance(text := values[index], str):
                values[index] = datetime.fromisoformat(text)
        yield values


def _insert(connection: sa.Connection, table: sa.Table, batches: Iterable[list[list[object]]]) -> None:
    compiled = table.insert().compile(dialect=connection.dialect, column_keys=list(_ROW_COLUMNS))
    if not compiled.positional:
        for rows in batches:
            with _reject_unstorable_values():
                connection.execute(
                    table.insert(), [dict(zip(_ROW_COLUMNS, row, strict=True)) for row in rows]
                )
        return
    # The driver receives tuples. With dicts, SQLAlchemy takes longer for a row than SQLite itself
    # (15 and 12 µs).
    processors = {
        _ROW_COLUMNS.index(name): process for name, process in _bind_processors(connection, table).items()
    }
    in_order = itemgetter(*(_ROW_COLUMNS.index(name) for name in compiled.positiontup or ()))
    for rows in batches:
        with _reject_unstorable_values():
            for place, process in processors.items():
                for row in rows:
                    row[place] = process(row[place])
            connection.exec_driver_sql(str(compiled), [in_order(row) for row in rows])


def _bind_processors(connection: sa.Connection, table: sa.Table) -> dict[str, Callable[[Any], Any]]:
    """Return SQLAlchemy's bind processors, by column name."""
    dialect = connection.dialect
    found = {name: table.c[name].type.dialect_impl(dialect).bind_processor(dialect) for name in _ROW_COLUMNS}
    return {name: processor for name, processor in found.items() if processor is not None}


def _update_by_key(
    connection: sa.Connection,
    table: sa.Table,
    rows: Iterable[StagedRow],
    now: datetime,
    condition: sa.ColumnElement[bool],
) -> None:
    # Parameters must not have the names of columns.
    statement = (
        table.update()
        .where(condition, *(table.c[name] == sa.bindparam(f"from_{name}") for name in REFERENCE_FIELDS))
        .values({name: sa.bindparam(f"from_{name}") for name in _UPDATED})
    )
    parameters = [f"from_{name}" for name in _ROW_COLUMNS]
    for batch in batched(_to_values(connection, rows, now), _ROWS_PER_STATEMENT):
        with _reject_unstorable_values():
            connection.execute(statement, [dict(zip(parameters, row, strict=True)) for row in batch])


@contextlib.contextmanager
def _reject_unstorable_values() -> Iterator[None]:
    try:
        yield
    except (ValueError, OverflowError):
        # Drivers raise these for text with a NUL, or a time outside their range. Their messages
        # contain the value.
        raise MalformedRecord(
            "A contact has a value that the database cannot store, such as a NUL character or a time "
            "outside its range. Nothing was written."
        ) from None
