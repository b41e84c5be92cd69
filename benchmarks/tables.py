"""CPU time of writing 100,000 contacts to a table, task and database server together, as a multiple of reading them.

The table is written three times: all contacts are new, none has changed, one in a hundred has
changed. PostgreSQL runs on a temporary server; SQLite runs in the task.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
from measuring import measure_cpu, vendors

sys.path.append(str(Path(__file__).parent.parent / "scripts"))
from with_databases import postgres

CONTACTS = 100_000
STEPS = ("first load", "unchanged", "1 % changed")


@dataclass(frozen=True, slots=True)
class Database:
    """A database that contacts are written to.

    :param conn_id: the Airflow connection.
    :param server: name of its server's processes, or empty.
    """

    conn_id: str
    server: str = ""

    def server_cpu(self) -> float:
        """Return the CPU seconds of all processes with the server's name, those that have ended included."""
        spent = 0.0
        for process in psutil.process_iter(["name"]):
            with contextlib.suppress(psutil.NoSuchProcess):
                if self.server and process.info["name"] == self.server:
                    times = process.cpu_times()
                    spent += times.user + times.system + times.children_user + times.children_system
        return spent


@contextlib.contextmanager
def databases() -> Iterator[dict[str, Database]]:
    """Provide an empty PostgreSQL and an empty SQLite."""
    with postgres() as address, tempfile.TemporaryDirectory() as folder:
        port = int(address.rpartition(":")[2].partition("/")[0])
        connections = {
            "postgres": {
                "conn_type": "postgres",
                "host": "127.0.0.1",
                "port": port,
                "login": "contacts",
                "schema": "postgres",
            },
            "sqlite": {"conn_type": "sqlite", "host": f"{folder}/contacts.db"},
        }
        for conn_id, connection in connections.items():
            os.environ[f"AIRFLOW_CONN_{conn_id.upper()}"] = json.dumps(connection)
        yield {
            "PostgreSQL": Database("postgres", "postgres"),
            "SQLite": Database("sqlite"),
        }


def read() -> int:
    """Read all contacts."""
    from airflow_provider_contacts.hooks.base import ContactsHook

    return sum(1 for _ in ContactsHook.for_connection("mailstand_default").list_contacts())


def load(database: Database, table: str) -> dict[str, int]:
    """Write all contacts to a table, and return the summary."""
    from airflow_provider_contacts.transfers.contacts_to_sql import ContactsToSqlOperator

    operator = ContactsToSqlOperator(
        task_id="load", contacts_conn_id="mailstand_default", sql_conn_id=database.conn_id, table=table
    )
    return operator.execute({})


def measure_load(database: Database, table: str, expected: dict[str, int]) -> float:
    """Return the CPU seconds of one load, task and server."""
    before = database.server_cpu()
    started = time.process_time()
    summary = load(database, table)
    seconds = time.process_time() - started + database.server_cpu() - before
    found = {name: summary[name] for name in expected}
    if found != expected:
        raise SystemExit(f"The load wrote {found}; expected {expected}.")
    return seconds


def measure(rounds: int, contacts: int = CONTACTS) -> dict[str, dict[str, float]]:
    """Return the CPU seconds of reading and of each load, by database."""
    results: dict[str, dict[str, float]] = {}
    changed = -(-contacts // 100)
    with databases() as targets, vendors(contacts) as served:
        for version in (0, 1):
            served.configure(version=version)
            read()  # makes the server's pages
        for name, database in targets.items():
            least = dict.fromkeys(("reading", *STEPS), float("inf"))
            for number in range(rounds):
                table = f"contacts_{number}"
                served.configure(version=0)
                least["reading"] = min(least["reading"], measure_cpu(read, contacts))
                figures = {"first load": measure_load(database, table, {"new": contacts})}
                least["reading"] = min(least["reading"], measure_cpu(read, contacts))
                figures["unchanged"] = measure_load(database, table, {"unchanged": contacts})
                served.configure(version=1)
                figures["1 % changed"] = measure_load(
                    database, table, {"changed": changed, "unchanged": contacts - changed}
                )
                for step, seconds in figures.items():
                    least[step] = min(least[step], seconds)
            results[name] = least
    return results


def main() -> None:
    """Print the table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=3)
    for name, least in measure(arguments.parse_args().rounds).items():
        print(f"{name}, {CONTACTS:,} contacts: CPU seconds, and as a multiple of reading them")
        for step, seconds in least.items():
            print(f"  {step:<12}{seconds:8.2f}{seconds / least['reading']:8.2f}")
    print(f"peak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
