"""Kill workers, the scheduler and the triggerer of a real Airflow at random moments, and check that nothing is lost.

One run exports contacts to a file, loads a table, updates tags and waits for replies while
processes are killed with SIGKILL. The script prints what it has proved, and exits with 1 if it
could not. An argument sets the seed of the moments.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import sqlite3
import sys
import time
from collections import Counter

from real import HOME, ROOT, Airflow, airflow, environment, free_port, prepare, query, states, wait_for

from airflow_provider_contacts.sandbox.app import create_app, create_state, running
from airflow_provider_contacts.sandbox.state import Fault, State
from airflow_provider_contacts.sandbox.vendor import sandbox_vendors

CONTACTS = 1500
UPDATES = 500
WAITS = 15
CONCURRENCY = 4
KILLS = 12
SECONDS_BETWEEN_KILLS = (1.5, 5.0)
TASKS = ("export", "load", "update")


def kill_a_task(chosen: random.Random) -> str:
    """Kill the process of a running task, and return its name."""
    files = list(HOME.glob("*.pid"))
    chosen.shuffle(files)
    for file in files:
        with contextlib.suppress(ProcessLookupError, ValueError):
            os.kill(int(file.read_text()), signal.SIGKILL)
            return file.name.partition("-")[0]
    return ""


def kill_at_random(real: Airflow, chosen: random.Random) -> Counter[str]:
    """Kill processes at random moments, restart them, and return how many of each kind were killed."""
    killed: Counter[str] = Counter()
    for _ in range(KILLS):
        time.sleep(chosen.uniform(*SECONDS_BETWEEN_KILLS))
        what = chosen.choice(("task", "task", "triggerer", "scheduler"))
        if what == "task":
            killed[kill_a_task(chosen) or "none"] += 1
            continue
        real.kill(what)
        real.start(what)
        killed[what] += 1
    return killed


def check_file(state: State) -> None:
    """Check the exported file."""
    lines = (HOME / "contacts.jsonl").read_text().splitlines()
    found = [(one["account_id"], one["contact_id"]) for one in map(json.loads, lines)]
    expected = {(row.account_id, row.contact_id) for row in state.tables["talktohumans"].rows}
    print(f"export: {len(found)} contacts, missing {len(expected - set(found))}", flush=True)
    if len(found) != len(set(found)) or set(found) != expected:
        raise SystemExit("the file is not complete")


def check_table(state: State) -> None:
    """Check the table."""
    with contextlib.closing(sqlite3.connect(HOME / "warehouse.db")) as database:
        rows = database.execute("SELECT contact_id, removed_at FROM contacts").fetchall()
    expected = {row.contact_id for row in state.tables["thoughtly"].rows}
    removed = sum(removed_at is not None for _, removed_at in rows)
    print(
        f"load: {len(rows)} rows, missing {len(expected - {row[0] for row in rows})}, marked {removed}",
        flush=True,
    )
    if {row[0] for row in rows} != expected or removed:
        raise SystemExit("the table is not complete")


def check_update(state: State, contacts: list[dict[str, str]]) -> None:
    """Check the updates that the vendor received."""
    sent = Counter(entry["path"] for entry in list(state.requests) if entry["method"] == "PATCH")
    attempts = len(list(HOME.glob("update-*.pid")))
    repeated = sum(number - 1 for number in sent.values())
    limit = CONCURRENCY * (attempts - 1)
    print(
        f"update: {len(contacts) - len(sent)} of {len(contacts)} contacts missed, sent again: {repeated} in "
        f"{attempts} "
        f"attempts (at most {limit})",
        flush=True,
    )
    if len(sent) != len(contacts) or repeated > limit:
        raise SystemExit("the update missed contacts, or repeated too many")


def check_leaks(state: State) -> None:
    """Search Airflow's database and all logs for credentials and personal data."""
    planted = set()
    for table in state.tables.values():
        for row in table.rows:
            planted |= {row.person.name, row.person.email, row.person.phone}
    for vendor in sandbox_vendors().values():
        planted |= {str(vendor.connection["password"]), str(vendor.connection.get("login", ""))}
    # XComs, rendered templates, state stores and deferred triggers, also those that were deleted.
    files = [
        *(HOME / "airflow").glob("airflow.db*"),
        *HOME.glob("*.log"),
        *(HOME / "airflow" / "logs").rglob("*.log"),
    ]
    texts = {file: file.read_bytes() for file in files}
    leaks = [
        (file.name, value)
        for file, content in texts.items()
        for value in planted
        if len(value) > 6 and value.encode() in content
    ]
    size = sum(map(len, texts.values())) >> 20
    print(f"leaks: {len(leaks)} of {len(planted)} values in {len(files)} files, {size} MiB", flush=True)
    if leaks:
        raise SystemExit(f"leaked into {sorted({name for name, _ in leaks})}")


def main() -> None:
    """Run all checks."""
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    chosen = random.Random(seed)
    prepare(ROOT / "tests_airflow" / "dags" / "chaos.py")
    state = create_state(CONTACTS, 7, rate_limits=False)
    rows = state.tables["talktohumans"].rows
    occurrences = Counter(row.contact_id for row in rows)
    contacts = [row.reference("talktohumans") for row in rows if occurrences[row.contact_id] == 1]
    contacts = contacts[:UPDATES]
    waiting = [row for row in state.tables["tether"].rows if row.message_status != "replied"][:WAITS]
    plan = {"contacts": contacts, "waiting": [row.contact_id for row in waiting]}
    (HOME / "plan.json").write_text(json.dumps(plan))
    for vendor in ("talktohumans", "thoughtly"):
        state.faults[vendor] = [Fault(times=10**9, latency=0.4)]
    port = free_port()
    with running(create_app(state)) as url:
        env = {
            **environment(url, port, parallelism=6),
            "AIRFLOW_CONN_WAREHOUSE": json.dumps({"conn_type": "sqlite", "host": str(HOME / "warehouse.db")}),
            # A task whose process has disappeared is retried soon.
            "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "5",
            "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "10",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC": "2",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "15",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
            "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "2",
        }
        with airflow(env, port, "triggerer") as real:
            real.unpause("chaos")
            wait_for("the tasks have started", lambda: list(HOME.glob("*.pid")))
            killed = kill_at_random(real, chosen)
            print(f"seed {seed}: killed with SIGKILL: {dict(killed)}", flush=True)
            for task_id in TASKS:
                wait_for(f"{task_id} succeeds", lambda task_id=task_id: states(task_id) == ["success"], 400)
            for row in waiting:
                sandbox_vendors()["tether"].events["reply"](row, time.time())
                state.tables["tether"].invalidate(row)
            wait_for("all sensors succeed", lambda: states("wait") == ["success"] * WAITS, 400)
            print(f"wait: {WAITS} of {WAITS} sensors succeeded", flush=True)
            attempts = query("SELECT max(try_number) FROM task_instance")[0][0]
    check_file(state)
    check_table(state)
    check_update(state, contacts)
    check_leaks(state)
    print(f"the most attempts of a task: {attempts}", flush=True)
    if state.violations:
        raise SystemExit(f"the sandbox has rejected requests: {state.violations[:3]}")
    print("1 passed, 0 failed")


if __name__ == "__main__":
    main()
