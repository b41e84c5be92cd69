"""A real Airflow in this checkout, for the checks in this folder."""

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
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from airflow_provider_contacts.sandbox.connections import connections

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".cache" / "airflow-real"
AIRFLOW = [sys.executable, "-m", "airflow"]


def free_port() -> int:
    """Return a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(url: str, port: int, parallelism: int = 4) -> dict[str, str]:
    """Return an environment without anything of the user's own Airflow."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "_AIRFLOW"))}
    found = connections(url, rate_limits=False)
    return {
        **kept,
        **{f"AIRFLOW_CONN_{name.upper()}": json.dumps(value) for name, value in found.items()},
        "CONTACTS_TEST_FOLDER": str(HOME),
        "AIRFLOW_HOME": str(HOME / "airflow"),
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
        "AIRFLOW__CORE__DAGS_FOLDER": str(HOME / "dags"),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PARALLELISM": str(parallelism),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "NO_PROXY": "127.0.0.1,localhost",
    }


def prepare(*files: Path) -> None:
    """Empty this Airflow's folder and copy DAGs there, with shorter intervals than in the examples."""
    shutil.rmtree(HOME, ignore_errors=True)
    (HOME / "dags").mkdir(parents=True)
    for file in files:
        text = file.read_text().replace("timedelta(minutes=5)", "timedelta(seconds=5)")
        (HOME / "dags" / file.name).write_text(text.replace("poll_interval=60", "poll_interval=5"))


class Airflow:
    """A running Airflow.

    :param env: its environment.
    :param port: port of its API server.
    """

    def __init__(self, env: dict[str, str], port: int) -> None:
        self.env = env
        self.url = f"http://127.0.0.1:{port}"
        self._port = port
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, command: str) -> None:
        """Start a component."""
        options = (
            ["--host", "127.0.0.1", "--port", str(self._port), "--workers", "1"]
            if command == "api-server"
            else []
        )
        with (HOME / f"{command}.log").open("a") as log:
            self._processes[command] = subprocess.Popen(
                [*AIRFLOW, command, *options],
                env=self.env, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def stop(self, command: str) -> None:
        """Stop a component with SIGTERM, as a deployment does, and with SIGKILL if that takes too long."""
        process = self._processes.pop(command)
        os.kill(process.pid, signal.SIGTERM)
        try:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(60)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

    def kill(self, command: str) -> None:
        """Kill a component and its children with SIGKILL, as a lost machine does."""
        process = self._processes.pop(command)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(60)

    def command(self, *arguments: str) -> str:
        """Run a command and return its output."""
        done = subprocess.run(
            [*AIRFLOW, *arguments], env=self.env, check=True, capture_output=True, text=True
        )
        return done.stdout

    def unpause(self, dag_id: str, *, trigger: bool = True) -> None:
        """Unpause a DAG as soon as Airflow has parsed it, and trigger it."""
        wait_for(f"{dag_id} is parsed", lambda: query("SELECT 1 FROM dag WHERE dag_id = ?", dag_id))
        self.command("dags", "unpause", "--yes", dag_id)
        if trigger:
            self.command("dags", "trigger", dag_id)


@contextlib.contextmanager
def airflow(env: dict[str, str], port: int, *components: str) -> Iterator[Airflow]:
    """Run an API server, a scheduler, a DAG processor, and other components."""
    subprocess.run([*AIRFLOW, "db", "migrate"], env=env, check=True, capture_output=True)
    running = Airflow(env, port)
    started = ["api-server", "scheduler", "dag-processor", *components]
    try:
        for command in started:
            running.start(command)
        yield running
    finally:
        # The others need the API server to finish.
        for command in reversed(list(running._processes)):
            running.stop(command)


def query(sql: str, *values: Any) -> list[tuple[Any, ...]]:
    """Return rows of Airflow's database."""
    path = HOME / "airflow" / "airflow.db"
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=20)) as database:
        return database.execute(sql, values).fetchall()


def wait_for(what: str, test: Callable[[], Any], seconds: float = 180) -> Any:
    """Wait until a test returns something, and return it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := test():
            return value
        time.sleep(0.05)
    broken = query("SELECT stacktrace FROM import_error")
    raise SystemExit(f"Timed out after {seconds:.0f} s: {what}. The logs are in {HOME}. {broken or ''}")


def states(task_id: str) -> list[str]:
    """Return the states of a task's instances."""
    return [row[0] for row in query("SELECT state FROM task_instance WHERE task_id = ?", task_id)]


def call(method: str, url: str, token: str = "", body: Any = None) -> Any:
    """Call Airflow's API."""
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(
        urllib.request.Request(url, data, headers, method=method), timeout=30
    ) as answer:
        return json.load(answer)
