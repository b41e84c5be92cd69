"""Deferred sensors for one contact each, and a watcher for replies."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from airflow.sdk import Asset, AssetWatcher, dag, task

from airflow_provider_contacts.conditions import Replied
from airflow_provider_contacts.sensors.contacts import ContactRepliedSensor
from airflow_provider_contacts.triggers.contacts import ContactEventTrigger

FOLDER = Path(os.environ["CONTACTS_TEST_FOLDER"])
PLAN = json.loads((FOLDER / "plan.json").read_text())

replies = Asset(
    "mailstand_replies",
    watchers=[
        AssetWatcher(
            name="mailstand_replies",
            trigger=ContactEventTrigger(
                contacts_conn_id="mailstand_default",
                condition=Replied(),
                poll_interval=PLAN["watch_interval"],
            ),
        )
    ],
)


@dag(schedule=None)
def waits() -> None:
    common = {"deferrable": True, "poke_interval": PLAN["poll_interval"], "timeout": 3600}
    ContactRepliedSensor.partial(task_id="many", contacts_conn_id="talktohumans_default", **common).expand(
        contact_ids=[[one] for one in PLAN["many"]]
    )
    ContactRepliedSensor.partial(
        task_id="some", contacts_conn_id="tether_default", filters={"messageStatus": "replied"}, **common
    ).expand(contact_ids=[[one] for one in PLAN["some"]])


@dag(schedule=[replies], catchup=False)
def watched() -> None:
    @task
    def save_events(triggering_asset_events: Any = None, run_id: Any = None) -> None:
        events = triggering_asset_events[replies]
        emitted = [one["contact_id"] for event in events for one in event.extra["payload"]["contacts"]]
        # One file per run, so that concurrent runs do not overwrite each other.
        (FOLDER / "emitted" / f"{run_id}.json").write_text(json.dumps(emitted))

    save_events()


waits()
watched()
