"""Land the contacts of every vendor, one JSONL file each, and report how many there are.

The list of connections is a parameter of the run, so a fifth connection needs no change here. Each is a mapped
task of its own: they run side by side, and one that fails is retried alone.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import Param, dag, task

from airflow_provider_contacts.transfers.contacts_to_object_storage import ContactsToObjectStorageOperator


@dag(
    schedule="@daily",
    catchup=False,  # the vendors only know how things are now
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
    params={
        "connections": Param(
            ["talktohumans_default", "thoughtly_default", "mailstand_default", "tether_default"],
            type="array",
            items={"type": "string"},
            description="Connections to read",
        ),
        "folder": Param(
            "file:///tmp/contacts",
            type="string",
            description="Folder or object store prefix to write to",
        ),
    },
    tags=["contacts"],
    doc_md=__doc__,
)
def contacts_sync() -> None:
    @task
    def plan(params: dict[str, Any]) -> list[dict[str, str]]:
        folder = params["folder"].rstrip("/")
        return [
            {"contacts_conn_id": conn_id, "path": f"{folder}/{conn_id}.jsonl"}
            for conn_id in params["connections"]
        ]

    land = ContactsToObjectStorageOperator.partial(
        task_id="land", map_index_template="{{ task.contacts_conn_id }}"
    ).expand_kwargs(plan())  # type: ignore[arg-type]

    @task
    def report(landed: list[dict[str, Any]]) -> list[dict[str, Any]]:
        rows = list(landed)
        for row in rows:
            print(f"{row['vendor']}: {row['seen']} contacts in {row['seconds']} s at {row['path']}")
        return rows

    report(land.output)  # type: ignore[arg-type]


contacts_sync()
