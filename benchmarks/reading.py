"""CPU time of exporting contacts to JSON lines, as a ratio to a bare loop in the same run.

The bare loop sends the same requests with ``requests``, decodes pages with ``msgspec`` and writes the vendor's own objects.
A second bare loop, ``split``, does not decode the records: it shows what everything else costs. ``http`` is Airflow's HttpOperator with
a pagination function. All run in this process against a sandbox in another one, in turn, and the least CPU time of each counts. ``python benchmarks/reading.py`` prints a table.
"""

from __future__ import annotations

import argparse
import base64
import json
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


_CURSOR_ENDPOINT = {
    "endpoint": "talktohumans/v1/contacts",
    "headers": {"Authorization": "Bearer sandbox-key"},
    "data": {"limit": 25},
}
_PAGE_ENDPOINT = {
    "endpoint": "mailstand/contacts",
    "headers": {"Authorization": f"Basic {base64.b64encode(b'sandbox-key:').decode()}"},
    "data": {"workspace": "space_sandbox", "display": 2000, "page": 1},
}


def http_operator(vendor: str, base_url: str, path: Path) -> int:
    """Write all contacts as the vendor sends them, with Airflow's HttpOperator."""
    from airflow.providers.http.operators.http import HttpOperator

    os.environ["AIRFLOW_CONN_HTTP_BENCHMARK"] = json.dumps({"conn_type": "http", "host": base_url})

    def next_cursor(response: Any) -> dict[str, Any] | None:
        pagination = response.json()["data"]["pagination"]
        return (
            {"data": {"limit": 25, "cursor": pagination["next_cursor"]}} if pagination["has_more"] else None
        )

    def next_number(response: Any) -> dict[str, Any] | None:
        page = response.json()
        number = page["current_page"]
        return (
            {"data": {**_PAGE_ENDPOINT["data"], "page": number + 1}} if number < page["total_pages"] else None
        )  # type: ignore[dict-item]

    has_cursor = vendor == "talktohumans"
    operator = HttpOperator(
        task_id="read",
        http_conn_id="http_benchmark",
        method="GET",
        pagination_function=next_cursor if has_cursor else next_number,
        response_filter=lambda responses: [
            one for response in responses for one in _records(response.json())
        ],
        **(_CURSOR_ENDPOINT if has_cursor else _PAGE_ENDPOINT),
    )
    contacts = operator.execute({})
    with path.open("w") as file:
        file.writelines(json.dumps(contact) + "\n" for contact in contacts)
    return len(contacts)


def _records(page: Any) -> list[Any]:
    data = page["data"]
    records: list[Any] = data["contacts"] if isinstance(data, dict) else data
    return records


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
    names = ("bare", "split", "raw", "normalized", "http")
    print("CPU seconds, and in brackets as a multiple of the bare loop")
    print(f"{'vendor':<14}{'contacts':>9}" + "".join(f"{name:>15}" for name in names))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "contacts.jsonl"
        for (vendor, count), bare in zip(COUNTS.items(), (bare_talktohumans, bare_mailstand), strict=True):
            with sandbox(count) as base_url:
                runs: dict[str, Callable[[], int]] = {
                    "bare": partial(bare, base_url, path),
                    "split": partial(bare, base_url, path, split=True),
                    "raw": partial(ours, f"{vendor}_default", path, "raw"),
                    "normalized": partial(ours, f"{vendor}_default", path),
                    "http": partial(http_operator, vendor, base_url, path),
                }
                runs["bare"]()  # the first reading makes the records
                least = dict.fromkeys(runs, float("inf"))
                for _ in range(rounds):
                    for name, run in runs.items():
                        least[name] = min(least[name], cpu(run, count))
            cells = [f"{least[name]:.2f} ({least[name] / least['bare']:.2f})" for name in names]
            print(f"{vendor:<14}{count:>9}" + "".join(f"{cell:>15}" for cell in cells))


if __name__ == "__main__":
    main()
