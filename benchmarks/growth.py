"""Time, memory and requests of a listing, a file and a table, from a thousand contacts to a million.

Each runs in a process of its own, whose peak memory is then its own too. The vendor is Mailstand;
the table is SQLite's.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from measuring import Vendors, vendors

COUNTS = (1_000, 10_000, 100_000, 1_000_000)
JOBS = ("listing", "file", "table")
CONN_ID = "mailstand_default"


@dataclass(frozen=True, slots=True)
class JobUsage:
    """Resources that a job used.

    :param cpu: CPU seconds.
    :param memory: peak memory in MiB.
    :param base: peak memory in MiB before the job.
    :param requests: requests that the vendor received.
    """

    cpu: float
    memory: float
    base: float
    requests: int


def run(job: str, folder: str) -> int:
    """Run a job and return the number of contacts."""
    from airflow_provider_contacts.hooks.base import ContactsHook
    from airflow_provider_contacts.transfers.contacts_to_object_storage import ContactsToObjectStorageOperator
    from airflow_provider_contacts.transfers.contacts_to_sql import ContactsToSqlOperator

    if job == "listing":
        return sum(1 for _ in ContactsHook.for_connection(CONN_ID).list_contacts())
    if job == "file":
        task = ContactsToObjectStorageOperator(
            task_id="file", contacts_conn_id=CONN_ID, path=f"{folder}/contacts.jsonl"
        )
    else:
        os.environ["AIRFLOW_CONN_WAREHOUSE"] = json.dumps(
            {"conn_type": "sqlite", "host": f"{folder}/contacts.db"}
        )
        task = ContactsToSqlOperator(  # type: ignore[assignment]
            task_id="table", contacts_conn_id=CONN_ID, sql_conn_id="warehouse", table="contacts"
        )
    count: int = task.execute({})["seen"]
    return count


def read_peak_memory() -> float:
    """Return the peak memory of this process in MiB. ``getrusage`` would include that of the process that has started it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def run_in_child(job: str, url: str) -> None:
    """Run a job in this process and print what it has needed."""
    served = Vendors(url)
    with tempfile.TemporaryDirectory() as folder:
        run(job, folder)  # imports, and a small table
    served.configure(serving=1)
    base = read_peak_memory()
    with tempfile.TemporaryDirectory() as folder:
        started = time.process_time()
        count = run(job, folder)
        cpu = time.process_time() - started
    memory = read_peak_memory()
    print(json.dumps({"count": count, "cpu": cpu, "memory": memory, "base": base}))


def measure(counts: tuple[int, ...] = COUNTS) -> dict[tuple[str, int], JobUsage]:
    """Return what each job has needed, by number of contacts."""
    results = {}
    for count in counts:
        with vendors(count) as served:
            for job in JOBS:
                served.configure(serving=0)
                command = [sys.executable, __file__, "--job", job, "--url", served.url]
                printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
                found = json.loads(printed.splitlines()[-1])
                if (read := found.pop("count")) != count:
                    raise SystemExit(f"{job}: expected {count} contacts, {read} were read.")
                results[job, count] = JobUsage(requests=served.configure(), **found)
    return results


def main() -> None:
    """Print the table, or run one job."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--job", choices=JOBS)
    arguments.add_argument("--url")
    parsed = arguments.parse_args()
    if parsed.job:
        run_in_child(parsed.job, parsed.url)
        return
    for (job, count), growth in measure().items():
        print(
            f"{job:<9}{count:>10,} contacts{growth.cpu / count * 1e6:7.1f} µs CPU a "
            f"contact{growth.memory:7.0f} MiB "
            f"(before: {growth.base:.0f}){growth.requests:6} requests",
            flush=True,
        )


if __name__ == "__main__":
    main()
