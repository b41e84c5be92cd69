"""Tag contacts in TalkToHumans when they reply.

An asset watcher starts a run as soon as a poll finds contacts who have newly replied. Airflow may
pass several such events to one run, so the run looks at all of them.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import Asset, AssetWatcher, Param, dag, task

from airflow_provider_contacts.conditions import Replied
from airflow_provider_contacts.operators.updates import UpdateContactTagsOperator
from airflow_provider_contacts.triggers.contacts import ContactEventTrigger

CONNECTION = "talktohumans_default"

replies = Asset(
    "talktohumans_replies",
    watchers=[
        AssetWatcher(
            name="talktohumans_replies",
            trigger=ContactEventTrigger(contacts_conn_id=CONNECTION, condition=Replied(), poll_interval=60),
        )
    ],
)


@dag(
    schedule=[replies],
    catchup=False,
    params={
        "tag": Param("Follow up", type="string", minLength=1, description="Tag for contacts who have replied")
    },
    tags=["contacts"],
    doc_md=__doc__,
)
def contacts_reply_followup() -> None:
    @task
    def list_replied(triggering_asset_events: Any = None) -> list[dict[str, str]]:
        events = triggering_asset_events[replies]
        return [contact for event in events for contact in event.extra["payload"]["contacts"]]

    UpdateContactTagsOperator(
        task_id="tag_replied",
        contacts_conn_id=CONNECTION,
        contacts=list_replied(),
        add=["{{ params.tag }}"],
    )


contacts_reply_followup()
