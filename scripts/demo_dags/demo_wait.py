"""Wait until a contact replies."""

from __future__ import annotations

from typing import Any

from airflow.sdk import Param, dag, task

from airflow_provider_contacts.sensors.contacts import ContactRepliedSensor


@dag(schedule=None, params={"contact_id": Param("", type="string")}, doc_md=__doc__)
def demo_wait() -> None:
    replied = ContactRepliedSensor(
        task_id="wait_for_a_reply",
        contacts_conn_id="talktohumans_default",
        contact_ids=["{{ params.contact_id }}"],
        poke_interval=2,
        timeout=120,
        deferrable=True,
    )

    @task
    def report(contacts: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return contacts

    report(replied.output)


demo_wait()
