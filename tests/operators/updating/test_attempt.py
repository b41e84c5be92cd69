"""Making planned changes."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import pytest

from airflow_provider_contacts.core.changes import parse_tag_change
from airflow_provider_contacts.core.updates.targets import Target
from airflow_provider_contacts.errors import ContactsError
from airflow_provider_contacts.hooks.talktohumans import TalkToHumansHook
from airflow_provider_contacts.operators.updating.attempt import build_scope, list_failures, write_updates
from airflow_provider_contacts.operators.updating.plan import UpdatePlan
from tests.conftest import Sandbox
from tests.stores import Store

LOG = logging.getLogger("test")


class Journal:
    """Remembers what is recorded."""

    def __init__(self) -> None:
        self.updated: list[int] = []

    def record(self, updated: Sequence[int], failed: Mapping[int, ContactsError]) -> None:
        self.updated += updated


@pytest.fixture
def plan(sandbox: Sandbox) -> UpdatePlan:
    change = parse_tag_change(["New"])
    rows = sandbox.state.tables["talktohumans"].rows[:6]
    targets = [Target(row.account_id, row.contact_id, change=change) for row in rows]
    return UpdatePlan([], [*targets, Target("101", "999999", change=change)], {0})


def test_updates_are_journaled_and_remembered(sandbox: Sandbox, plan: UpdatePlan) -> None:
    hook = TalkToHumansHook()
    change = plan.pending[0].change
    assert change is not None
    updaters = {change: hook.create_updater(change)}
    store = Store()
    journal = Journal()
    outcome, progress = write_updates(hook, plan, updaters, store, journal, LOG)
    assert outcome.updated == sorted(journal.updated) == [1, 2, 3, 4, 5]
    [failure] = list_failures("talktohumans", plan, outcome)
    assert failure["contact_id"] == "999999"
    assert str(failure["error"]).startswith("NotFound: ")
    sent = len(sandbox.requests("talktohumans"))
    again, _ = write_updates(hook, plan, updaters, store, Journal(), LOG)
    assert again.updated == outcome.updated
    assert len(sandbox.requests("talktohumans")) == sent + 1
    progress.clear()
    assert store.values == {}


def test_scope_names_vendor_connection_and_host(sandbox: Sandbox) -> None:
    assert build_scope(TalkToHumansHook()) == f"talktohumans talktohumans_default {sandbox.url}/talktohumans"
