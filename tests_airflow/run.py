"""Kill tasks of a real Airflow half-way through an update, and see from the vendor's side what came of it.

A scheduler, an API server and a DAG processor with LocalExecutor and SQLite run below this checkout, against a
sandbox in this process. It prints what it has proved, and exits with 1 if it could not.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from airflow_provider_contacts.sandbox.server import connections, create_app, create_world, running
from airflow_provider_contacts.sandbox.world import Fault, World

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".cache" / "airflow-real"
AIRFLOW = [sys.executable, "-m", "airflow"]
CONTACTS, CONCURRENCY = 500, 4


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(url: str, port: int) -> dict[str, str]:
    """Return an environment with nothing of the user's own Airflow."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "_AIRFLOW"))}
    told = connections(url, rate_limits=False)
    return {
        **kept,
        **{f"AIRFLOW_CONN_{name.upper()}": json.dumps(value) for name, value in told.items()},
        "CONTACTS_TEST_FOLDER": str(HOME),
        "AIRFLOW_HOME": str(HOME / "airflow"),
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "tests_airflow" / "dags"),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "NO_PROXY": "127.0.0.1,localhost",
    }


@contextlib.contextmanager
def airflow(env: dict[str, str], port: int) -> Iterator[None]:
    """Run a real Airflow."""
    subprocess.run([*AIRFLOW, "db", "migrate"], env=env, check=True, capture_output=True)
    commands = [["api-server", "--port", str(port), "--workers", "1"], ["scheduler"], ["dag-processor"]]
    with contextlib.ExitStack() as stack:
        for command in commands:
            log = stack.enter_context((HOME / f"{command[0]}.log").open("w"))
            process = subprocess.Popen(
                [*AIRFLOW, *command], env=env, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
            stack.callback(process.wait)
            stack.callback(os.killpg, process.pid, signal.SIGTERM)
        yield


def wait_for(what: str, test: Callable[[], Any], seconds: float = 180) -> Any:
    """Wait until a test gives something."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := test():
            return value
        time.sleep(0.05)
    raise SystemExit(f"waited {seconds:.0f} s in vain: {what}; the logs are in {HOME}")


def states(task_id: str) -> list[str]:
    """Return the states of a task's instances."""
    path = HOME / "airflow" / "airflow.db"
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=20)) as database:
        rows = database.execute("SELECT state FROM task_instance WHERE task_id = ?", (task_id,)).fetchall()
    return [row[0] for row in rows]


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


def call(method: str, url: str, token: str = "", body: Any = None) -> Any:
    """Call Airflow's API."""
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(
        urllib.request.Request(url, data, headers, method=method), timeout=30
    ) as answer:
        return json.load(answer)


def cleared(world: World, port: int, task_id: str, count: int) -> None:
    """Clear tasks that have succeeded, and check that they do their work again."""
    world.requests.clear()
    world.faults["talktohumans"] = []
    api = f"http://127.0.0.1:{port}"
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
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir(parents=True)
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
        with airflow(env, port):
            listing = [*AIRFLOW, "dags", "list", "--output", "json"]
            wait_for(
                "the DAG is known",
                lambda: (
                    "bulk_update" in subprocess.run(listing, env=env, capture_output=True, text=True).stdout
                ),
            )
            for command in (["unpause", "--yes"], ["trigger"]):
                subprocess.run(
                    [*AIRFLOW, "dags", *command, "bulk_update"], env=env, check=True, capture_output=True
                )
            killed_half_way(world, "single", "Single", 1)
            killed_half_way(world, "mapped", "Mapped", 2)
            cleared(world, port, "single", 1)
            cleared(world, port, "mapped", 2)
    print("1 passed, 0 failed")


if __name__ == "__main__":
    main()
