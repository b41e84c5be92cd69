"""Export the contacts of every vendor, one JSONL file each, and report the counts.

The list of connections is a parameter of the run, so another connection needs no change here. Each
connection is a mapped task: the tasks run in parallel, and one that fails is retried by itself.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from airflow.sdk import Param, dag, task

from airflow_provider_contacts.transfers.contacts_to_object_storage import ContactsToObjectStorageOperator

log = logging.getLogger(__name__)


@dag(
    schedule="@daily",
    catchup=False,  # the vendors only know the current state
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
    def plan_files(params: dict[str, Any]) -> list[dict[str, str]]:
        folder = params["folder"].rstrip("/")
        return [
            {"contacts_conn_id": conn_id, "path": f"{folder}/{conn_id}.jsonl"}
            for conn_id in params["connections"]
        ]

    export = ContactsToObjectStorageOperator.partial(
        task_id="export", map_index_template="{{ task.contacts_conn_id }}"
    ).expand_kwargs(plan_files())  # type: ignore[arg-type]

    @task
    def report(exports: list[dict[str, Any]]) -> list[dict[str, Any]]:
        summaries = list(exports)
        for one in summaries:
            log.info("%s: %d contacts in %s s at %s", one["vendor"], one["seen"], one["seconds"], one["path"])
        return summaries

    report(export.output)  # type: ignore[arg-type]


contacts_sync()
