"""Run the example DAG against the sandbox, in an Airflow of its own below this checkout."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".demo"
LOG = HOME / "airflow.log"
AIRFLOW = [sys.executable, "-m", "airflow"]


def environment() -> dict[str, str]:
    """Return the environment for Airflow: nothing of the user's own Airflow is in it."""
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
    """Serve the sandbox, add its connections to ``env``, and give its address."""
    command = [
        *AIRFLOW, "contacts", "sandbox", "--port", "0", "--contacts", str(contacts), "--no-rate-limits",
    ]  # fmt: skip
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
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        fail(f"`airflow {arguments[0]} {arguments[1]}` failed")
    return used.ru_maxrss / (1024 if sys.platform == "linux" else 1024**2)


def fail(problem: str) -> None:
    """Stop with a message that names the log."""
    tail = "".join(LOG.read_text(errors="replace").splitlines(keepends=True)[-15:])
    raise SystemExit(f"{tail}\nDemo failed: {problem}. All of Airflow's log: {LOG}")


def reported(env: dict[str, str]) -> list[dict[str, Any]]:
    """Return what the DAG's last task has reported, from Airflow's database."""
    with closing(sqlite3.connect(Path(env["AIRFLOW_HOME"]) / "airflow.db")) as database:
        row = database.execute(
            "SELECT value FROM xcom WHERE task_id = 'report' AND key = 'return_value'"
        ).fetchone()
    if row is None:
        fail("the DAG reported nothing")
    rows = json.loads(row[0])
    return json.loads(rows) if isinstance(rows, str) else rows


def main() -> None:
    """Run the demo."""
    contacts = int(os.environ.get("DEMO_CONTACTS", "250"))
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir()
    env, folder = environment(), HOME / "contacts"
    with LOG.open("w") as log, sandbox(contacts, env, log) as base_url:
        print(
            f"Sandbox with {contacts} contacts per vendor is up. Running the DAG contacts_sync …", flush=True
        )
        run(["db", "migrate"], env, log)
        peak = run(
            ["dags", "test", "contacts_sync", "--conf", json.dumps({"folder": folder.as_uri()})], env, log
        )
        with urllib.request.urlopen(f"{base_url}/sandbox/population") as answer:
            population = json.load(answer)
        with urllib.request.urlopen(f"{base_url}/sandbox/violations") as answer:
            violations = json.load(answer)
    print(f"\n{'vendor':<14}{'contacts':>10}{'requests':>10}{'seconds':>9}  file")
    wrong = []
    for row in reported(env):
        path = Path(row["path"].removeprefix("file://"))
        with path.open("rb") as file:
            lines = sum(1 for _ in file)
        print(
            f"{row['vendor']:<14}{row['seen']:>10}{row['requests']:>10}{row['seconds']:>9.2f}  "
            f"{path.relative_to(ROOT)}"
        )
        if not lines == row["seen"] == population.pop(row["vendor"]):
            wrong.append(row["vendor"])
    print(f"\nPeak memory of the run: {peak:.0f} MiB. Airflow's log: {LOG.relative_to(ROOT)}")
    if wrong or population or violations:
        fail(
            f"wrong counts: {wrong or '-'}; not read: {list(population) or '-'}; violations: {len(violations)}"
        )


if __name__ == "__main__":
    main()
