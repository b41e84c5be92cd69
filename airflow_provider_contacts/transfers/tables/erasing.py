"""Erase a person's data from a table of exported contacts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone

from airflow_provider_contacts.contact import REFERENCE_FIELDS
from airflow_provider_contacts.databases import sa
from airflow_provider_contacts.databases.dialects import lock_contacts
from airflow_provider_contacts.databases.tables import ERASED
from airflow_provider_contacts.identity_keys import IDENTITY_FIELDS
from airflow_provider_contacts.safeguards.keys import find_keys
from airflow_provider_contacts.transfers.columns import COLUMNS
from airflow_provider_contacts.transfers.tables.merge import lock_id_of

_ROWS_PER_FETCH = 1000


@dataclass(frozen=True, slots=True, repr=False)
class FoundRows:
    """The rows of a person.

    :param rows: keys of rows that have one of the wanted identity keys.
    :param keys: all identity keys of these rows.
    :param related: keys of other rows that share one of them, and may belong to another person.
    """

    rows: list[tuple[str, str, str]] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    related: list[tuple[str, str, str]] = field(default_factory=list)


def find_rows(engine: sa.Engine, table: sa.Table, wanted: Iterable[str]) -> FoundRows:
    """Find the rows that have any of the given identity keys. Every row is read.

    :param wanted: as :func:`~airflow_provider_contacts.safeguards.keys.find_keys` returns them.
    :return: these rows, and others that share a key with them.
    """
    wanted = frozenset(wanted)
    person = FoundRows()
    for row, keys in _read_keys(engine, table):
        if not wanted.isdisjoint(keys):
            person.rows.append(row)
            person.keys.update(keys)
    shared = {key for key in person.keys if not key.startswith("reference:")}
    if not shared <= wanted:
        rows = set(person.rows)
        person.related.extend(
            row for row, keys in _read_keys(engine, table) if row not in rows and not shared.isdisjoint(keys)
        )
    return person


def erase(engine: sa.Engine, table: sa.Table, rows: Iterable[tuple[str, str, str]]) -> int:
    """Empty all columns of rows except their key and the times of this package.

    Exports do not fill these rows again.

    :return: how many rows there were.
    """
    now = datetime.now(timezone.utc)
    empty: dict[str, object] = {column.name: None for column in COLUMNS if column.nullable}
    empty.update({column.name: "[]" for column in COLUMNS if column.kind == "texts"})
    values = {**empty, "raw": "{}", "digest": ERASED, "changed_at": now}
    rows = sorted(rows)
    count = 0
    with engine.connect() as connection:
        accounts = sorted({(vendor, account_id) for vendor, account_id, _ in rows})
        with lock_contacts(connection, [lock_id_of(table, *account) for account in accounts]):
            for row in rows:
                is_row = [table.c[name] == value for name, value in zip(REFERENCE_FIELDS, row, strict=True)]
                count += connection.execute(table.update().where(*is_row).values(values)).rowcount
            connection.commit()
    return count


def _read_keys(engine: sa.Engine, table: sa.Table) -> Iterator[tuple[tuple[str, str, str], frozenset[str]]]:
    query = sa.select(*(table.c[name] for name in (*REFERENCE_FIELDS, *IDENTITY_FIELDS)))
    with engine.connect() as connection:
        result = connection.execute(query.execution_options(yield_per=_ROWS_PER_FETCH))
        for row in result.mappings():
            fields: Mapping[str, object] = {str(name): value for name, value in row.items()}
            key = (str(row["vendor"]), str(row["account_id"]), str(row["contact_id"]))
            yield key, frozenset(find_keys(fields))
