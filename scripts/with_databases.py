"""Run a command with temporary servers of PostgreSQL and MariaDB.

Their addresses are in CONTACTS_TEST_POSTGRES and CONTACTS_TEST_MYSQL. It uses the installed
servers, or installs Debian's packages if it is allowed to.
"""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_START_SECONDS = 60


def require_program(pattern: str, package: str) -> str:
    """Return the path of a program, after installing its package if necessary.

    :param pattern: name, or path with wildcards.
    :param package: Debian's package.
    """
    for attempt in range(2):
        found = sorted(glob.glob(pattern))
        found += [path] if (path := shutil.which(os.path.basename(pattern))) else []
        if found:
            return os.path.realpath(found[0])
        if attempt == 0 and os.geteuid() == 0 and shutil.which("apt-get"):
            subprocess.run(["apt-get", "update", "-q"], check=True)
            subprocess.run(["apt-get", "install", "-q", "-y", package], check=True)
    raise SystemExit(f"{package} is not installed; install it (Debian: apt-get install {package})")


def free_port() -> int:
    """Return a port that is free at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def home(user: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Provide a folder for a server, and arguments that run a program in it; servers refuse to run as root."""
    folder = tempfile.mkdtemp(prefix=f"contacts-{user}-")
    options: dict[str, Any] = {"stdout": subprocess.DEVNULL, "cwd": folder}
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, user)
            options["user"] = user
        yield folder, options
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """Run PostgreSQL, and provide its address."""
    programs = os.path.dirname(require_program("/usr/lib/postgresql/*/bin/initdb", "postgresql"))
    port = free_port()
    with home("postgres") as (folder, options):
        data = os.path.join(folder, "data")
        initialize = [f"{programs}/initdb", "-D", data, "-U", "contacts", "-A", "trust", "-E", "UTF8"]
        subprocess.run(initialize, check=True, **options)
        settings = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1"
        start = [f"{programs}/pg_ctl", "-D", data, "-w", "-l", f"{folder}/log", "-o", settings, "start"]
        subprocess.run(start, check=True, **options)
        try:
            yield f"postgresql+psycopg2://contacts@127.0.0.1:{port}/postgres"
        finally:
            stop = [f"{programs}/pg_ctl", "-D", data, "-m", "immediate", "stop"]
            subprocess.run(stop, check=True, **options)


@contextlib.contextmanager
def mariadb() -> Iterator[str]:
    """Run MariaDB, and provide its address."""
    server = require_program("/usr/sbin/mariadbd", "mariadb-server")
    initialize = require_program("/usr/bin/mariadb-install-db", "mariadb-server")
    port = free_port()
    with home("mysql") as (folder, options):
        data = os.path.join(folder, "data")
        subprocess.run(
            [initialize, "--no-defaults", f"--datadir={data}", "--skip-test-db"], check=True, **options
        )
        settings = [
            f"--datadir={data}",
            f"--port={port}",
            f"--socket={folder}/socket",
            "--bind-address=127.0.0.1",
        ]
        log = Path(folder, "log")
        # The default character set is one that cannot hold every name, as on many servers.
        command = [server, "--no-defaults", *settings, "--skip-grant-tables", "--character-set-server=latin1"]
        with log.open("wb") as output, subprocess.Popen(command, stderr=output, **options) as process:
            try:
                wait_for_port(process, port, log)
                yield f"mysql+pymysql://root@127.0.0.1:{port}"
            finally:
                process.terminate()


def wait_for_port(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Wait until a server accepts connections."""
    for _ in range(_START_SECONDS * 10):
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    raise SystemExit(f"MariaDB did not start:\n{log.read_text(errors='replace')}")


def main() -> None:
    """Start the servers, run the command, stop the servers."""
    # Stopping this script stops the servers too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with postgres() as postgres_url, mariadb() as mysql_url:
        addresses = {"CONTACTS_TEST_POSTGRES": postgres_url, "CONTACTS_TEST_MYSQL": mysql_url}
        done = subprocess.run(sys.argv[1:], env={**os.environ, **addresses}, check=False)
    raise SystemExit(done.returncode)


if __name__ == "__main__":
    main()
