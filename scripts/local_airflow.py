"""Run a separate Airflow and a sandbox for the demo, the UI and the screenshots."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, NoReturn

import psutil

ROOT = Path(__file__).resolve().parent.parent
AIRFLOW = [sys.executable, "-m", "airflow"]
EXAMPLES = ROOT / "example_dags"
# Where contacts_sync writes by default.
_EXAMPLE_FOLDER = "file:///tmp/contacts"
_STOP_SECONDS = 15
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Everything is on this machine, so no proxy is used.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_LOG_CHARS_SHOWN = 3000


def environment(home: Path, dags: Path) -> dict[str, str]:
    """Return the environment for Airflow, without anything of the user's own Airflow.

    :param home: folder for everything that Airflow writes.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "_AIRFLOW"))}
    return {
        **kept,
        # `airflow standalone` starts `airflow`.
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath))),
        "AIRFLOW_HOME": str(home / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
    }


def free_port() -> int:
    """Return a port that is free at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def copy_examples(target: Path, folder: Path) -> None:
    """Copy the example DAGs.

    :param folder: where contacts_sync writes, in place of its default.
    """
    target.mkdir(parents=True)
    for file in EXAMPLES.glob("*.py"):
        (target / file.name).write_text(file.read_text().replace(_EXAMPLE_FOLDER, folder.as_uri()))


@contextlib.contextmanager
def sandbox(contacts: int, env: dict[str, str], log: IO[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Serve the sandbox; provide its address, and the connections to it by the name of their variable."""
    options = ["--port", "0", "--contacts", str(contacts), "--no-rate-limits"]
    process = subprocess.Popen(
        [*AIRFLOW, "contacts", "sandbox", *options], env=env, stdout=subprocess.PIPE, stderr=log, text=True
    )
    try:
        base_url = ""
        connections: dict[str, str] = {}
        assert process.stdout is not None
        for line in process.stdout:
            log.write(line)
            if " at http://" in line:
                base_url = line.split(" at ")[1].split(". ")[0]
            if line.startswith("export "):
                name, _, value = line.removeprefix("export ").strip().partition("=")
                connections[name] = value.strip("'")
            if line.startswith("Stop"):
                break
        else:
            raise SystemExit("The sandbox did not start.")
        # It prints a line per request; a full pipe would drop them.
        threading.Thread(target=shutil.copyfileobj, args=(process.stdout, log), daemon=True).start()
        yield base_url, connections
    finally:
        stop(process)


@contextlib.contextmanager
def standalone(
    home: Path, env: dict[str, str], connections: dict[str, str]
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Run Airflow with all its components, without login; provide its address when it answers, and its process.

    :param connections: connections to import, keyed by environment variable.
    """
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    env = {
        **env,
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
    }
    with (home / "standalone.log").open("w") as log:
        _run(["db", "migrate"], env, log)
        file = home / "connections.json"
        parts = {
            name.removeprefix("AIRFLOW_CONN_").lower(): json.loads(value)
            for name, value in connections.items()
        }
        file.write_text(json.dumps(parts))
        _run(["connections", "import", str(file)], env, log)
        process = subprocess.Popen(
            [*AIRFLOW, "standalone"], env=env, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            try:
                wait_for("Airflow answers", lambda: _answers(f"{url}/api/v2/monitor/health"), process)
            except SystemExit as error:
                tail = (home / "standalone.log").read_text(errors="replace")[-_LOG_CHARS_SHOWN:]
                raise SystemExit(f"{tail}\n{error}") from None
            yield url, process
        finally:
            stop(process)


@contextlib.contextmanager
def api_server(env: dict[str, str], log: IO[str]) -> Iterator[str]:
    """Run Airflow's API server without login, on an existing database, and provide its address when it answers."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    options = ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    process = subprocess.Popen(
        [*AIRFLOW, "api-server", *options],
        env={**env, "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True"},
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        wait_for("Airflow answers", lambda: _answers(f"{url}/api/v2/monitor/health"), process)
        yield url
    finally:
        stop(process)


@contextlib.contextmanager
def examples(home: Path, contacts: int) -> Iterator[tuple[str, str, subprocess.Popen[bytes]]]:
    """Run Airflow with the example DAGs; provide its address, the sandbox's, and Airflow's process."""
    copy_examples(home / "dags", home / "contacts")
    env = environment(home, home / "dags")
    with (home / "sandbox.log").open("w") as log, sandbox(contacts, env, log) as (sandbox_url, connections):
        warehouse = {"conn_type": "sqlite", "host": str(home / "warehouse.db")}
        connections["AIRFLOW_CONN_WAREHOUSE"] = json.dumps(warehouse)
        secret = {"conn_type": "generic", "password": secrets.token_hex(32)}
        connections["AIRFLOW_CONN_CONTACTS_SUPPRESSIONS"] = json.dumps(secret)
        with standalone(home, env, connections) as (url, process):
            yield url, sandbox_url, process


def wait_for(
    what: str, test: Callable[[], Any], process: subprocess.Popen[Any] | None = None, seconds: float = 180
) -> Any:
    """Wait until a test returns something, and return it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and (process is None or process.poll() is None):
        if value := test():
            return value
        time.sleep(0.1)
    if process is not None and process.poll() is not None:
        raise SystemExit(f"The process exited before {what}.")
    raise SystemExit(f"Timed out after {seconds:.0f} s, before {what}.")


def stop(process: subprocess.Popen[Any]) -> None:
    """Stop a process and everything that it started."""
    family = _family(process.pid)
    for member in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.terminate()
    _, alive = psutil.wait_procs(family, timeout=_STOP_SECONDS)
    for member in [*alive, *_family(process.pid)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()
    process.wait()


def _family(pid: int) -> list[psutil.Process]:
    """Return a process, what it has started, and what is left of its session if it has died."""
    found: dict[int, psutil.Process] = {}
    for member in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError, PermissionError):
            ancestors = [parent.pid for parent in member.parents()]
            if pid in (member.pid, *ancestors, os.getsid(member.pid)):
                found[member.pid] = member
    return list(found.values())


def handle_signals() -> None:
    """Let Ctrl-C, a closed terminal and SIGTERM end the script once, with everything that it started."""

    def interrupt(*_: object) -> NoReturn:
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        print("\nStopping …", flush=True)
        raise KeyboardInterrupt

    for number in _SIGNALS:
        signal.signal(number, interrupt)


def get_json(url: str | urllib.request.Request) -> Any:
    """Return the JSON at a URL."""
    with _DIRECT.open(url, timeout=10) as response:
        return json.load(response)


def post_json(url: str, body: Any, *, method: str = "POST", token: str = "") -> Any:
    """Send JSON, and return the JSON of the response.

    :param token: of Airflow's API, or empty.
    """
    headers = {
        "Content-Type": "application/json",
        **({"Authorization": f"Bearer {token}"} if token else {}),
    }
    request = urllib.request.Request(url, json.dumps(body).encode(), headers, method=method)
    with _DIRECT.open(request, timeout=30) as response:
        return json.load(response)


def _answers(url: str) -> bool:
    try:
        return bool(get_json(url))
    except OSError:
        return False


def _run(arguments: list[str], env: dict[str, str], log: IO[str]) -> None:
    log.flush()
    subprocess.run([*AIRFLOW, *arguments], env=env, stdout=log, stderr=subprocess.STDOUT, check=True)
