"""Export, load, update and wait, slowly enough to be killed; each task writes its process id to a file."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import dag

from airflow_provider_contacts.operators.updates import UpdateContactTagsOperator
from airflow_provider_contacts.sensors.contacts import ContactRepliedSensor
from airflow_provider_contacts.transfers.contacts_to_object_storage import ContactsToObjectStorageOperator
from airflow_provider_contacts.transfers.contacts_to_sql import ContactsToSqlOperator

FOLDER = Path(os.environ["CONTACTS_TEST_FOLDER"])
PLAN = json.loads((FOLDER / "plan.json").read_text())


def note_process(context: Any) -> None:
    """Write the task's process id where the test finds it."""
    ti = context["ti"]
    (FOLDER / f"{ti.task_id}-{ti.map_index}.{ti.try_number}.pid").write_text(str(os.getpid()))


@dag(
    schedule=None,
    default_args={
        "retries": 50,
        "retry_delay": timedelta(seconds=1),
        "on_execute_callback": note_process,
    },
)
def chaos() -> None:
    ContactsToObjectStorageOperator(
        task_id="export", contacts_conn_id="talktohumans_default", path=str(FOLDER / "contacts.jsonl")
    )
    ContactsToSqlOperator(
        task_id="load",
        contacts_conn_id="thoughtly_default",
        sql_conn_id="warehouse",
        table="contacts",
        mark_removed=True,
    )
    UpdateContactTagsOperator(
        task_id="update", contacts_conn_id="talktohumans_default", contacts=PLAN["contacts"], add=["Chaos"]
    )
    ContactRepliedSensor.partial(
        task_id="wait",
        contacts_conn_id="tether_default",
        filters={"messageStatus": "replied"},
        poke_interval=3,
        timeout=900,
        deferrable=True,
    ).expand(contact_ids=[[one] for one in PLAN["waiting"]])


chaos()
