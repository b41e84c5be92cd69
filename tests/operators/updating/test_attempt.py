"""Making planned changes."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_contacts.core.changes import parse_stage_change, parse_tag_change
from airflow_provider_contacts.core.updates.targets import Target
from airflow_provider_contacts.core.validation import TableLocation
from airflow_provider_contacts.errors import ContactsError
from airflow_provider_contacts.hooks.base import ContactsHook
from airflow_provider_contacts.operators.arguments import parse_arguments
from airflow_provider_contacts.operators.updates import (
    UpdateContactStageOperator,
    UpdateContactTagsOperator,
)
from airflow_provider_contacts.operators.updating.arguments import WriteOptions
from airflow_provider_contacts.operators.updating.attempt import Attempt
from airflow_provider_contacts.operators.updating.plan import UpdatePlan
from airflow_provider_contacts.safeguards.configuration import Safeguards
from tests.approvals import context
from tests.conftest import Sandbox
from tests.database import Database
from tests.stores import Store

LOG = logging.getLogger("test")
CONN_ID = "talktohumans_default"


class Journal:
    """Remembers what is recorded."""

    def __init__(self) -> None:
        self.updated: list[int] = []

    def record(self, updated: Sequence[int], failed: Mapping[int, ContactsError]) -> None:
        self.updated += updated


@pytest.fixture
def attempt(sandbox: Sandbox) -> Attempt:
    """Plan an update of six contacts and one that does not exist; the first one is suppressed."""
    change = parse_tag_change(["New"])
    rows = sandbox.state.tables["talktohumans"].rows[:6]
    targets = [Target(row.account_id, row.contact_id, change=change) for row in rows]
    plan = UpdatePlan([], [*targets, Target("101", "999999", change=change)], {0})
    operator = UpdateContactTagsOperator(task_id="t", contacts_conn_id=CONN_ID, contacts=[], add="New")
    options = parse_arguments(operator, WriteOptions)
    hook = ContactsHook.for_connection(CONN_ID)
    task: Any = context()
    return Attempt(task, hook, options, Safeguards([], [], [], []), plan, LOG)


def test_updates_are_journaled_and_remembered(sandbox: Sandbox, attempt: Attempt) -> None:
    attempt.create_updaters({parse_tag_change(["New"]): 6})
    store = Store()
    journal = Journal()
    outcome, progress = attempt.write(store, journal)
    assert outcome.updated == sorted(journal.updated) == [1, 2, 3, 4, 5]
    [failure] = attempt.report_failures(outcome)
    assert failure["contact_id"] == "999999"
    assert str(failure["error"]).startswith("NotFound: ")
    sent = len(sandbox.requests("talktohumans"))
    again, _ = attempt.write(store, Journal())
    assert again.updated == outcome.updated
    assert len(sandbox.requests("talktohumans")) == sent + 1
    progress.clear()
    assert store.values == {}


def test_scope_names_vendor_connection_and_host(sandbox: Sandbox, attempt: Attempt) -> None:
    assert attempt.scope == f"talktohumans talktohumans_default {sandbox.url}/talktohumans"
    assert str(attempt) == "TalkToHumans, connection 'talktohumans_default'"


def test_digest_covers_what_an_approval_covers(attempt: Attempt) -> None:
    def digest(**changes: Any) -> str:
        plan = attempt.plan
        parts = {"pending": plan.pending, "suppressed_indexes": plan.suppressed_indexes, **changes}
        return replace(attempt, plan=UpdatePlan(**parts)).digest

    assert digest() == attempt.digest
    assert digest(unchanged=[Target("101", "5")]) == attempt.digest
    assert digest(suppressed_indexes=()) != attempt.digest
    # What an earlier attempt has changed counts as if it were still to be changed.
    assert (
        digest(
            pending=attempt.plan.pending[1:4], suppressed_indexes=(), changed_before=attempt.plan.pending[4:]
        )
        == attempt.digest
    )


def test_plan_is_logged_and_described(attempt: Attempt, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    attempt.log_plan(duplicates=2)
    assert (
        "TalkToHumans, connection 'talktohumans_default': 6 contacts to update (add 'New'), 0 unchanged, 1 "
        "suppressed, 0 unchecked, 2 duplicates."
    ) in caplog.text
    section = attempt.describe()
    assert (section.title, section.conn_id, len(section.targets)) == ("TalkToHumans", CONN_ID, 6)
    assert (section.unchanged, section.suppressed) == (0, 1)


def test_audit_is_open_within_its_block(database: Database, attempt: Attempt) -> None:
    audited = replace(attempt, safeguards=Safeguards([], [], [], [TableLocation(database.conn_id, "audit")]))
    with audited.open_audit():
        audited.record_preview()
        audited.record_skipped("Ada")
        assert audited.audit is not None
        audited.audit.record([1], {})
    assert audited.audit is None
    rows = sorted((row["outcome"], row["approver"] or "") for row in database.rows("audit"))
    assert rows == [*[("previewed", "")] * 6, *[("suppressed", "")] * 2, ("updated", "Ada")]
    with attempt.open_audit():
        attempt.record_preview()
        attempt.record_skipped(None)
        assert attempt.audit is None


@pytest.mark.sandbox(contacts=250)
def test_claims_that_are_lost_are_not_written(sandbox: Sandbox, database: Database) -> None:
    class Takeover(Journal):
        """Lets another task take all claims over once the first request is recorded."""

        def record(self, updated: Sequence[int], failed: Mapping[int, ContactsError]) -> None:
            super().record(updated, failed)
            database.run(
                "UPDATE contact_claims SET claimed_by = 'another task', attempt_id = 'another', task_digest = 'another'"
            )

    sandbox.connect("tether", extra={"max_concurrency": 1})
    change = parse_stage_change("Lost")
    targets = [
        Target(account_id, contact_id, change=change) for account_id, contact_id in sandbox.keys("tether")
    ]
    operator = UpdateContactStageOperator(
        task_id="t", contacts_conn_id="tether_default", contacts=[], stage="Lost"
    )
    task: Any = context()
    attempt = Attempt(
        task,
        ContactsHook.for_connection("tether_default"),
        parse_arguments(operator, WriteOptions),
        Safeguards([], [], [], [TableLocation(database.conn_id, "audit")]),
        UpdatePlan([], targets),
        LOG,
    )
    attempt.create_updaters({change: len(targets)})
    with attempt.open_audit(), attempt.open_claims():
        outcome, _ = attempt.write(None, Takeover())
    assert len(outcome.updated) == 100
    assert len(outcome.failed) == 150
    assert {type(error).__name__ for error in outcome.failed.values()} == {"Conflict"}
    assert [row["error"] for row in database.rows("audit")] == ["Conflict"] * 150
    assert len([entry for entry in sandbox.requests("tether") if entry["method"] == "PUT"]) == 1
