"""Kill tasks of a real Airflow halfway through an update, and check at the vendor what was updated.

A scheduler, an API server and a DAG processor with LocalExecutor and SQLite run in this checkout,
against a sandbox in this process. The script prints what it has proved, and exits with 1 if it
could not.
"""

from __future__ import annotations

import json
import os
import signal
from collections import Counter

from real import HOME, ROOT, Airflow, airflow, call, environment, free_port, prepare, states, wait_for

from airflow_provider_contacts.sandbox.app import create_app, create_state, running
from airflow_provider_contacts.sandbox.state import Fault, State

CONTACTS = 500
CONCURRENCY = 4


def updates(state: State) -> Counter[str]:
    """Return how many times each contact was updated."""
    return Counter(entry["path"] for entry in list(state.requests) if entry["method"] == "PATCH")


def check_killed_tasks(state: State, task_id: str, tag: str, count: int) -> None:
    """Wait until tasks are halfway, kill them, let them retry, and check what the vendor received."""
    state.requests.clear()
    state.faults["talktohumans"] = [Fault(times=10**9, latency=0.03, method="PATCH")]
    wait_for(f"{task_id} is halfway", lambda: sum(updates(state).values()) >= CONTACTS * 0.4)
    pids = [int(path.read_text()) for path in HOME.glob(f"{task_id}-*.1.pid")]
    assert len(pids) == count, pids
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    at_kill = sum(updates(state).values())
    wait_for(f"{task_id} succeeds", lambda: states(task_id) == ["success"] * count)
    sent = updates(state)
    repeated = sum(number - 1 for number in sent.values())
    tagged = sum(tag in row.tags for row in state.tables["talktohumans"].rows)
    print(
        f"{task_id}: {count} task(s) killed after {at_kill} updates; contacts missed: "
        f"{CONTACTS - len(sent)}, "
        f"sent again: {repeated} (at most {CONCURRENCY * count}), tagged: {tagged} of {CONTACTS}",
        flush=True,
    )
    if len(sent) != CONTACTS or tagged != CONTACTS or repeated > CONCURRENCY * count or at_kill >= CONTACTS:
        raise SystemExit(f"{task_id} did not continue where it was killed")


def check_cleared_tasks(state: State, real: Airflow, task_id: str, count: int) -> None:
    """Clear tasks that have succeeded, and check that they repeat their work."""
    state.requests.clear()
    state.faults["talktohumans"] = []
    api = real.url
    token = call("GET", f"{api}/auth/token")["access_token"]
    [run] = call("GET", f"{api}/api/v2/dags/bulk_update/dagRuns", token)["dag_runs"]
    body = {"dry_run": False, "only_failed": False, "task_ids": [task_id], "dag_run_id": run["dag_run_id"]}
    call("POST", f"{api}/api/v2/dags/bulk_update/clearTaskInstances", token, body)
    wait_for(f"{task_id} runs again", lambda: sum(updates(state).values()) >= CONTACTS)
    wait_for(f"{task_id} succeeds again", lambda: states(task_id) == ["success"] * count)
    again = updates(state)
    print(
        f"{task_id}: cleared after success, {len(again)} of {CONTACTS} contacts were sent again", flush=True
    )
    if len(again) != CONTACTS:
        raise SystemExit(f"{task_id} did not repeat its work")


def main() -> None:
    """Run all checks."""
    prepare(ROOT / "tests_airflow" / "dags" / "bulk_update.py")
    state = create_state(2 * CONTACTS, 7, rate_limits=False)
    # A person may be a contact of two accounts with the same path, so only contacts of one account
    # are used.
    occurrences = Counter(row.contact_id for row in state.tables["talktohumans"].rows)
    rows = [row for row in state.tables["talktohumans"].rows if occurrences[row.contact_id] == 1][:CONTACTS]
    references = [row.reference("talktohumans") for row in rows]
    (HOME / "contacts.json").write_text(json.dumps(references))
    port = free_port()
    with running(create_app(state)) as url:
        env = environment(url, port)
        with airflow(env, port) as real:
            real.unpause("bulk_update")
            check_killed_tasks(state, "single", "Single", 1)
            check_killed_tasks(state, "mapped", "Mapped", 2)
            check_cleared_tasks(state, real, "single", 1)
            check_cleared_tasks(state, real, "mapped", 2)
    print("1 passed, 0 failed")


if __name__ == "__main__":
    main()
