"""Tag the contacts in a file after an approval, with an audit; the task writes its process id to a file."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import Param, dag

from airflow_provider_contacts.operators.sources import FileContacts
from airflow_provider_contacts.operators.updates import UpdateContactTagsOperator

FOLDER = Path(os.environ["CONTACTS_TEST_FOLDER"])


def note_process(context: Any) -> None:
    """Write the task's process id where the test finds it."""
    (FOLDER / f"{context['run_id']}.pid").write_text(str(os.getpid()))


@dag(
    schedule=None,
    default_args={"retries": 3, "retry_delay": timedelta(seconds=1)},
    params={"tag": Param("New", type="string"), "timeout": Param("1h", type="string")},
)
def approved_update() -> None:
    UpdateContactTagsOperator(
        task_id="tag",
        contacts_conn_id="talktohumans_default",
        contacts=FileContacts(f"{FOLDER}/{{{{ run_id }}}}.jsonl"),
        add="{{ params.tag }}",
        require_approval=True,
        approval_timeout="{{ params.timeout }}",
        sql_conn_id="warehouse",
        audit_table="contact_audit",
        on_execute_callback=note_process,
    )


approved_update()
