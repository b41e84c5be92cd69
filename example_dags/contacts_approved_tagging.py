"""Tag contacts who have replied, after a person approves the update.

`preview` records in the audit what would change. `tag` asks for an approval, in Airflow's UI under
Required Actions, and then writes exactly what was approved. People who are suppressed are not
tagged. `report` logs what was done.

Needs a database with the connection `warehouse`, the connection `contacts_suppressions` with a long
random password, and one run of `contacts_optout_sync`, which creates the table of suppressions.
"""

from __future__ import annotations

import logging
from typing import Any

from airflow.sdk import Param, dag, task

from airflow_provider_contacts.conditions import Replied, Tagged
from airflow_provider_contacts.operators.contacts import ListContactsOperator
from airflow_provider_contacts.operators.updates import UpdateContactTagsOperator

log = logging.getLogger(__name__)

CONNECTION = "talktohumans_default"
TAG = "Follow up"


@dag(
    schedule="@daily",
    catchup=False,
    max_active_runs=1,
    # Safeguards are not parameters: whoever triggers a run could switch them off.
    params={
        "approval_timeout": Param("24h", type="string", description="How long to wait for the approval"),
    },
    tags=["contacts"],
    doc_md=__doc__,
)
def contacts_approved_tagging() -> None:
    listed = ListContactsOperator(
        task_id="list_replied",
        contacts_conn_id=CONNECTION,
        condition=Replied() & ~Tagged(TAG),
        max_xcom_contacts=20_000,
    )
    update: dict[str, Any] = {
        "contacts_conn_id": CONNECTION,
        "contacts": listed.output,
        "add": [TAG],
        "sql_conn_id": "warehouse",
        "suppressions_table": "contact_suppressions",
        "audit_table": "contact_audit",
    }
    preview = UpdateContactTagsOperator(task_id="preview", preview=True, **update)
    tag = UpdateContactTagsOperator(
        task_id="tag",
        require_approval=True,
        approval_timeout="{{ params.approval_timeout }}",
        **update,
    )

    @task
    def report(updated: list[dict[str, str]], suppressed: list[dict[str, str]]) -> dict[str, int]:
        counts = {"updated": len(updated), "suppressed": len(suppressed)}
        log.info("%d contacts tagged, %d suppressed.", *counts.values())
        return counts

    preview >> tag
    report(tag.output["updated"], tag.output["suppressed"])


contacts_approved_tagging()
