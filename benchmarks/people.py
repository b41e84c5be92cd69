"""CPU time and memory of resolving the people of 400,000 contacts at four vendors, compared with reading their columns.

Each step runs in a process of its own, whose peak memory is then its own too. The table is
SQLite's.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import measuring  # noqa: F401 - turns logs off
import sqlalchemy as sa
from growth import read_peak_memory

from airflow_provider_contacts.operators.people import ResolvePeopleOperator
from airflow_provider_contacts.transfers.tables.table import define_table

CONTACTS_PER_VENDOR = 100_000
VENDORS = ("talktohumans", "thoughtly", "mailstand", "tether")
STEPS = ("reading", "first run", "unchanged")
# All of them are valid in E.164.
_AREA_CODES = (201, 202, 206, 212, 303, 305, 310, 312, 404, 415)
_ROWS_PER_INSERT = 10_000


@dataclass(frozen=True, slots=True)
class StepUsage:
    """Resources that a step used.

    :param cpu: CPU seconds.
    :param seconds: elapsed time.
    :param memory: peak memory in MiB, with Airflow.
    """

    cpu: float
    seconds: float
    memory: float


def make_contacts(vendor: str, offset: int) -> Iterator[dict[str, object]]:
    """Yield the rows of a vendor. Adjacent vendors share three quarters of the people."""
    now = datetime.now(timezone.utc)
    for number in range(CONTACTS_PER_VENDOR):
        person = number + offset * CONTACTS_PER_VENDOR // 4
        exchange = 200 + person // 100_000 * 70 + person // 10_000 % 10 * 7
        phone = f"+1{_AREA_CODES[person % 10]}{exchange}{person % 10_000:04d}"
        has_profile = vendor in ("talktohumans", "mailstand")
        yield {
            "vendor": vendor,
            "account_id": "account",
            "contact_id": f"{offset}{number:023x}",
            "email": None if vendor == "talktohumans" else f"person.{person}@contacts{person % 500}.example",
            "phone": None if vendor == "talktohumans" else phone,
            "country": "United States",
            "linkedin_url": f"https://www.linkedin.com/in/person-{person}" if has_profile else None,
            "tags": "[]",
            "unknown_fields": "[]",
            "raw": "{}",
            "digest": "0" * 64,
            "first_seen_at": now,
            "changed_at": now,
        }


def make_table(path: Path) -> None:
    """Write the table of contacts."""
    engine = sa.create_engine(f"sqlite:///{path}")
    table = define_table("contacts")
    table.create(engine)
    with engine.begin() as connection:
        for offset, vendor in enumerate(VENDORS):
            rows = list(make_contacts(vendor, offset))
            for start in range(0, len(rows), _ROWS_PER_INSERT):
                connection.execute(table.insert(), rows[start : start + _ROWS_PER_INSERT])
    engine.dispose()


def run_in_child(step: str, path: Path) -> None:
    """Run a step in this process and print what it has needed."""
    os.environ["AIRFLOW_CONN_WAREHOUSE"] = json.dumps({"conn_type": "sqlite", "host": str(path)})
    started = time.monotonic()
    cpu = time.process_time()
    if step == "reading":
        engine = sa.create_engine(f"sqlite:///{path}")
        query = "SELECT vendor, account_id, contact_id, email, phone, country, linkedin_url FROM contacts"
        with engine.connect() as connection:
            result = connection.execute(sa.text(query).execution_options(yield_per=1000))
            count = sum(len(part) for part in result.partitions())
    else:
        count = ResolvePeopleOperator(task_id="resolve", sql_conn_id="warehouse").execute({})["contacts"]
    assert count == CONTACTS_PER_VENDOR * len(VENDORS)
    used = StepUsage(time.process_time() - cpu, time.monotonic() - started, read_peak_memory())
    print(json.dumps([used.cpu, used.seconds, used.memory]))


def measure() -> dict[str, StepUsage]:
    """Return what each step needs."""
    found: dict[str, StepUsage] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "contacts.db"
        make_table(path)
        for step in STEPS:
            command = [sys.executable, __file__, "--step", step, "--path", str(path)]
            output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            found[step] = StepUsage(*json.loads(output.splitlines()[-1]))
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--step")
    parser.add_argument("--path", type=Path)
    arguments = parser.parse_args()
    if arguments.step:
        run_in_child(arguments.step, arguments.path)
    else:
        for name, usage in measure().items():
            print(f"{name:<10} {usage.cpu:6.1f} s CPU {usage.seconds:6.1f} s {usage.memory:6.0f} MiB")
