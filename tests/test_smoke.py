"""A short run through everything that depends on Airflow's version; `make test-matrix SMOKE=1` runs it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_provider_contacts.conditions import Replied, Tagged
from airflow_provider_contacts.hooks.base import ContactsHook
from airflow_provider_contacts.operators.updates import UpdateContactTagsOperator
from airflow_provider_contacts.sensors.contacts import ContactRepliedSensor
from airflow_provider_contacts.transfers.contacts_to_sql import ContactsToSqlOperator
from airflow_provider_contacts.triggers.contacts import ContactEventTrigger
from tests.conftest import Read, Sandbox
from tests.scripted import Reply, ScriptedServer
from tests.sensors.modes import run
from tests.vendors import CASES, VENDORS


@pytest.mark.parametrize("vendor", VENDORS)
def test_sync_and_async_listing(vendor: str, sandbox: Sandbox, read: Read) -> None:
    assert {(one.account_id, one.contact_id) for one in read(f"{vendor}_default")} == sandbox.keys(vendor)


@pytest.mark.parametrize("mode", ["deferrable", "shared"])
def test_deferred_sensor(mode: str, connect: Callable[..., str], scripted: ScriptedServer) -> None:
    case = CASES["talktohumans"]
    record = case.record(7)
    # The worker reads the first page, the trigger the next two.
    scripted.replies = [
        Reply(body=case.page({**record, "sequence": {"status": "active"}})),
        Reply(body=case.page({**record, "sequence": {"status": "active"}})),
        Reply(body=case.page({**record, "sequence": {"status": "replied"}})),
    ]
    connect(case.conn_id, **{**case.parts, "host": scripted.url})
    outcome = run(ContactRepliedSensor, mode, contacts_conn_id=case.conn_id)
    assert outcome.kind == "success"
    assert [one["contact_id"] for one in outcome.value] == ["7"]
    assert len(scripted.received) == 3


def test_watcher(sandbox: Sandbox) -> None:
    trigger = ContactEventTrigger(
        contacts_conn_id="mailstand_default", condition=Replied(), poll_interval=0.1, emit_existing=True
    )

    async def first_event() -> Any:
        return await anext(trigger.run())

    event = asyncio.run(asyncio.wait_for(first_event(), 60))
    replied = [row for row in sandbox.state.tables["mailstand"].rows if row.last["reply"] is not None]
    assert len(event.payload["contacts"]) == len(replied) > 0


def test_update(sandbox: Sandbox) -> None:
    contacts = [
        one.reference() for one in ContactsHook.for_connection("talktohumans_default").list_contacts(limit=5)
    ]
    with DAG("smoke", schedule=None):
        operator = UpdateContactTagsOperator(
            task_id="tag", contacts_conn_id="talktohumans_default", contacts=contacts, add=["Smoke"]
        )
    assert len(operator.execute({})["updated"]) == 5
    tagged = ContactsHook.for_connection("talktohumans_default").list_contacts(condition=Tagged("Smoke"))
    assert len(list(tagged)) == 5


def test_table(sandbox: Sandbox, connect: Any, tmp_path: Path) -> None:
    connect("warehouse", conn_type="sqlite", host=str(tmp_path / "contacts.db"))
    with DAG("smoke", schedule=None):
        operator = ContactsToSqlOperator(
            task_id="load", contacts_conn_id="tether_default", sql_conn_id="warehouse", table="contacts"
        )
    assert operator.execute({})["new"] == 60
    assert operator.execute({})["unchanged"] == 60
