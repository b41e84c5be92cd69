"""Run the example DAGs against the sandbox, in a separate Airflow in this checkout."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Any, NoReturn

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".demo"
LOG = HOME / "airflow.log"
AIRFLOW = [sys.executable, "-m", "airflow"]
# The other DAGs list contacts as XCom, which is not meant for more.
MAX_CONTACTS_FOR_ALL_DAGS = 1000
LOG_LINES_SHOWN = 15
REPLY_TIMEOUT_SECONDS = 90


def environment() -> dict[str, str]:
    """Return the environment for Airflow, without anything of the user's own Airflow."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "_AIRFLOW"))}
    return {
        **kept,
        "AIRFLOW_HOME": str(HOME / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "example_dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",
        "NO_PROXY": "127.0.0.1,localhost",
    }


@contextmanager
def sandbox(contacts: int, env: dict[str, str], log: IO[str]) -> Iterator[str]:
    """Serve the sandbox, add its connections to ``env``, and provide its address."""
    options = ["--port", "0", "--contacts", str(contacts), "--no-rate-limits"]
    command = [*AIRFLOW, "contacts", "sandbox", *options]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=log, text=True) as process:
        try:
            base_url = ""
            assert process.stdout is not None
            for line in process.stdout:
                log.write(line)
                if " at http://" in line:
                    base_url = line.split(" at ")[1].split(". ")[0]
                if line.startswith("export "):
                    name, _, value = line.removeprefix("export ").strip().partition("=")
                    env[name] = value.strip("'")
                if line.startswith("Stop"):
                    break
            else:
                fail("the sandbox did not start")
            yield base_url
        finally:
            process.terminate()


def run(arguments: list[str], env: dict[str, str], log: IO[str]) -> float:
    """Run an ``airflow`` command with its output in the log, and return its peak memory in MiB."""
    log.flush()
    process = subprocess.Popen([*AIRFLOW, *arguments], env=env, stdout=log, stderr=subprocess.STDOUT)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        fail(f"`airflow {arguments[0]} {arguments[1]}` failed")
    return usage.ru_maxrss / (1024 if sys.platform == "linux" else 1024**2)


def fail(problem: str) -> NoReturn:
    """Stop with a message that names the log."""
    tail = "".join(LOG.read_text(errors="replace").splitlines(keepends=True)[-LOG_LINES_SHOWN:])
    raise SystemExit(f"{tail}\nThe demo failed: {problem}. Airflow's log is {LOG}")


def reported(env: dict[str, str], dag_id: str) -> list[dict[str, Any]]:
    """Return what the last task of a DAG reported, from Airflow's database."""
    with closing(sqlite3.connect(Path(env["AIRFLOW_HOME"]) / "airflow.db")) as database:
        row = database.execute(
            "SELECT value FROM xcom WHERE dag_id = ? AND task_id = 'report' AND key = 'return_value'",
            (dag_id,),
        ).fetchone()
    if row is None:
        fail(f"{dag_id} reported nothing")
    rows = json.loads(row[0])
    return json.loads(rows) if isinstance(rows, str) else rows


def get(url: str) -> Any:
    """Return the JSON at a URL."""
    with urllib.request.urlopen(url) as response:
        return json.load(response)


def talktohumans_contacts(base_url: str) -> Iterator[dict[str, Any]]:
    """Yield the TalkToHumans contacts, as the sandbox serves them."""
    cursor = ""
    while True:
        url = f"{base_url}/talktohumans/v1/contacts?limit=25{cursor}"
        request = urllib.request.Request(url, headers={"Authorization": "Bearer sandbox-key"})
        with urllib.request.urlopen(request) as response:
            data = json.load(response)["data"]
        yield from data["contacts"]
        if not data["pagination"]["has_more"]:
            return
        cursor = f"&cursor={data['pagination']['next_cursor']}"


def has_replied(contact: dict[str, Any]) -> bool:
    """Return whether a contact has replied."""
    return bool(contact["sequence"]) and contact["sequence"]["status"] == "replied"


def count_tags(base_url: str) -> Counter[str]:
    """Return how many TalkToHumans contacts have each tag, and how many have replied."""
    counts: Counter[str] = Counter()
    for contact in talktohumans_contacts(base_url):
        counts.update(tag["name"] for tag in contact["tags"])
        counts["(has replied)"] += has_replied(contact)
    return counts


def main() -> None:
    """Run the demo."""
    contacts = int(os.environ.get("DEMO_CONTACTS", "250"))
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir()
    env = environment()
    folder = HOME / "contacts"
    with LOG.open("w") as log, sandbox(contacts, env, log) as base_url:
        print(
            f"The sandbox serves {contacts} contacts per vendor. Running the DAG contacts_sync …", flush=True
        )
        run(["db", "migrate"], env, log)
        parameters = json.dumps({"folder": folder.as_uri()})
        peak = run(["dags", "test", "contacts_sync", "--conf", parameters], env, log)
        population = get(f"{base_url}/sandbox/population")
        show_sync(env, population, peak)
        if contacts <= MAX_CONTACTS_FOR_ALL_DAGS:
            show_warehouse(env, log)
            show_tags(env, log, base_url)
            show_wait(env, log, base_url)
        violations = get(f"{base_url}/sandbox/violations")
    print(f"\nAirflow's log: {LOG.relative_to(ROOT)}")
    if violations:
        fail(f"the sandbox rejected requests: {violations[:3]}")


def show_sync(env: dict[str, str], population: dict[str, int], peak: float) -> None:
    """Show the exported files, and fail if they do not contain what the sandbox has."""
    print(f"\n{'vendor':<14}{'contacts':>10}{'requests':>10}{'seconds':>9}  file")
    wrong = []
    missing = set(population)
    for row in reported(env, "contacts_sync"):
        path = Path(row["path"].removeprefix("file://"))
        with path.open("rb") as file:
            lines = sum(1 for _ in file)
        print(
            f"{row['vendor']:<14}{row['seen']:>10}{row['requests']:>10}{row['seconds']:>9.2f}  "
            f"{path.relative_to(ROOT)}"
        )
        missing.discard(row["vendor"])
        if not lines == row["seen"] == population[row["vendor"]]:
            wrong.append(row["vendor"])
    print(f"\nPeak memory of the run: {peak:.0f} MiB.")
    if wrong or missing:
        fail(f"wrong counts: {wrong or '-'}; not read: {sorted(missing) or '-'}")


def show_warehouse(env: dict[str, str], log: IO[str]) -> None:
    """Run the warehouse DAG twice, and show that the second run writes nothing."""
    database = HOME / "warehouse.db"
    env["AIRFLOW_CONN_WAREHOUSE"] = json.dumps({"conn_type": "sqlite", "host": str(database)})
    print("\nRunning the DAG contacts_warehouse twice, into SQLite …", flush=True)
    run(["pools", "set", "contacts", "4", "requests to vendors"], env, log)
    print(f"\n{'run':<10}{'rows':>6}{'written':>9}{'tasks that wrote':>18}{'skipped':>9}")
    written: list[int] = []
    before: set[Any] = set()
    for name in ("first", "second"):
        run(["dags", "test", "contacts_warehouse"], env, log)
        with closing(sqlite3.connect(database)) as connection:
            rows = set(
                connection.execute("SELECT vendor, account_id, contact_id, digest, changed_at FROM contacts")
            )
        written.append(len(rows - before))
        before = rows
        states = count_states(env, "contacts_warehouse")
        print(f"{name:<10}{len(rows):>6}{written[-1]:>9}{states['success']:>18}{states['skipped']:>9}")
    if not written[0] or written[1]:
        fail("the first run wrote nothing, or the second run wrote something")


def count_states(env: dict[str, str], dag_id: str) -> Counter[str]:
    """Return how many of the tasks that load contacts ended in each state, in a DAG's newest run."""
    with closing(sqlite3.connect(Path(env["AIRFLOW_HOME"]) / "airflow.db")) as connection:
        rows = connection.execute(
            "SELECT state FROM task_instance WHERE dag_id = ? AND task_id LIKE 'load_%' "
            "AND run_id = (SELECT run_id FROM dag_run WHERE dag_id = ? ORDER BY id DESC)",
            (dag_id, dag_id),
        )
        return Counter(state for (state,) in rows)


def show_tags(env: dict[str, str], log: IO[str], base_url: str) -> None:
    """Run the tag DAG, first as a preview, and show the tags before and after."""
    print("\nRunning the DAG contacts_tag_hygiene, first as a preview …", flush=True)
    before = count_tags(base_url)
    run(["dags", "test", "contacts_tag_hygiene", "--conf", '{"preview": true}'], env, log)
    previewed = count_tags(base_url)
    run(["dags", "test", "contacts_tag_hygiene"], env, log)
    after = count_tags(base_url)
    print(f"\n{'tag':<18}{'before':>8}{'preview':>9}{'after':>8}")
    for name in sorted(before | after):
        print(f"{name:<18}{before[name]:>8}{previewed[name]:>9}{after[name]:>8}")
    if previewed != before:
        fail("the preview changed tags")
    if after["Replied"] != after["(has replied)"]:
        fail("the tag Replied does not match the contacts who have replied")


def show_wait(env: dict[str, str], log: IO[str], base_url: str) -> None:
    """Start a sensor, simulate the reply that it waits for, and show what it returns."""
    contact = next(one for one in talktohumans_contacts(base_url) if not has_replied(one))
    contact_id = contact["contact_id"]
    print(f"\nRunning the DAG demo_wait: a sensor waits for a reply of contact {contact_id} …", flush=True)
    requests_url = f"{base_url}/sandbox/requests?vendor=talktohumans"
    before = len(get(requests_url))
    problems: list[str] = []

    def simulate_reply() -> None:
        # The first poll is on the worker, the second one in the trigger.
        polls = 0
        end = time.monotonic() + REPLY_TIMEOUT_SECONDS
        while polls < 2 and time.monotonic() < end:
            polls = sum("cursor" not in entry["params"] for entry in get(requests_url)[before:])
            time.sleep(0.1)
        if polls < 2:
            problems.append("the sensor did not poll")
        body = json.dumps({"vendor": "talktohumans", "contact_id": contact_id}).encode()
        headers = {"Content-Type": "application/json"}
        urllib.request.urlopen(urllib.request.Request(f"{base_url}/sandbox/reply", body, headers)).close()
        print("The sensor has polled twice without a match; simulating the reply now.", flush=True)

    thread = threading.Thread(target=simulate_reply, daemon=True)
    thread.start()
    demo_env = {**env, "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "scripts" / "demo_dags")}
    run(["dags", "test", "demo_wait", "--conf", json.dumps({"contact_id": contact_id})], demo_env, log)
    thread.join()
    found = reported(env, "demo_wait")
    print(f"The sensor returns {json.dumps(found)}")
    if problems or {one["contact_id"] for one in found} != {contact_id}:
        fail(problems[0] if problems else "the sensor returned another contact")


if __name__ == "__main__":
    main()
