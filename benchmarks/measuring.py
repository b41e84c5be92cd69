"""What the benchmarks share: the vendors in a process of their own, CPU time, and interleaved rounds."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import airflow.sdk  # noqa: F401 - sets up logs, which are then turned off
import structlog

# The vendors' largest pages.
PAGE_SIZES = {"talktohumans": 25, "mailstand": 2000}
WORKSPACE = "space_benchmark"
_SERVER = Path(__file__).parent / "vendor_server.py"


class Vendors:
    """The vendors of ``vendor_server.py``, with an Airflow connection for each.

    :param url: URL of the server.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.connect()

    def connect(self, **extra: object) -> None:
        """Define the connections anew.

        :param extra: what they have in Extra, in addition to what is needed.
        """
        for vendor in PAGE_SIZES:
            # The published limits would make the client wait.
            options = {"requests_per_minute": 60_000, **extra}
            if vendor == "mailstand":
                options["workspace"] = WORKSPACE
            connection = {
                "conn_type": vendor,
                "host": f"{self.url}/{vendor}",
                "password": "key",
                "extra": json.dumps(options),
            }
            os.environ[f"AIRFLOW_CONN_{vendor.upper()}_DEFAULT"] = json.dumps(connection)

    def configure(self, **settings: float) -> int:
        """Change the server's settings, and return how many requests it has answered since the last call."""
        query = "&".join(f"{name}={value}" for name, value in settings.items())
        with urllib.request.urlopen(f"{self.url}/settings?{query}") as response:
            requests: int = json.load(response)["requests"]
        return requests


@contextmanager
def vendors(contacts: int) -> Iterator[Vendors]:
    """Serve vendors with a number of contacts each, without a rate limit. Logs are off."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.disable(logging.WARNING)
    command = [sys.executable, str(_SERVER), "--contacts", str(contacts)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Vendors(process.stdout.readline().strip())
        finally:
            process.terminate()


def measure_cpu(run: Callable[[], int], expected: int) -> float:
    """Return the CPU seconds of one run in this process.

    :param run: returns how many contacts it has read.
    """
    started = time.process_time()
    count = run()
    spent = time.process_time() - started
    if count != expected:
        raise SystemExit(f"Expected {expected} contacts, {count} were read.")
    return spent


def interleave(runs: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """Return the lowest value of each run. All runs take turns, so that a busy machine disturbs them alike."""
    lowest = dict.fromkeys(runs, float("inf"))
    for _ in range(rounds):
        for name, run in runs.items():
            lowest[name] = min(lowest[name], run())
    return lowest
