"""Wait until people at TalkToHumans accept an invitation, and note it.

Those are waited for whose invitation is pending when the run starts; if there is nobody, or nobody accepts in time, the
run ends as skipped. The waits hold no worker, and no personal data is in XCom: sensors return references.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import dag

from airflow_provider_contacts.operators.updates import UpdateContactNotesOperator
from airflow_provider_contacts.sensors.contacts import InvitationAcceptedSensor, InvitationPendingSensor

CONNECTION = "talktohumans_default"


@dag(
    schedule=None,
    tags=["contacts"],
    doc_md=__doc__,
)
def contacts_invitation_followup() -> None:
    pending = InvitationPendingSensor(
        task_id="pending", contacts_conn_id=CONNECTION, timeout=0, soft_fail=True
    )
    accepted = InvitationAcceptedSensor(
        task_id="accepted",
        contacts_conn_id=CONNECTION,
        contact_ids=pending.output,
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
        # A run that is triggered by hand has no logical date, and so no `ds`.
        notes={"invitation": "accepted", "asked": "{{ dag_run.run_after | ds }}"},
    )


contacts_invitation_followup()
