"""Tag 500 contacts in one task and again in two mapped tasks; each task writes its process id to a file."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import dag

from airflow_provider_contacts.operators.updates import UpdateContactTagsOperator

FOLDER = Path(os.environ["CONTACTS_TEST_FOLDER"])
CONTACTS = json.loads((FOLDER / "contacts.json").read_text())


def note_process(context: Any) -> None:
    """Write the task's process id where the test finds it."""
    ti = context["ti"]
    (FOLDER / f"{ti.task_id}-{ti.map_index}.{ti.try_number}.pid").write_text(str(os.getpid()))


@dag(schedule=None, default_args={"retries": 3, "retry_delay": timedelta(seconds=1)})
def bulk_update() -> None:
    common = {"contacts_conn_id": "talktohumans_default", "on_execute_callback": note_process}
    single = UpdateContactTagsOperator(task_id="single", contacts=CONTACTS, add=["Single"], **common)
    mapped = UpdateContactTagsOperator.partial(task_id="mapped", add=["Mapped"], **common).expand(
        contacts=[CONTACTS[:250], CONTACTS[250:]]
    )
    single >> mapped


bulk_update()
