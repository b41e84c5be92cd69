"""Erasing what a table says about a person."""

from __future__ import annotations

from typing import Any

from airflow_provider_contacts.contact import REFERENCE_FIELDS
from airflow_provider_contacts.databases.connecting import connect
from airflow_provider_contacts.transfers.columns import COLUMNS
from airflow_provider_contacts.transfers.tables.erasing import FoundRows, erase, find_rows
from airflow_provider_contacts.transfers.tables.table import define_table
from tests.conftest import Sandbox
from tests.database import Database, counts, load

TABLE = define_table("contacts")


def find(database: Database, *keys: str) -> FoundRows:
    with connect(database.conn_id) as engine:
        return find_rows(engine, TABLE, keys)


def erase_rows(database: Database, person: FoundRows) -> int:
    with connect(database.conn_id) as engine:
        return erase(engine, TABLE, person.rows)


def row_of(database: Database, contact_id: str) -> dict[str, Any]:
    return next(row for row in database.rows() if row["contact_id"] == contact_id)


def test_erased_rows_keep_their_key_only(sandbox: Sandbox, database: Database) -> None:
    load(database, "mailstand")
    before = next(row for row in database.rows() if row["email"] and row["phone"])
    person = find(database, f"email:{before['email'].lower()}")
    assert person.rows == [tuple(before[name] for name in REFERENCE_FIELDS)]
    assert f"email:{before['email'].lower()}" in person.keys
    assert erase_rows(database, person) == 1
    after = row_of(database, before["contact_id"])
    assert {name: after[name] for name in (*REFERENCE_FIELDS, "first_seen_at", "removed_at")} == {
        name: before[name] for name in (*REFERENCE_FIELDS, "first_seen_at", "removed_at")
    }
    for column in COLUMNS:
        if column.name not in REFERENCE_FIELDS:
            assert after[column.name] in (None, "[]", "{}"), column.name
    others = [row for row in database.rows() if row["contact_id"] != before["contact_id"]]
    assert all(row["digest"] != "erased" for row in others)


def test_exports_do_not_fill_erased_rows_again(sandbox: Sandbox, database: Database) -> None:
    load(database, "mailstand")
    row = database.rows()[0]
    erase_rows(database, find(database, f"reference:mailstand/{row['contact_id']}"))
    erased = row_of(database, row["contact_id"])
    sandbox.state.tables["mailstand"].rows[0].stage = "Interested"
    assert counts(load(database, "mailstand", mark_removed=True))[0] == 60
    assert row_of(database, row["contact_id"]) == erased
    # Even if it was marked as removed.
    database.run(f"UPDATE contacts SET removed_at = '2020-01-01' WHERE contact_id = '{row['contact_id']}'")
    load(database, "mailstand")
    assert row_of(database, row["contact_id"])["email"] is None


def test_rows_that_share_a_key_are_reported(sandbox: Sandbox, database: Database) -> None:
    load(database, "tether")
    rows = [row for row in database.rows() if row["email"]][:3]
    for row, email in zip(rows, ("ada@example.com", "eve@example.com", "bob@example.com"), strict=True):
        phone = "+12015550101" if email != "bob@example.com" else "+12015550102"
        database.run(
            f"UPDATE contacts SET email = '{email}', phone = '{phone}' WHERE contact_id = "
            f"'{row['contact_id']}'"
        )
    person = find(database, "email:ada@example.com")
    assert [key[2] for key in person.rows] == [rows[0]["contact_id"]]
    assert [key[2] for key in person.related] == [rows[1]["contact_id"]]
    both = find(database, "phone:+12015550101")
    assert len(both.rows) == 2
    assert both.related == []


def test_no_matching_rows(sandbox: Sandbox, database: Database) -> None:
    load(database, "tether")
    person = find(database, "email:nobody@example.com")
    assert (person.rows, person.keys, person.related) == ([], set(), [])
    assert erase_rows(database, person) == 0
