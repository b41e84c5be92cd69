"""Stopping outreach through one connection: what a change counts as, and what failed."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from airflow_provider_contacts.errors import ContactsError, InvalidRequest
from airflow_provider_contacts.hooks.base import ContactsHook
from airflow_provider_contacts.operators.arguments import parse_arguments
from airflow_provider_contacts.operators.stopping.actions import parse_actions
from airflow_provider_contacts.operators.stopping.connections import ConnectionRun
from airflow_provider_contacts.operators.updates import UpdateContactTagsOperator
from airflow_provider_contacts.operators.updating.arguments import WriteOptions
from airflow_provider_contacts.operators.updating.attempt import Attempt
from airflow_provider_contacts.operators.updating.plan import UpdatePlan
from airflow_provider_contacts.safeguards.configuration import Safeguards
from tests.approvals import context
from tests.conftest import Sandbox


def make(conn_id: str, action: object) -> ConnectionRun:
    operator = UpdateContactTagsOperator(task_id="t", contacts_conn_id=conn_id, contacts=[], add="New")
    hook = ContactsHook.for_connection(conn_id)
    task: Any = context()
    options = parse_arguments(operator, WriteOptions)
    plan = UpdatePlan([], [], set())
    attempt = Attempt(task, hook, options, Safeguards([], [], [], []), plan, logging.getLogger("test"))
    [parsed] = parse_actions("actions", {conn_id: action}).values()
    return ConnectionRun(attempt, parsed, [])


@pytest.mark.parametrize(
    ("conn_id", "action", "outcome"),
    [
        ("mailstand_default", {"stage": "Do Not Contact", "campaign": "all"}, "updated"),
        ("tether_default", {"stage": "Lost"}, "marked"),
        ("talktohumans_default", {"add_tags": ["Stopped"]}, "marked"),
        ("thoughtly_default", "suppress", "suppressed"),
    ],
)
def test_what_a_change_counts_as(conn_id: str, action: object, outcome: str, sandbox: Sandbox) -> None:
    assert make(conn_id, action).outcome == outcome


def test_errors_add_up(sandbox: Sandbox) -> None:
    tested = make("tether_default", {"stage": "Lost"})
    tested.add_errors([ContactsError("one")], "one.")
    tested.add_errors([InvalidRequest("two")], "two.")
    assert [str(error) for error in tested.errors] == ["one", "two"]
    assert tested.causes == "one. two."
