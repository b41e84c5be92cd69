"""Writing the difference in one transaction."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import Any

import pytest

from airflow_provider_contacts.contact import REFERENCE_FIELDS
from airflow_provider_contacts.errors import ContactsError
from airflow_provider_contacts.hooks.base import ContactsHook
from airflow_provider_contacts.transfers.columns import COLUMNS
from airflow_provider_contacts.transfers.contacts_to_sql import ContactsToSqlOperator
from tests.conftest import Sandbox
from tests.database import Database, counts, load
from tests.scripted import Reply, ScriptedServer
from tests.vendors import CASES, VENDORS

# Runs the task in child processes, of which each is killed at a later line of what happens in the
# transaction.
KILLED = """
import os, signal, sys
from airflow_provider_contacts.databases import dialects
from airflow_provider_contacts.transfers.tables import bulk, copying, merge
from airflow_provider_contacts.transfers.contacts_to_sql import ContactsToSqlOperator

FILES = {module.__file__ for module in (bulk, copying, dialects, merge)}
FUNCTIONS = {"run", "_write", "insert_rows", "update_rows", "mark_removed", "_insert", "_update_by_key",
             "_update_from_temporary_table", "copy_rows", "lock_contacts"}

def load(last):
    number = 0
    def trace(frame, event, argument):
        nonlocal number
        if frame.f_code.co_filename not in FILES or frame.f_code.co_name not in FUNCTIONS:
            return None
        number += event == "line"
        if number == last:
            os.kill(os.getpid(), signal.SIGKILL)
        return trace
    sys.settrace(trace)
    ContactsToSqlOperator(
        task_id="load", contacts_conn_id="mailstand_default", sql_conn_id="warehouse", table="contacts", mark_removed=True
    ).execute({})

for last in sys.stdin:
    child = os.fork()
    if child == 0:
        load(int(last))
        os._exit(0)
    print("killed" if os.waitpid(child, 0)[1] else "done", file=sys.stderr, flush=True)
"""


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


def test_kill_during_a_merge_changes_nothing(sandbox: Sandbox, database: Database, tmp_path: Path) -> None:
    (tmp_path / "kill.py").write_text(KILLED)
    load(database, "mailstand")
    table = sandbox.state.tables["mailstand"]
    for row in table.rows[:5]:
        row.stage = "Nurture" if row.stage != "Nurture" else "Interested"
        table.invalidate(row)
    for row in table.rows[10:15]:
        table.remove(row)
    table.add(5)
    before = database.rows()
    kills = 0
    command = [sys.executable, str(tmp_path / "kill.py")]
    with subprocess.Popen(command, stdin=PIPE, stdout=DEVNULL, stderr=PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        for line in range(3, 1000, 13):
            print(line, file=process.stdin, flush=True)
            outcome = process.stderr.readline()
            assert outcome in ("killed\n", "done\n")
            kills += outcome == "killed\n"
            if database.rows() != before:
                break  # it was committed
        process.stdin.close()
    assert counts(load(database, "mailstand", mark_removed=True)) == (60, 0, 0, 60, 0)
    assert kills > 5
    after = {row["contact_id"]: row for row in database.rows()}
    assert len(after) == 65
    assert sum(row["removed_at"] is not None for row in after.values()) == 5
    assert sum(after[row["contact_id"]]["stage"] != row["stage"] for row in before) == 5


def test_rows_of_a_newer_read_are_not_overwritten(sandbox: Sandbox, database: Database) -> None:
    """A task lists; contacts change; another task lists and writes; then the first task writes."""
    load(database)
    table = sandbox.state.tables["talktohumans"]
    slow = ContactsToSqlOperator(
        task_id="slow", contacts_conn_id="talktohumans_default", sql_conn_id=database.conn_id, table="contacts",
        mark_removed=True,
    )  # fmt: skip
    from airflow_provider_contacts.transfers.tables.staging import Staging

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
    scripted.respond = lambda request: Reply(body=case.page(case.record(1), mine, {**mine, "_id": "3"}))
    load(database, contacts_conn_id="odd", mark_removed=True)
    # The second listing omits the account of one contact, and the contact without an account.
    scripted.respond = lambda request: Reply(body=case.page(case.record(2), {**mine, "_id": "3"}))
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
    # MySQL does not index unlimited text, and its TIMESTAMP has a zone.
    text, time = ("VARCHAR(255)", "DATETIME(6)") if database.kind == "mysql" else ("TEXT", "TIMESTAMP")
    kinds = {"text": "TEXT", "texts": "TEXT", "flag": "BOOLEAN", "time": time}
    columns = ", ".join(
        f"{one.name} {text if one.name in REFERENCE_FIELDS else kinds[one.kind]}" for one in COLUMNS
    )
    database.run(
        f"CREATE TABLE contacts ({columns}, digest TEXT, first_seen_at {time}, changed_at {time}, removed_at "
        f"{time}) " + ("CHARSET utf8mb4" if database.kind == "mysql" else ""),
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


@pytest.mark.parametrize("name", ["Ada\\u0000Lovelace", "Ada\\ud800"])
def test_values_that_a_database_cannot_store(
    name: str, sandbox: Sandbox, database: Database, connect: Callable[..., str], scripted: ScriptedServer
) -> None:
    case = CASES["tether"]
    page = case.page({**case.record(1), "firstName": "MARK"})
    scripted.replies = [Reply(body=json.dumps(page).replace("MARK", name).encode())]
    connect("odd", **{**case.parts, "host": scripted.url, "extra": {"retry_limit": 0}})
    kept = [] if database.kind == "postgresql" else ["Ada\\u0000Lovelace"]
    if name in kept:
        load(database, contacts_conn_id="odd")
        assert [row["first_name"] for row in database.rows()] == [json.loads(f'"{name}"')]
        return
    with pytest.raises(ContactsError, match="cannot store|DataError|truncated or invalid") as caught:
        load(database, contacts_conn_id="odd")
    assert "Ada" not in str(caught.value)
    assert not database.rows()
