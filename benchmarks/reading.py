"""CPU time of exporting contacts to JSON lines, as a ratio to a bare loop in the same run.

The bare loop sends the same requests with ``requests``, decodes pages with ``msgspec`` and writes the vendor's own objects.
Both run in this process against a sandbox in another one, in turn, and the least CPU time of each counts. A second bare loop,
``split``, does not decode the records: it shows what everything else costs. ``python benchmarks/reading.py`` prints a table.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import requests

COUNTS = {"talktohumans": 10_000, "mailstand": 60_000}


class _Pagination(msgspec.Struct):
    has_more: bool
    next_cursor: str | None = None


class _Data(msgspec.Struct):
    contacts: list[msgspec.Raw]
    pagination: _Pagination


class _TalkToHumansPage(msgspec.Struct):
    data: _Data


class _MailstandPage(msgspec.Struct):
    data: list[msgspec.Raw]
    current_page: int
    total_pages: int


def bare_talktohumans(base_url: str, path: Path, *, split: bool = False) -> int:
    """Write all TalkToHumans contacts as the vendor sends them."""
    session = requests.Session()
    session.headers["Authorization"] = "Bearer sandbox-key"
    decoder, encoder = msgspec.json.Decoder(_TalkToHumansPage if split else Any), msgspec.json.Encoder()
    params: dict[str, Any] = {"limit": 25}
    count = 0
    with path.open("wb") as file:
        while True:
            response = session.get(f"{base_url}/talktohumans/v1/contacts", params=params, timeout=30)
            response.raise_for_status()
            page: Any = decoder.decode(response.content)
            if split:
                contacts, pagination = page.data.contacts, page.data.pagination
                more, cursor = pagination.has_more, pagination.next_cursor
            else:
                contacts, pagination = page["data"]["contacts"], page["data"]["pagination"]
                more, cursor = pagination["has_more"], pagination["next_cursor"]
            file.write(encoder.encode_lines(contacts))
            count += len(contacts)
            if not more:
                return count
            params["cursor"] = cursor


def bare_mailstand(base_url: str, path: Path, *, split: bool = False) -> int:
    """Write all Mailstand contacts as the vendor sends them."""
    session = requests.Session()
    session.auth = ("sandbox-key", "")
    decoder, encoder = msgspec.json.Decoder(_MailstandPage if split else Any), msgspec.json.Encoder()
    count = number = 0
    with path.open("wb") as file:
        while True:
            number += 1
            params: dict[str, Any] = {"workspace": "space_sandbox", "display": 2000, "page": number}
            response = session.get(f"{base_url}/mailstand/contacts", params=params, timeout=30)
            response.raise_for_status()
            page: Any = decoder.decode(response.content)
            contacts = page.data if split else page["data"]
            last = page.total_pages if split else page["total_pages"]
            file.write(encoder.encode_lines(contacts))
            count += len(contacts)
            if number >= last:
                return count


def ours(conn_id: str, path: Path, content: str = "normalized") -> int:
    """Write all contacts with the operator."""
    from airflow_provider_contacts.transfers.contacts_to_object_storage import ContactsToObjectStorageOperator

    operator = ContactsToObjectStorageOperator(
        task_id="export", contacts_conn_id=conn_id, path=str(path), content=content
    )
    count: int = operator.execute({})["seen"]
    return count


@contextmanager
def sandbox(contacts: int) -> Iterator[str]:
    """Serve a sandbox in another process and point the connections at it."""
    code = (
        "import sys; from airflow_provider_contacts.sandbox.app import serve; "
        f"serve(port=0, contacts={contacts}, seed=7, rate_limits=False)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        base_url = process.stdout.readline().split(" at ")[1].split(". ")[0]
        for line in process.stdout:
            if line.startswith("export "):
                name, _, value = line.removeprefix("export ").strip().partition("=")
                os.environ[name] = value.strip("'")
            elif line.startswith("Stop"):
                break
        try:
            yield base_url
        finally:
            process.terminate()


def cpu(run: Callable[[], int], expected: int) -> float:
    """Return the CPU seconds of one run."""
    started = time.process_time()
    count = run()
    spent = time.process_time() - started
    if count != expected:
        raise SystemExit(f"read {count} contacts, not {expected}")
    return spent


def main() -> None:
    """Print the table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=7)
    rounds = arguments.parse_args().rounds
    print(
        f"{'vendor':<14}{'contacts':>9}{'bare s':>9}{'split s':>9}{'raw s':>9}{'normal s':>9}"
        f"{'raw/bare':>10}{'normal/bare':>13}{'normal/split':>14}"
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "contacts.jsonl"
        for (vendor, count), bare in zip(COUNTS.items(), (bare_talktohumans, bare_mailstand), strict=True):
            with sandbox(count) as base_url:
                runs: dict[str, Callable[[], int]] = {
                    "bare": partial(bare, base_url, path),
                    "split": partial(bare, base_url, path, split=True),
                    "raw": partial(ours, f"{vendor}_default", path, "raw"),
                    "normalized": partial(ours, f"{vendor}_default", path),
                }
                runs["bare"]()  # the first reading makes the records
                least = dict.fromkeys(runs, float("inf"))
                for _ in range(rounds):
                    for name, run in runs.items():
                        least[name] = min(least[name], cpu(run, count))
            print(
                f"{vendor:<14}{count:>9}{least['bare']:>9.3f}{least['split']:>9.3f}{least['raw']:>9.3f}"
                f"{least['normalized']:>9.3f}{least['raw'] / least['bare']:>10.2f}"
                f"{least['normalized'] / least['bare']:>13.2f}{least['normalized'] / least['split']:>14.2f}"
            )


if __name__ == "__main__":
    main()
