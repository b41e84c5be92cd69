"""CPU time of writing all contacts to a file, as a multiple of a hand-written loop in the same run.

The loop sends the same requests with ``requests``, splits pages with ``msgspec``, and writes each
record's bytes. The other peers are Airflow's ``HttpOperator`` with a pagination function, and dlt
with its REST source and its files.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import requests
from measuring import PAGE_SIZES, WORKSPACE, interleave, measure_cpu, vendors

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


def loop_talktohumans(base_url: str, path: Path) -> int:
    """Write all TalkToHumans contacts as the vendor sends them."""
    session = requests.Session()
    session.headers["Authorization"] = "Bearer key"
    decoder, encoder = msgspec.json.Decoder(_TalkToHumansPage), msgspec.json.Encoder()
    params: dict[str, Any] = {"limit": PAGE_SIZES["talktohumans"]}
    count = 0
    with path.open("wb") as file:
        while True:
            response = session.get(f"{base_url}/talktohumans/v1/contacts", params=params, timeout=30)
            response.raise_for_status()
            data = decoder.decode(response.content).data
            file.write(encoder.encode_lines(data.contacts))
            count += len(data.contacts)
            if not data.pagination.has_more:
                return count
            params["cursor"] = data.pagination.next_cursor


def loop_mailstand(base_url: str, path: Path) -> int:
    """Write all Mailstand contacts as the vendor sends them."""
    session = requests.Session()
    session.auth = ("key", "")
    decoder, encoder = msgspec.json.Decoder(_MailstandPage), msgspec.json.Encoder()
    params: dict[str, Any] = {"workspace": WORKSPACE, "display": PAGE_SIZES["mailstand"], "page": 0}
    count = 0
    with path.open("wb") as file:
        while True:
            params["page"] += 1
            response = session.get(f"{base_url}/mailstand/contacts", params=params, timeout=30)
            response.raise_for_status()
            page = decoder.decode(response.content)
            file.write(encoder.encode_lines(page.data))
            count += len(page.data)
            if params["page"] >= page.total_pages:
                return count


LOOPS = {"talktohumans": loop_talktohumans, "mailstand": loop_mailstand}


def export_with_operator(vendor: str, path: Path, content: str = "normalized") -> int:
    """Write all contacts with the operator."""
    from airflow_provider_contacts.transfers.contacts_to_object_storage import ContactsToObjectStorageOperator

    task = ContactsToObjectStorageOperator(
        task_id="export", contacts_conn_id=f"{vendor}_default", path=str(path), content=content
    )
    count: int = task.execute({})["seen"]
    return count


_ENDPOINTS: dict[str, dict[str, Any]] = {
    "talktohumans": {
        "endpoint": "talktohumans/v1/contacts",
        "headers": {"Authorization": "Bearer key"},
        "data": {"limit": PAGE_SIZES["talktohumans"]},
    },
    "mailstand": {
        "endpoint": "mailstand/contacts",
        "headers": {"Authorization": f"Basic {base64.b64encode(b'key:').decode()}"},
        "data": {"workspace": WORKSPACE, "display": PAGE_SIZES["mailstand"], "page": 1},
    },
}


def http_operator(vendor: str, base_url: str, path: Path) -> int:
    """Write all contacts as the vendor sends them, with Airflow's HttpOperator."""
    from airflow.providers.http.operators.http import HttpOperator

    os.environ["AIRFLOW_CONN_HTTP_BENCHMARK"] = json.dumps({"conn_type": "http", "host": base_url})
    first = _ENDPOINTS[vendor]["data"]

    def next_page(response: Any) -> dict[str, Any] | None:
        page = response.json()
        if vendor == "talktohumans":
            pagination = page["data"]["pagination"]
            return (
                {"data": {**first, "cursor": pagination["next_cursor"]}} if pagination["has_more"] else None
            )
        number = page["current_page"]
        return {"data": {**first, "page": number + 1}} if number < page["total_pages"] else None

    def records(page: Any) -> list[Any]:
        found: list[Any] = page["data"]["contacts"] if vendor == "talktohumans" else page["data"]
        return found

    task = HttpOperator(
        task_id="read",
        http_conn_id="http_benchmark",
        method="GET",
        pagination_function=next_page,
        response_filter=lambda responses: [
            record for response in responses for record in records(response.json())
        ],
        **_ENDPOINTS[vendor],
    )
    contacts = task.execute({})
    with path.open("w") as file:
        file.writelines(json.dumps(contact) + "\n" for contact in contacts)
    return len(contacts)


def dlt_pipeline(vendor: str, base_url: str, path: Path) -> int:
    """Write all contacts with dlt, to its JSON lines."""
    # It reports nothing, and does not look for its configuration in Airflow's variables.
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    os.environ["PROVIDERS__ENABLE_AIRFLOW_SECRETS"] = "false"
    import dlt
    from dlt.sources.rest_api import rest_api_source

    endpoint = _ENDPOINTS[vendor]
    base, _, resource = endpoint["endpoint"].partition("/")
    paginator: dict[str, Any] = (
        {"type": "cursor", "cursor_path": "data.pagination.next_cursor", "cursor_param": "cursor"}
        if vendor == "talktohumans"
        else {"type": "page_number", "base_page": 1, "page_param": "page", "total_path": "total_pages"}
    )
    params = {name: value for name, value in endpoint["data"].items() if name != "page"}
    source = rest_api_source(
        {
            "client": {
                "base_url": f"{base_url}/{base}/",
                "headers": endpoint["headers"],
                "paginator": paginator,
            },
            "resources": [
                {
                    "name": "contacts",
                    "endpoint": {
                        "path": resource,
                        "params": params,
                        "data_selector": "data.contacts" if vendor == "talktohumans" else "data",
                    },
                    "max_table_nesting": 0,  # nested objects stay JSON, as in the column `raw`
                }
            ],
        }  # type: ignore[arg-type]
    )
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        pipeline = dlt.pipeline(
            pipeline_name=f"benchmark_{vendor}",
            pipelines_dir=f"{folder}/pipelines",
            destination=dlt.destinations.filesystem(bucket_url=f"{folder}/files"),
            dataset_name="contacts",
        )
        pipeline.run(source, loader_file_format="jsonl")
        counts: dict[str, int] = pipeline.last_trace.last_normalize_info.row_counts
        return counts["contacts"]


def measure(rounds: int, *, has_dlt: bool = True) -> dict[str, dict[str, float]]:
    """Return the CPU seconds of each way to write a file, by vendor."""
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        lines, parquet = Path(folder) / "contacts.jsonl", Path(folder) / "contacts.parquet"
        for vendor, count in COUNTS.items():
            with vendors(count) as served:
                url = served.url
                runs: dict[str, Callable[[], int]] = {
                    "loop": partial(LOOPS[vendor], url, lines),
                    "raw JSON lines": partial(export_with_operator, vendor, lines, "raw"),
                    "JSON lines": partial(export_with_operator, vendor, lines),
                    "Parquet": partial(export_with_operator, vendor, parquet),
                    "HttpOperator": partial(http_operator, vendor, url, lines),
                }
                if has_dlt:
                    runs["dlt"] = partial(dlt_pipeline, vendor, url, lines)
                for run in runs.values():
                    run()  # imports, and the server's pages
                timed = {name: partial(measure_cpu, run, count) for name, run in runs.items()}
                results[vendor] = interleave(timed, rounds)
    return results


def main() -> None:
    """Print the table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--without-dlt", action="store_true")
    parsed = arguments.parse_args()
    results = measure(parsed.rounds, has_dlt=not parsed.without_dlt)
    for vendor, least in results.items():
        print(f"{vendor}, {COUNTS[vendor]:,} contacts: CPU seconds, and as a multiple of the loop")
        for name, seconds in least.items():
            print(f"  {name:<16}{seconds:8.3f}{seconds / least['loop']:8.2f}")


if __name__ == "__main__":
    main()
