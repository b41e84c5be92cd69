"""Many rows are written in few statements, into the columns that a user's table has."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from airflow_provider_contacts.contact import REFERENCE_FIELDS
from airflow_provider_contacts.databases.dialects import create_temporary_table
from airflow_provider_contacts.transfers.columns import COLUMNS
from airflow_provider_contacts.transfers.tables.table import define_table
from tests.conftest import Sandbox
from tests.database import Database, counts, load

pytestmark = pytest.mark.sandbox(contacts=2500, rate_limits=False)


def change_all(sandbox: Sandbox) -> None:
    table = sandbox.state.tables["mailstand"]
    for row in table.rows:
        row.stage = "Nurture" if row.stage != "Nurture" else "Interested"
        table.invalidate(row)


def test_statements_do_not_grow_with_the_contacts(sandbox: Sandbox, database: Database) -> None:
    statements: list[str] = []

    def note(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith(("INSERT", "UPDATE")) and "false" not in statement:
            statements.append(statement)

    sa.event.listen(sa.Engine, "after_cursor_execute", note)
    try:
        assert counts(load(database, "mailstand")) == (2500, 2500, 0, 0, 0)
        change_all(sandbox)
        before = {row["contact_id"]: row for row in database.rows()}
        assert counts(load(database, "mailstand")) == (2500, 0, 2500, 0, 0)
    finally:
        sa.event.remove(sa.Engine, "after_cursor_execute", note)
    # 1,000 rows in each statement.
    assert len(statements) <= 9
    for row in database.rows():
        earlier = before[row["contact_id"]]
        assert row["stage"] != earlier["stage"]
        assert row["first_seen_at"] == earlier["first_seen_at"]
        assert row["changed_at"] > earlier["changed_at"]
        same = {name for name in row if name not in ("stage", "raw", "digest", "changed_at")}
        assert all(row[name] == earlier[name] for name in same)


def test_many_contacts_are_marked_and_come_back(sandbox: Sandbox, database: Database) -> None:
    load(database, "mailstand")
    table = sandbox.state.tables["mailstand"]
    gone = table.rows[:1500]
    for row in list(gone):
        table.remove(row)
    assert load(database, "mailstand", mark_removed=True, max_removed=1500)["removed"] == 1500
    assert sum(row["removed_at"] is not None for row in database.rows()) == 1500
    for row in gone:
        table.rows.append(row)
        table.invalidate(row)
    assert counts(load(database, "mailstand")) == (2500, 0, 1500, 1000, 0)
    assert all(row["removed_at"] is None for row in database.rows())


def test_columns_of_a_user(sandbox: Sandbox, database: Database) -> None:
    """Other types, another order, and columns that are not ours."""
    text = "VARCHAR(255)" if database.kind == "mysql" else "TEXT"
    time = {"mysql": "DATETIME(6)", "postgresql": "TIMESTAMP WITH TIME ZONE"}.get(database.kind, "TIMESTAMP")
    kinds = {"text": "TEXT", "texts": "TEXT", "flag": "BOOLEAN", "time": time}
    columns = [
        f"{one.name} {text if one.name in REFERENCE_FIELDS else kinds[one.kind]}" for one in reversed(COLUMNS)
    ]
    columns += [f"removed_at {time}", f"changed_at {time}", f"first_seen_at {time}", "digest VARCHAR(64)"]
    columns.insert(3, "note VARCHAR(20) DEFAULT 'mine' NOT NULL")
    charset = " CHARSET utf8mb4" if database.kind == "mysql" else ""
    database.run(
        f"CREATE TABLE contacts ({', '.join(columns)}){charset}",
        "CREATE UNIQUE INDEX one ON contacts (vendor, account_id, contact_id)",
    )
    assert counts(load(database, "mailstand")) == (2500, 2500, 0, 0, 0)
    database.run("UPDATE contacts SET note = 'changed'")
    change_all(sandbox)
    assert counts(load(database, "mailstand")) == (2500, 0, 2500, 0, 0)
    assert {row["note"] for row in database.rows()} == {"changed"}
    assert all(row["email"] is None or row["email"] in row["raw"] for row in database.rows())


def test_names_that_a_temporary_table_could_have(sandbox: Sandbox, database: Database) -> None:
    for table in ("contacts_changes", "changes"):
        assert counts(load(database, "mailstand", table=table)) == (2500, 2500, 0, 0, 0)
        change_all(sandbox)
        assert counts(load(database, "mailstand", table=table)) == (2500, 0, 2500, 0, 0)


def test_without_the_privilege_for_temporary_tables(
    sandbox: Sandbox, database: Database, connect: Callable[..., str]
) -> None:
    load(database, "mailstand")
    table = define_table("contacts")
    with database.engine.connect() as connection:
        # The servers of these tests have no privileges but PostgreSQL's.
        temporary = create_temporary_table(connection, table, ["contact_id"])
    assert (temporary is not None) == (database.kind != "sqlite")
    if database.kind != "postgresql":
        return
    name = f"writer_{secrets.token_hex(4)}"
    url = database.engine.url
    database.run(
        f"CREATE ROLE {name} LOGIN",
        f"GRANT SELECT, INSERT, UPDATE ON contacts TO {name}",
        f"GRANT SELECT, INSERT ON contact_loads TO {name}",
        f"REVOKE TEMPORARY ON DATABASE {url.database} FROM PUBLIC",
    )
    try:
        connect(
            "warehouse", conn_type="postgres", host=url.host, port=url.port, login=name, schema=url.database
        )
        change_all(sandbox)
        assert counts(load(database, "mailstand")) == (2500, 0, 2500, 0, 0)
    finally:
        database.run(f"DROP OWNED BY {name}", f"DROP ROLE {name}")
