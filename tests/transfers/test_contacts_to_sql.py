"""Tables: only what changed is written, and either all of it or nothing."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from airflow.sdk import Asset

from airflow_provider_contacts.errors import ContactsError, InvalidConnection, InvalidRequest
from airflow_provider_contacts.hooks.base import ContactsHook
from airflow_provider_contacts.transfers.columns import COLUMNS
from airflow_provider_contacts.transfers.contacts_to_sql import ContactsToSqlOperator
from airflow_provider_contacts.transfers.table import BOOKKEEPING_COLUMNS
from tests.conftest import Sandbox
from tests.scripted import Reply, ScriptedServer
from tests.vendors import CASES, VENDORS

# `make test-postgres` starts a server and says where it is.
POSTGRES = os.environ.get("CONTACTS_TEST_POSTGRES")


class Database:
    """A database of the test's own."""

    def __init__(self, kind: str, conn_id: str, url: Any) -> None:
        self.kind = kind
        self.conn_id = conn_id
        self.engine = sa.create_engine(url)

    def rows(self, table: str = "contacts", order: str = "contact_id") -> list[dict[str, Any]]:
        with self.engine.connect() as connection:
            quoted = self.engine.dialect.identifier_preparer.quote(table)
            found = connection.execute(
                sa.text(f"SELECT * FROM {quoted} ORDER BY vendor, account_id, {order}")
            )
            return [dict(row._mapping) for row in found]

    def run(self, *statements: str) -> None:
        with self.engine.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)


@pytest.fixture(params=["sqlite", *(["postgresql"] if POSTGRES else [])])
def database(
    request: pytest.FixtureRequest, tmp_path: Path, connect: Callable[..., str]
) -> Iterator[Database]:
    """Make an empty database, and an Airflow connection to it."""
    if request.param == "sqlite":
        path = tmp_path / "contacts.db"
        made = Database(
            "sqlite", connect("warehouse", conn_type="sqlite", host=str(path)), f"sqlite:///{path}"
        )
        yield made
        made.engine.dispose()
        return
    url = sa.make_url(POSTGRES or "")
    name = f"test_{secrets.token_hex(6)}"
    server = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    conn_id = connect(
        "warehouse", conn_type="postgres", host=url.host, port=url.port, login=url.username, schema=name
    )
    made = Database("postgresql", conn_id, url.set(database=name))
    yield made
    made.engine.dispose()
    with server.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    server.dispose()


def load(
    database: Database, vendor: str = "talktohumans", context: Any = None, **arguments: Any
) -> dict[str, Any]:
    arguments = {"table": "contacts", "contacts_conn_id": f"{vendor}_default", **arguments}
    operator = ContactsToSqlOperator(task_id="load", sql_conn_id=database.conn_id, **arguments)
    return operator.execute(context or {})


def counts(summary: dict[str, Any]) -> tuple[int, ...]:
    return tuple(summary[name] for name in ("seen", "new", "changed", "unchanged", "removed"))


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_contact_with_every_field(vendor: str, sandbox: Sandbox, database: Database) -> None:
    summary = load(database, vendor)
    assert counts(summary) == (60, 60, 0, 0, 0)
    json.dumps(summary)
    rows = {(row["account_id"], row["contact_id"]): row for row in database.rows()}
    assert set(rows) == sandbox.keys(vendor)
    assert list(database.rows()[0]) == [*(column.name for column in COLUMNS), *BOOKKEEPING_COLUMNS]
    for contact in ContactsHook.for_connection(f"{vendor}_default").list_contacts():
        row = rows[contact.account_id, contact.contact_id]
        for column in COLUMNS:
            value = getattr(contact, column.name)
            if column.name == "raw":
                assert row["raw"] == bytes(contact.raw).decode()
            elif column.kind == "texts":
                assert json.loads(row[column.name]) == list(value)
            elif column.kind == "time" and value is not None:
                stored = row[column.name]
                stored = datetime.fromisoformat(stored) if isinstance(stored, str) else stored
                assert stored.replace(tzinfo=value.tzinfo) == value or stored == value
            elif column.kind == "flag" and value is not None:
                assert bool(row[column.name]) == value
            else:
                assert row[column.name] == value
        assert row["first_seen_at"] == row["changed_at"]
        assert row["removed_at"] is None


def test_a_second_run_writes_nothing(sandbox: Sandbox, database: Database) -> None:
    for vendor in VENDORS:
        load(database, vendor)
    before = database.rows()
    statements: list[str] = []

    def note(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if " false" not in statement:  # of no row, to see whether one may write
            statements.append(statement.split()[0].upper())

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        for vendor in VENDORS:
            assert counts(load(database, vendor)) == (60, 0, 0, 60, 0)
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)
    assert statements
    assert not {"INSERT", "UPDATE", "DELETE", "CREATE"} & set(statements)
    assert database.rows() == before


def test_only_changed_contacts_are_updated(sandbox: Sandbox, database: Database) -> None:
    load(database)
    before = {row["contact_id"] + row["account_id"]: row for row in database.rows()}
    table = sandbox.state.tables["talktohumans"]
    row = table.rows[3]
    row.tags = ["Brand new"]
    table.invalidate(row)
    table.add(2)
    assert counts(load(database)) == (62, 2, 1, 59, 0)
    after = {row["contact_id"] + row["account_id"]: row for row in database.rows()}
    changed = {key for key in before if after[key] != before[key]}
    key = row.contact_id + row.account_id
    assert changed == {key}
    assert json.loads(after[key]["tags"]) == ["Brand new"]
    assert "Brand new" in after[key]["raw"]
    assert after[key]["first_seen_at"] == before[key]["first_seen_at"]
    assert after[key]["changed_at"] > before[key]["changed_at"]


@pytest.mark.parametrize("vendor", VENDORS)
def test_removed_contacts_are_marked_and_unmarked(vendor: str, sandbox: Sandbox, database: Database) -> None:
    load(database, vendor)
    table = sandbox.state.tables[vendor]
    row = table.rows[5]
    place = table.rows.index(row)
    table.remove(row)
    assert counts(load(database, vendor)) == (59, 0, 0, 59, 0)
    assert counts(load(database, vendor, mark_removed="true")) == (59, 0, 0, 59, 1)
    marked = [one for one in database.rows() if one["removed_at"] is not None]
    assert [(one["account_id"], one["contact_id"]) for one in marked] == [(row.account_id, row.contact_id)]
    assert counts(load(database, vendor, mark_removed=True)) == (59, 0, 0, 59, 0)
    table.rows.insert(place, row)
    table.invalidate(row)
    assert counts(load(database, vendor)) == (60, 0, 1, 59, 0)
    assert all(one["removed_at"] is None for one in database.rows())


def test_an_account_that_has_become_empty(sandbox: Sandbox, database: Database) -> None:
    load(database, "mailstand")
    table = sandbox.state.tables["mailstand"]
    for row in list(table.rows):
        table.remove(row)
    assert counts(load(database, "mailstand", mark_removed=True)) == (0, 0, 0, 0, 60)


def test_other_accounts_and_vendors_are_left_alone(sandbox: Sandbox, database: Database) -> None:
    for vendor in VENDORS:
        load(database, vendor)
    assert counts(load(database, "talktohumans", mark_removed=True))[-1] == 0
    assert len(database.rows()) == 240
    assert all(row["removed_at"] is None for row in database.rows())


@pytest.mark.parametrize("asked", [{"filters": {"tag": "VIP"}}, {"condition": {"condition": "replied"}}])
def test_mark_removed_needs_a_full_listing(asked: Any, sandbox: Sandbox, database: Database) -> None:
    with pytest.raises(InvalidRequest, match="needs a full listing"):
        load(database, mark_removed=True, **asked)
    assert not sandbox.requests("talktohumans")
    assert load(database, **asked)["new"] > 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("ALTER TABLE contacts DROP COLUMN email", "missing columns: email"),
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
        ("vendor TEXT, must INTEGER NOT NULL", "need a value which contacts do not have: must"),
        ("vendor TEXT, company TEXT NOT NULL", "that contacts may leave empty: company"),
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
    kinds = {"text": "VARCHAR(4000)", "texts": "TEXT", "flag": "BOOLEAN", "time": "TIMESTAMP"}
    columns = ", ".join(
        f"{one.name} {kinds[one.kind]}" for one in COLUMNS if one.name not in ("raw", "contact_id")
    )
    database.run(
        f"CREATE TABLE contacts ({columns}, contact_id VARCHAR(100), raw TEXT, digest VARCHAR(64), "
        "first_seen_at TIMESTAMP, changed_at TIMESTAMP, removed_at TIMESTAMP, note TEXT, "
        "UNIQUE (contact_id, vendor, account_id))"
    )
    assert counts(load(database, "tether", create_table=False)) == (60, 60, 0, 0, 0)
    assert counts(load(database, "tether", create_table=False)) == (60, 0, 0, 60, 0)


def test_create_table_false(sandbox: Sandbox, database: Database) -> None:
    with pytest.raises(InvalidRequest, match="The table does not exist"):
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
        load(database, "tether", table="main.people")
        assert len(database.rows("people")) == 60


@pytest.mark.parametrize("table", ["", " ", "a.b.c", "a..b", ".a", None, 5, "a\nb"])
def test_invalid_table_names(table: Any, sandbox: Sandbox, database: Database) -> None:
    with pytest.raises(InvalidRequest, match="`table` must be"):
        load(database, table=table)
    assert not sandbox.requests("talktohumans")


def test_database_error_contains_no_personal_data(
    sandbox: Sandbox, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    load(database, "tether")
    before = database.rows()
    if database.kind == "sqlite":
        database.run("CREATE TRIGGER no BEFORE INSERT ON contacts BEGIN SELECT raise(ABORT, 'no'); END")
    else:
        database.run("ALTER TABLE contacts ADD CONSTRAINT short CHECK (vendor <> 'mailstand')")
    with pytest.raises(ContactsError, match="nothing was written: The database returned") as caught:
        load(database, "mailstand")
    for text in (str(caught.value), repr(caught.value.__cause__), *capsys.readouterr()):
        assert "contacts.example" not in text
    assert database.rows() == before


def test_unreachable_database_fails_before_reading(
    sandbox: Sandbox, database: Database, connect: Callable[..., str]
) -> None:
    if database.kind == "sqlite":
        connect("warehouse", conn_type="sqlite", host="/nonexistent/folder/x.db")
    else:
        connect("warehouse", conn_type="postgres", host="127.0.0.1", port=1, login="x", schema="x")
    with pytest.raises(ContactsError, match="'warehouse' cannot be reached") as caught:
        load(database)
    assert caught.value.transient
    assert not sandbox.requests("talktohumans")


def test_connections_that_are_not_databases(sandbox: Sandbox, database: Database) -> None:
    database.conn_id = "tether_default"
    with pytest.raises(InvalidRequest, match="is not a SQL database connection"):
        load(database)
    database.conn_id = "nowhere"
    with pytest.raises(InvalidConnection, match="Connection 'nowhere' does not exist"):
        load(database)


def test_concurrent_tasks(sandbox: Sandbox, database: Database) -> None:
    """Several tasks create one table and write their vendors; two of them write two accounts of one vendor."""
    problems: list[Exception] = []

    def go(vendor: str, filters: Any) -> None:
        try:
            load(database, vendor, filters=filters)
        except Exception as error:
            problems.append(error)

    accounts = {account for account, _ in sandbox.keys("talktohumans")}
    work = [(vendor, None) for vendor in VENDORS if vendor != "talktohumans"]
    work += [("talktohumans", {"account_id": account}) for account in accounts]
    threads = [threading.Thread(target=go, args=one) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert len(database.rows()) == 240


KILLED = """
import os, signal, sys
import sqlalchemy as sa
from airflow_provider_contacts.transfers.contacts_to_sql import ContactsToSqlOperator

writes = 0
def note(conn, cursor, statement, *_):
    global writes
    writes += statement.startswith(("INSERT", "UPDATE"))
    if writes == int(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGKILL)

sa.event.listen(sa.Engine, "after_cursor_execute", note)
ContactsToSqlOperator(
    task_id="load", contacts_conn_id="mailstand_default", sql_conn_id="warehouse", table="contacts"
).execute({})
"""


@pytest.mark.sandbox(contacts=2500, rate_limits=False)
def test_kill_during_a_merge_changes_nothing(sandbox: Sandbox, database: Database, tmp_path: Path) -> None:
    (tmp_path / "kill.py").write_text(KILLED)

    def kill(after: int) -> None:
        command = [sys.executable, str(tmp_path / "kill.py"), str(after)]
        assert subprocess.run(command, check=False, capture_output=True).returncode == -signal.SIGKILL

    kill(2)
    assert database.rows() == []
    assert counts(load(database, "mailstand")) == (2500, 2500, 0, 0, 0)
    table = sandbox.state.tables["mailstand"]
    for row in table.rows:
        row.stage = "Nurture" if row.stage != "Nurture" else "Interested"
        table.invalidate(row)
    before = database.rows()
    kill(2)
    assert database.rows() == before
    assert counts(load(database, "mailstand")) == (2500, 0, 2500, 0, 0)


class Events(dict):
    """What a task's ``outlet_events`` does."""

    def __missing__(self, key: Any) -> Any:
        self[key] = SimpleNamespace(extra={})
        return self[key]


def test_asset_events_contain_the_counts(sandbox: Sandbox, database: Database) -> None:
    asset = Asset("warehouse_contacts")
    events = Events()
    load(database, "tether", {"outlet_events": events}, outlets=[asset])
    assert events[asset].extra == {
        "seen": 60, "new": 60, "changed": 0, "unchanged": 0, "removed": 0, "table": "contacts",
    }  # fmt: skip


def test_skip_unchanged(sandbox: Sandbox, database: Database) -> None:
    from airflow.sdk.exceptions import AirflowSkipException

    assert load(database, "tether", skip_unchanged=True)["new"] == 60
    with pytest.raises(AirflowSkipException, match="Nothing has changed"):
        load(database, "tether", skip_unchanged="True")
    sandbox.state.tables["tether"].add(1)
    assert load(database, "tether", skip_unchanged=True)["new"] == 1


def test_openlineage(sandbox: Sandbox, database: Database) -> None:
    operator = ContactsToSqlOperator(
        task_id="load", contacts_conn_id="tether_default", sql_conn_id=database.conn_id, table="contacts"
    )
    assert operator.get_openlineage_facets_on_complete(None) is None
    operator.execute({})
    lineage = operator.get_openlineage_facets_on_complete(None)
    [source], [target] = lineage.inputs, lineage.outputs
    assert source.name == "tether/contacts"
    assert source.namespace.startswith("http://127.0.0.1")
    scheme = "sqlite" if database.kind == "sqlite" else "postgres"
    assert target.namespace.startswith(f"{scheme}://")
    assert target.name == "contacts" or target.name.endswith(".public.contacts")
    assert [one.name for one in target.facets["schema"].fields] == [column.name for column in COLUMNS]
    assert target.outputFacets["outputStatistics"].rowCount == 60


@pytest.mark.parametrize("name", ["Ada\\u0000Lovelace", "Ada\\ud800"])
def test_values_that_a_database_cannot_store(
    name: str, sandbox: Sandbox, database: Database, connect: Callable[..., str], scripted: ScriptedServer
) -> None:
    case = CASES["tether"]
    page = case.page({**case.record(1), "firstName": "MARK"})
    scripted.replies = [Reply(body=json.dumps(page).replace("MARK", name).encode())]
    connect("odd", **{**case.parts, "host": scripted.url, "extra": {"retry_limit": 0}})
    kept = {"sqlite": ["Ada\\u0000Lovelace"], "postgresql": []}[database.kind]
    if name in kept:
        load(database, contacts_conn_id="odd")
        assert [row["first_name"] for row in database.rows()] == [json.loads(f'"{name}"')]
        return
    with pytest.raises(ContactsError, match="cannot hold|DataError|garbled") as caught:
        load(database, contacts_conn_id="odd")
    assert "Ada" not in str(caught.value)
    assert not database.rows()


def test_rows_of_a_newer_read_are_not_overwritten(sandbox: Sandbox, database: Database) -> None:
    """One task lists; then people come and change, another task lists and writes; then the first writes."""
    load(database)
    table = sandbox.state.tables["talktohumans"]
    slow = ContactsToSqlOperator(
        task_id="slow", contacts_conn_id="talktohumans_default", sql_conn_id=database.conn_id, table="contacts",
        mark_removed=True,
    )  # fmt: skip
    from airflow_provider_contacts.transfers.merge import Staging

    add_all = Staging.add_all

    def add_all_and_let_others_write(staging: Staging, contacts: Any) -> None:
        add_all(staging, contacts)
        Staging.add_all = add_all
        table.add(1)
        table.rows[0].tags = ["Newer"]
        table.invalidate(table.rows[0])
        assert counts(load(database)) == (61, 1, 1, 59, 0)

    Staging.add_all = add_all_and_let_others_write
    try:
        assert counts(slow.execute({})) == (60, 0, 0, 60, 0)
    finally:
        Staging.add_all = add_all
    rows = database.rows()
    assert len(rows) == 61
    assert all(row["removed_at"] is None for row in rows)
    assert sum("Newer" in row["tags"] for row in rows) == 1


def test_contacts_without_an_account_are_never_marked(
    database: Database, connect: Callable[..., str], scripted: ScriptedServer
) -> None:
    case = CASES["tether"]
    connect("odd", **{**case.parts, "host": scripted.url})
    mine = {**case.record(2), "organizationId": "o"}
    scripted.decide = lambda asked: Reply(body=case.page(case.record(1), mine, {**mine, "_id": "3"}))
    load(database, contacts_conn_id="odd", mark_removed=True)
    # The account of one contact is no longer reported, and the contact without an account is not listed.
    scripted.decide = lambda asked: Reply(body=case.page(case.record(2), {**mine, "_id": "3"}))
    assert load(database, contacts_conn_id="odd", mark_removed=True)["removed"] == 0


def test_concurrent_tasks_with_the_same_contacts(sandbox: Sandbox, database: Database) -> None:
    problems: list[Exception] = []
    results: list[tuple[int, ...]] = []

    def go() -> None:
        try:
            results.append(counts(load(database, "mailstand")))
        except Exception as error:
            problems.append(error)

    threads = [threading.Thread(target=go) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert sum(result[1] for result in results) == 60
    assert len(database.rows()) == 60


def test_times_in_columns_without_a_zone(sandbox: Sandbox, database: Database) -> None:
    kinds = {"text": "TEXT", "texts": "TEXT", "flag": "BOOLEAN", "time": "TIMESTAMP"}
    columns = ", ".join(f"{one.name} {kinds[one.kind]}" for one in COLUMNS)
    database.run(
        f"CREATE TABLE contacts ({columns}, digest TEXT, first_seen_at TIMESTAMP, changed_at TIMESTAMP, "
        "removed_at TIMESTAMP)",
        "CREATE UNIQUE INDEX one ON contacts (vendor, account_id, contact_id)",
    )
    if database.kind == "postgresql":
        database.run(f"ALTER DATABASE {database.engine.url.database} SET TimeZone TO 'America/New_York'")
    load(database, "tether")
    stored = {row["contact_id"]: row["created_at"] for row in database.rows()}
    for contact in ContactsHook.for_connection("tether_default").list_contacts():
        moment = stored[contact.contact_id]
        moment = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
        assert contact.created_at is not None
        assert moment == contact.created_at.replace(tzinfo=None)


def test_a_retry_is_not_skipped(sandbox: Sandbox, database: Database) -> None:
    load(database, "tether")
    context = {"ti": SimpleNamespace(try_number=2)}
    assert counts(load(database, "tether", context, skip_unchanged=True)) == (60, 0, 0, 60, 0)


if POSTGRES:

    def test_missing_write_permission_fails_before_reading(
        sandbox: Sandbox, connect: Callable[..., str]
    ) -> None:
        url = sa.make_url(POSTGRES)
        engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
        connect("warehouse", conn_type="postgres", host=url.host, port=url.port, login=url.username,
                schema="postgres")  # fmt: skip
        operator = {"contacts_conn_id": "tether_default", "sql_conn_id": "warehouse", "table": "guarded"}
        ContactsToSqlOperator(task_id="a", **operator).execute({})
        with engine.connect() as connection:
            connection.exec_driver_sql("CREATE ROLE reader LOGIN")
            connection.exec_driver_sql("GRANT SELECT ON guarded TO reader")
        connect(
            "warehouse", conn_type="postgres", host=url.host, port=url.port, login="reader", schema="postgres"
        )
        before = len(sandbox.requests("tether"))
        with pytest.raises(
            ContactsError, match="the table cannot be used: the database answers InsufficientPrivilege"
        ):
            ContactsToSqlOperator(task_id="b", **operator).execute({})
        assert len(sandbox.requests("tether")) == before
