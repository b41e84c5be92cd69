"""Run a command with a temporary PostgreSQL server, whose address is in CONTACTS_TEST_POSTGRES.

It uses the installed server, or installs Debian's package if it is allowed to.
"""

from __future__ import annotations

import glob
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from typing import Any


def binaries() -> str:
    """Return the folder of PostgreSQL's programs."""
    for attempt in range(2):
        found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
        found += [path] if (path := shutil.which("initdb")) else []
        if found:
            return os.path.dirname(os.path.realpath(found[0]))
        if attempt == 0 and os.geteuid() == 0 and shutil.which("apt-get"):
            subprocess.run(["apt-get", "update", "-q"], check=True)
            subprocess.run(["apt-get", "install", "-q", "-y", "postgresql"], check=True)
    raise SystemExit("PostgreSQL is not installed; install it (Debian: apt-get install postgresql)")


def main() -> None:
    """Start the server, run the command, stop the server."""
    # Stopping this script stops the server too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    folder = binaries()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # The server refuses to run as root.
    user: dict[str, Any] = {"user": "postgres"} if os.geteuid() == 0 else {}
    home = tempfile.mkdtemp(prefix="contacts-postgres-")
    try:
        if user:
            shutil.chown(home, "postgres")
        data = os.path.join(home, "data")
        quiet: dict[str, Any] = {"check": True, "stdout": subprocess.DEVNULL, "cwd": home, **user}
        subprocess.run(
            [f"{folder}/initdb", "-D", data, "-U", "contacts", "-A", "trust", "-E", "UTF8"], **quiet
        )
        options = f"-p {port} -k {home} -c listen_addresses=127.0.0.1"
        start = [f"{folder}/pg_ctl", "-D", data, "-w", "-l", f"{home}/log", "-o", options, "start"]
        subprocess.run(start, **quiet)
        try:
            address = f"postgresql+psycopg2://contacts@127.0.0.1:{port}/postgres"
            done = subprocess.run(
                sys.argv[1:], env={**os.environ, "CONTACTS_TEST_POSTGRES": address}, check=False
            )
        finally:
            subprocess.run([f"{folder}/pg_ctl", "-D", data, "-m", "immediate", "stop"], **quiet)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    raise SystemExit(done.returncode)


if __name__ == "__main__":
    main()
