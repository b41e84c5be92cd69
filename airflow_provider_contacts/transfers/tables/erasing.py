"""Erase a person's data from a table of exported contacts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from airflow_provider_contacts.contact import REFERENCE_FIELDS
from airflow_provider_contacts.databases import sa
from airflow_provider_contacts.databases.dialects import lock_contacts, read_clock
from airflow_provider_contacts.databases.tables import ERASED
from airflow_provider_contacts.identity_keys import IDENTITY_FIELDS
from airflow_provider_contacts.safeguards.keys import find_keys, find_keys_to_erase, find_keys_to_suppress
from airflow_provider_contacts.transfers.columns import COLUMNS
from airflow_provider_contacts.transfers.tables.merge import list_lock_ids

_ROWS_PER_FETCH = 1000


@dataclass(frozen=True, slots=True, repr=False)
class FoundRows:
    """The rows of a person.

    :param rows: keys of rows that have one of the wanted identity keys.
    :param keys: what suppresses these rows' contacts.
    :param related: keys of other rows that may belong to the same person, or to another one: they
        share a key with one of the rows, or have a value that can be read as a wanted key.
    """

    rows: list[tuple[str, str, str]] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    related: list[tuple[str, str, str]] = field(default_factory=list)


def find_rows(
    engine: sa.Engine, table: sa.Table, wanted: Iterable[str], possible: Iterable[str] = ()
) -> FoundRows:
    """Find the rows that have any of the given identity keys. Every row is read.

    :param wanted: as :func:`~airflow_provider_contacts.safeguards.keys.find_keys_to_erase` returns
        them.
    :param possible: other readings of the same values, by which related rows are found.
    :return: these rows, and others that share a key with them.
    """
    wanted = frozenset(wanted)
    person = FoundRows()
    shared: set[str] = set()
    for row, fields in _read_rows(engine, table):
        keys = find_keys_to_erase(fields)
        if not wanted.isdisjoint(keys):
            person.rows.append(row)
            person.keys.update(find_keys_to_suppress(fields))
            shared.update(key for key in keys if not key.startswith("reference:"))
    shared |= {*wanted, *possible}
    rows = set(person.rows)
    person.related.extend(
        row
        for row, fields in _read_rows(engine, table)
        if row not in rows and not shared.isdisjoint(find_keys(fields))
    )
    return person


def list_other_columns(engine: sa.Engine, table: sa.Table) -> list[str]:
    """Return the columns that a user has added to a table. Erasing leaves them as they are."""
    columns = sa.inspect(engine).get_columns(table.name, schema=table.schema)
    return [column["name"] for column in columns if column["name"] not in table.c]


def erase(engine: sa.Engine, table: sa.Table, rows: Iterable[tuple[str, str, str]]) -> int:
    """Empty all columns of rows except their key and the times of this package.

    Exports do not fill these rows again.

    :return: how many rows there were.
    """
    empty: dict[str, object] = {column.name: None for column in COLUMNS if column.nullable}
    empty.update({column.name: "[]" for column in COLUMNS if column.kind == "texts"})
    values = {**empty, "raw": "{}", "digest": ERASED}
    rows = sorted(rows)
    count = 0
    with engine.connect() as connection:
        accounts = sorted({(vendor, account_id) for vendor, account_id, _ in rows})
        with lock_contacts(connection, list_lock_ids(connection, table, accounts)):
            values["changed_at"] = read_clock(connection)
            for row in rows:
                is_row = [table.c[name] == value for name, value in zip(REFERENCE_FIELDS, row, strict=True)]
                count += connection.execute(table.update().where(*is_row).values(values)).rowcount
            connection.commit()
    return count


def _read_rows(
    engine: sa.Engine, table: sa.Table
) -> Iterator[tuple[tuple[str, str, str], Mapping[str, object]]]:
    """Yield the key of each row, and the fields that identify a person."""
    query = sa.select(*(table.c[name] for name in (*REFERENCE_FIELDS, *IDENTITY_FIELDS)))
    with engine.connect() as connection:
        result = connection.execute(query.execution_options(yield_per=_ROWS_PER_FETCH))
        for row in result.mappings():
            fields: Mapping[str, object] = {str(name): value for name, value in row.items()}
            yield (str(row["vendor"]), str(row["account_id"]), str(row["contact_id"])), fields
