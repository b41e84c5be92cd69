"""Send rows to PostgreSQL with ``COPY``, through either of its drivers."""

from __future__ import annotations

import io
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from airflow_provider_contacts.core.batches import batched
from airflow_provider_contacts.databases import sa
from airflow_provider_contacts.errors import MalformedRecord
from airflow_provider_contacts.transfers.tables.staging import VALUE_COLUMNS, StagedRow

_ROWS_PER_CHUNK = 1000
_VALUE_COLUMN_NAMES = [column.name for column in VALUE_COLUMNS]
_FLAG_INDEXES = tuple(index for index, column in enumerate(VALUE_COLUMNS) if column.kind == "flag")


def supports_copy(connection: sa.Connection, table: sa.Table) -> bool:
    """Return whether ``COPY`` can write to a table.

    It cannot write to a view or to a table with active row-level security, it ignores rules, and
    only the drivers psycopg and psycopg2 are known here.
    """
    if connection.dialect.name != "postgresql" or connection.dialect.driver not in ("psycopg", "psycopg2"):
        return False
    query = sa.text(
        "SELECT relkind IN ('r', 'p') AND NOT relhasrules AND NOT row_security_active(oid) FROM pg_class "
        "WHERE oid = to_regclass(:name)"
    )
    name = connection.dialect.identifier_preparer.format_table(table)
    return bool(connection.scalar(query, {"name": name}))


def copy_rows(
    connection: sa.Connection,
    table: sa.Table,
    rows: Iterable[StagedRow],
    times: Mapping[str, datetime | None],
) -> None:
    """Insert rows into a table.

    :param times: times that all rows share, by column name.
    :raises MalformedRecord: if a value contains a NUL character; the message names the field.
    """
    preparer = connection.dialect.identifier_preparer
    names = ", ".join(preparer.quote(name) for name in (*_VALUE_COLUMN_NAMES, "digest", *times, "raw"))
    null = secrets.token_hex(8)  # random, so that no text of a contact equals it
    statement = (
        f"COPY {preparer.format_table(table)} ({names}) FROM STDIN WITH (NULL '{null}', ENCODING 'UTF8')"
    )
    chunks = _format_chunks(rows, [moment.isoformat() if moment else null for moment in times.values()], null)
    dbapi: Any = connection.dialect.dbapi
    driver_connection: Any = connection.connection
    try:
        with driver_connection.cursor() as cursor:
            # A statement per chunk, so that a timeout of statements does not limit the number of
            # rows.
            for chunk in chunks:
                if connection.dialect.driver == "psycopg2":
                    cursor.copy_expert(statement, io.BytesIO(chunk))
                else:
                    with cursor.copy(statement) as copy:
                        copy.write(chunk)
    except dbapi.Error as error:
        raise sa.exc.DBAPIError.instance("COPY", None, error, dbapi.Error, hide_parameters=True) from None


def _format_chunks(rows: Iterable[StagedRow], shared_values: list[str], null: str) -> Iterator[bytes]:
    """Yield rows as ``COPY`` reads them: a line each, with a tab between values."""
    for batch in batched(rows, _ROWS_PER_CHUNK):
        yield b"".join([_format_row(values, shared_values, null) + _escape_raw(raw) for values, raw in batch])


def _format_row(values: list[str | bool | None], shared_values: list[str], null: str) -> bytes:
    """Return a line without `raw`, its last value."""
    for index in _FLAG_INDEXES:
        if values[index] is not None:
            values[index] = "true" if values[index] else "false"
    texts: list[Any] = [null if value is None else value for value in values]
    texts += shared_values
    line = "\t".join(texts)
    # Checked for the whole row, because few need it.
    if "\\" in line or "\n" in line or "\r" in line or line.count("\t") >= len(texts):
        line = "\t".join([_escape(text) for text in texts])
    if "\0" in line:
        reject_nul(values)
    return f"{line}\t".encode()


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


def _escape_raw(raw: bytes) -> bytes:
    # Staging has removed its line breaks.
    return raw.replace(b"\\", b"\\\\").replace(b"\t", b"\\t") + b"\n"


def reject_nul(values: Sequence[object]) -> None:
    """Raise if a value contains a NUL character, which PostgreSQL cannot store.

    :param values: those of a staged row.
    :raises MalformedRecord: if one does; the message names the field.
    """
    for name, value in zip(_VALUE_COLUMN_NAMES, values, strict=False):
        if isinstance(value, str) and "\0" in value:
            contact_id = values[_VALUE_COLUMN_NAMES.index("contact_id")]
            raise MalformedRecord(
                f"`{name}` of contact {contact_id} contains a NUL character, which PostgreSQL cannot store. "
                "Nothing was written. Remove the character at the vendor."
            )
