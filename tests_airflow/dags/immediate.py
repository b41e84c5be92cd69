"""Deferred sensors whose condition holds from the start, in chains and all together."""

from __future__ import annotations

import json
import os
from pathlib import Path

from airflow.sdk import dag
from airflow.sdk.bases.operator import chain

from airflow_provider_contacts.conditions import Tagged
from airflow_provider_contacts.sensors.contacts import (
    ContactRepliedSensor,
    ContactSensor,
    InvitationPendingSensor,
)

PLAN = json.loads((Path(os.environ["CONTACTS_TEST_FOLDER"]) / "plan.json").read_text())
COMMON = {
    "contacts_conn_id": "talktohumans_default",
    "deferrable": True,
    "poke_interval": 10,
    "timeout": 3600,
}
KINDS = (
    lambda task_id: ContactRepliedSensor(task_id=task_id, **COMMON),
    lambda task_id: InvitationPendingSensor(task_id=task_id, **COMMON),
    lambda task_id: ContactSensor(task_id=task_id, condition=Tagged("VIP"), **COMMON),
)


@dag(schedule=None, max_active_tasks=1000)
def immediate() -> None:
    for number in range(PLAN["chains"]):
        chain(*(KINDS[step % 3](f"chain_{number}_{step}") for step in range(PLAN["length"])))
    ContactSensor.partial(task_id="mapped", condition=Tagged("VIP"), **COMMON).expand(
        max_contacts=[number + 1 for number in range(PLAN["mapped"])]
    )


immediate()
