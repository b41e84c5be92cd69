"""Wait until contacts in TalkToHumans accept an invitation, and set their notes.

The run waits for the contacts whose invitation is pending when it starts. If there are none, or
none accepts in time, the run ends as skipped. The waits hold no worker, and XCom contains no
personal data: sensors return references.
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
        task_id="list_pending", contacts_conn_id=CONNECTION, timeout=0, soft_fail=True
    )
    accepted = InvitationAcceptedSensor(
        task_id="wait_for_acceptance",
        contacts_conn_id=CONNECTION,
        contact_ids=pending.output,
        min_count=1,
        poke_interval=timedelta(minutes=5),
        timeout=timedelta(days=14),
        soft_fail=True,
        deferrable=True,
    )
    UpdateContactNotesOperator(
        task_id="set_notes",
        contacts_conn_id=CONNECTION,
        contacts=accepted.output,
        # Runs that the command line or an asset triggers have no logical date, and so no `ds`.
        notes={"invitation": "accepted", "run_date": "{{ dag_run.run_after | ds }}"},
    )


contacts_invitation_followup()
