"""Kill tasks of a real Airflow half-way through an update, and see from the vendor's side what came of it.

A scheduler, an API server and a DAG processor with LocalExecutor and SQLite run below this checkout, against a
sandbox in this process. It prints what it has proved, and exits with 1 if it could not.
"""

from __future__ import annotations

import json
import os
import signal
from collections import Counter

from real import HOME, ROOT, Airflow, airflow, call, environment, free_port, prepare, states, wait_for

from airflow_provider_contacts.sandbox.server import create_app, create_world, running
from airflow_provider_contacts.sandbox.world import Fault, World

CONTACTS, CONCURRENCY = 500, 4


def updates(world: World) -> Counter[str]:
    """Return how often each contact was sent."""
    return Counter(entry["path"] for entry in list(world.requests) if entry["method"] == "PATCH")


def killed_half_way(world: World, task_id: str, tag: str, count: int) -> None:
    """Wait until some tasks are half-way, kill them, let them retry, and check the vendor's side."""
    world.requests.clear()
    world.faults["talktohumans"] = [Fault(times=10**9, latency=0.03, method="PATCH")]
    wait_for(f"{task_id} is half-way", lambda: sum(updates(world).values()) >= CONTACTS * 0.4)
    pids = [int(path.read_text()) for path in HOME.glob(f"{task_id}-*.1.pid")]
    assert len(pids) == count, pids
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    at_kill = sum(updates(world).values())
    wait_for(f"{task_id} succeeds", lambda: states(task_id) == ["success"] * count)
    sent = updates(world)
    twice = sum(number - 1 for number in sent.values())
    tagged = sum(tag in row.tags for row in world.tables["talktohumans"].rows)
    print(
        f"{task_id}: {count} task(s) killed after {at_kill} updates; contacts missed: {CONTACTS - len(sent)}, "
        f"sent again: {twice} (at most {CONCURRENCY * count}), tagged: {tagged} of {CONTACTS}",
        flush=True,
    )
    if len(sent) != CONTACTS or tagged != CONTACTS or twice > CONCURRENCY * count or at_kill >= CONTACTS:
        raise SystemExit(f"{task_id} did not go on as it should")


def cleared(world: World, real: Airflow, task_id: str, count: int) -> None:
    """Clear tasks that have succeeded, and check that they do their work again."""
    world.requests.clear()
    world.faults["talktohumans"] = []
    api = real.url
    token = call("GET", f"{api}/auth/token")["access_token"]
    [run] = call("GET", f"{api}/api/v2/dags/bulk_update/dagRuns", token)["dag_runs"]
    order = {"dry_run": False, "only_failed": False, "task_ids": [task_id], "dag_run_id": run["dag_run_id"]}
    call("POST", f"{api}/api/v2/dags/bulk_update/clearTaskInstances", token, order)
    wait_for(f"{task_id} runs again", lambda: sum(updates(world).values()) >= CONTACTS)
    wait_for(f"{task_id} succeeds again", lambda: states(task_id) == ["success"] * count)
    again = updates(world)
    print(
        f"{task_id}: cleared after success, {len(again)} of {CONTACTS} contacts were sent again", flush=True
    )
    if len(again) != CONTACTS:
        raise SystemExit(f"{task_id} did not do its work again")


def main() -> None:
    """Run it all."""
    prepare(ROOT / "tests_airflow" / "dags" / "bulk_update.py")
    world = create_world(2 * CONTACTS, 7, rate_limits=False)
    # One person may be a contact of two accounts, and a path would not tell them apart: take those of one.
    often = Counter(row.contact_id for row in world.tables["talktohumans"].rows)
    rows = [row for row in world.tables["talktohumans"].rows if often[row.contact_id] == 1][:CONTACTS]
    references = [
        {"vendor": "talktohumans", "account_id": row.account_id, "contact_id": row.contact_id} for row in rows
    ]
    (HOME / "contacts.json").write_text(json.dumps(references))
    port = free_port()
    with running(create_app(world)) as url:
        env = environment(url, port)
        with airflow(env, port) as real:
            real.begin("bulk_update")
            killed_half_way(world, "single", "Single", 1)
            killed_half_way(world, "mapped", "Mapped", 2)
            cleared(world, real, "single", 1)
            cleared(world, real, "mapped", 2)
    print("1 passed, 0 failed")


if __name__ == "__main__":
    main()
