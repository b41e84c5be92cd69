"""The contacts table: created, or verified if it exists."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_contacts.errors import InvalidRequest
from airflow_provider_contacts.transfers.columns import COLUMNS
from tests.conftest import Sandbox
from tests.database import Database, counts, load


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("ALTER TABLE contacts DROP COLUMN unknown_fields", "missing columns: unknown_fields"),
        ("ALTER TABLE contacts RENAME COLUMN tags TO labels", "missing columns: tags"),
        ("ALTER TABLE contacts ADD COLUMN must INTEGER NOT NULL DEFAULT 5", None),
        ("ALTER TABLE contacts ADD COLUMN more TEXT", None),
    ],
)
def test_table_with_wrong_columns_is_rejected(
    change: str, message: str | None, sandbox: Sandbox, database: Database
) -> None:
    load(database, "tether")
    database.run(change)
    before = len(sandbox.requests("tether"))
    if message is None:
        assert counts(load(database, "tether")) == (60, 0, 0, 60, 0)
        return
    with pytest.raises(InvalidRequest, match=message):
        load(database, "tether")
    assert len(sandbox.requests("tether")) == before


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ("vendor TEXT, account_id TEXT, contact_id TEXT", "no unique key on vendor, account_id, contact_id"),
        ("vendor TEXT, replied TEXT, opened_at INTEGER", "columns of another type: replied, opened_at"),
        ("vendor INTEGER", "columns of another type: vendor"),
        ("vendor TEXT, must INTEGER NOT NULL", "required columns without a default: must"),
        ("vendor TEXT, company TEXT NOT NULL", "columns that must allow NULL: company"),
        ("vendor TEXT, digest VARCHAR(10)", "columns of another type: digest"),
        ("vendor TEXT, contact_id CHAR(100)", "columns of another type: contact_id"),
    ],
)
def test_unrelated_table_is_rejected(
    columns: str, message: str, sandbox: Sandbox, database: Database
) -> None:
    database.run(f"CREATE TABLE contacts ({columns})")
    with pytest.raises(InvalidRequest, match=message):
        load(database, "tether")
    assert not sandbox.requests("tether")


def test_existing_table_with_other_text_types(sandbox: Sandbox, database: Database) -> None:
    # A row of MySQL has at most 64 kB.
    text, time = (
        ("VARCHAR(200)", "DATETIME(6)") if database.kind == "mysql" else ("VARCHAR(4000)", "TIMESTAMP")
    )
    kinds = {"text": text, "texts": "TEXT", "flag": "BOOLEAN", "time": time}
    columns = ", ".join(
        f"{one.name} {kinds[one.kind]}" for one in COLUMNS if one.name not in ("raw", "contact_id")
    )
    database.run(
        f"CREATE TABLE contacts ({columns}, contact_id VARCHAR(100), raw TEXT, digest VARCHAR(64), "
        f"first_seen_at {time}, changed_at {time}, removed_at {time}, note TEXT, "
        "UNIQUE (contact_id, vendor, account_id)) " + ("CHARSET utf8mb4" if database.kind == "mysql" else "")
    )
    with pytest.raises(InvalidRequest, match="The table 'contact_loads' does not exist"):
        load(database, "tether", create_table=False)
    load(database, "mailstand", table="others")
    assert counts(load(database, "tether", create_table=False)) == (60, 60, 0, 0, 0)
    assert counts(load(database, "tether", create_table=False)) == (60, 0, 0, 60, 0)


def test_create_table_false(sandbox: Sandbox, database: Database) -> None:
    with pytest.raises(InvalidRequest, match="The table 'contacts' does not exist"):
        load(database, create_table="False")
    assert not sandbox.requests("talktohumans")


@pytest.mark.parametrize("table", ['we"ird; DROP TABLE x; --', "Contacts Ünïcode", "select", "UPPER"])
def test_names_are_quoted(table: str, sandbox: Sandbox, database: Database) -> None:
    load(database, "tether", table=table)
    assert len(database.rows(table)) == 60
    assert counts(load(database, "tether", table=table)) == (60, 0, 0, 60, 0)


def test_schemas(sandbox: Sandbox, database: Database) -> None:
    if database.kind == "postgresql":
        database.run('CREATE SCHEMA "Out reach"')
        load(database, "tether", table="Out reach.people")
        with database.engine.connect() as connection:
            assert connection.exec_driver_sql('SELECT count(*) FROM "Out reach".people').scalar() == 60
    else:
        schema = "main" if database.kind == "sqlite" else database.engine.url.database
        load(database, "tether", table=f"{schema}.people")
        assert len(database.rows("people")) == 60


@pytest.mark.parametrize("table", ["", " ", "a.b.c", "a..b", ".a", None, 5, "a\nb"])
def test_invalid_table_names(table: Any, sandbox: Sandbox, database: Database) -> None:
    with pytest.raises(InvalidRequest, match="`table` must be"):
        load(database, table=table)
    assert not sandbox.requests("talktohumans")


def test_columns_of_a_later_version_are_added(sandbox: Sandbox, database: Database) -> None:
    load(database, "tether")
    database.run(
        "ALTER TABLE contacts DROP COLUMN url",
        "ALTER TABLE contacts DROP COLUMN email",
        "ALTER TABLE contacts DROP COLUMN removed_at",
    )
    with pytest.raises(InvalidRequest, match="missing columns: email, url, removed_at"):
        load(database, "tether", create_table=False)
    assert counts(load(database, "tether")) == (60, 0, 0, 60, 0)
    assert {"url", "email", "removed_at"} <= database.rows()[0].keys()
    row = sandbox.state.tables["tether"].rows[0]
    row.status = "Won"
    sandbox.state.tables["tether"].invalidate(row)
    assert counts(load(database, "tether"))[2] == 1
    assert sum(one["email"] is not None for one in database.rows()) == 1
