"""Wait until people at TalkToHumans accept an invitation, and note it.

The run parameter ``contact_ids`` says whom to wait for; without it those are taken whose invitation is pending when
the run starts. The wait holds no worker; if nobody accepts in time, the run ends as skipped.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import Param, dag, task

from airflow_provider_contacts.conditions import InvitationPending
from airflow_provider_contacts.operators.contacts import ListContactsOperator
from airflow_provider_contacts.operators.updates import UpdateContactNotesOperator
from airflow_provider_contacts.sensors.contacts import InvitationAcceptedSensor

CONNECTION = "talktohumans_default"


@dag(
    schedule=None,
    params={
        "contact_ids": Param(
            [], type="array", items={"type": "string"}, description="Ids of people, or none"
        ),
    },
    tags=["contacts"],
    doc_md=__doc__,
)
def contacts_invitation_followup() -> None:
    pending = ListContactsOperator(
        task_id="pending", contacts_conn_id=CONNECTION, condition=InvitationPending(), max_xcom_contacts=5000
    )

    @task
    def whom(listed: list[dict[str, Any]], params: dict[str, Any] | None = None) -> list[Any]:
        keys = ("vendor", "account_id", "contact_id")
        return (params or {})["contact_ids"] or [{key: one[key] for key in keys} for one in listed]

    accepted = InvitationAcceptedSensor(
        task_id="accepted",
        contacts_conn_id=CONNECTION,
        contact_ids=whom(pending.output),
        min_count=1,
        poke_interval=timedelta(minutes=5),
        timeout=timedelta(days=14),
        soft_fail=True,
        deferrable=True,
    )
    UpdateContactNotesOperator(
        task_id="note",
        contacts_conn_id=CONNECTION,
        contacts=accepted.output,
        notes={"invitation": "accepted", "seen": "{{ ds }}"},
    )


contacts_invitation_followup()
