"""The audit of updates."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_contacts.core.changes import parse_notes_change, parse_tag_change
from airflow_provider_contacts.core.updates.targets import Target
from airflow_provider_contacts.core.validation import TableLocation
from airflow_provider_contacts.errors import ContactsError, InvalidRequest, NotFound, OptedOut
from airflow_provider_contacts.safeguards.audit import TaskAttempt, open_audit_writer, prune_audit
from tests.database import Database

TARGETS = [Target("42", str(number), {}, parse_tag_change(["VIP"])) for number in range(1, 6)]
CONTEXT: Any = {"ti": SimpleNamespace(dag_id="d", task_id="t", run_id="r", map_index=-1, try_number=2)}
ATTEMPT = TaskAttempt.from_context(CONTEXT, "talktohumans_default", "talktohumans")


def location(database: Database, table: str = "contact_audit") -> TableLocation:
    return TableLocation(database.conn_id, table)


def test_rows(database: Database) -> None:
    before = datetime.now(timezone.utc) - timedelta(seconds=1)
    with open_audit_writer([location(database)], ATTEMPT, TARGETS) as audit_writer:
        audit_writer.record_plan(TARGETS[:1], TARGETS[1:2], previewed=TARGETS[2:3])
        audit_writer.approver = "ada"
        audit_writer.record([3], {4: NotFound("Contact 5 is gone, ada@example.com")})
        audit_writer.record([], {4: OptedOut("Contact 5 has opted out")})
        audit_writer.record_plan((), (), unchecked=TARGETS[:1], rejected=TARGETS[1:2])
    rows = database.rows("contact_audit")
    found = [(row["contact_id"], row["outcome"], row["error"], row["approver"]) for row in rows]
    assert sorted(found, key=str) == [
        ("1", "unchanged", None, None),
        ("1", "unchecked", None, None),
        ("2", "rejected", None, "ada"),
        ("2", "suppressed", None, None),
        ("3", "previewed", None, None),
        ("4", "updated", None, "ada"),
        ("5", "failed", "NotFound", "ada"),
        ("5", "suppressed", "OptedOut", None),
    ]
    for row in rows:
        assert (row["dag_id"], row["task_id"]) == ("d", "t")
        assert (row["run_id"], row["map_index"], row["try_number"]) == ("r", -1, 2)
        assert (row["vendor"], row["contacts_conn_id"], row["account_id"]) == (
            "talktohumans",
            "talktohumans_default",
            "42",
        )
        assert row["change"] == "add 'VIP'"
        at = (
            row["recorded_at"]
            if isinstance(row["recorded_at"], datetime)
            else datetime.fromisoformat(row["recorded_at"])
        )
        at = at if at.tzinfo else at.replace(tzinfo=timezone.utc)
        assert before <= at <= datetime.now(timezone.utc) + timedelta(seconds=1)


def test_every_table_gets_every_row(database: Database) -> None:
    locations = [location(database), location(database, "company_audit")]
    with open_audit_writer(locations, ATTEMPT, TARGETS) as audit_writer:
        audit_writer.record(range(5), {})
    assert len(database.rows("contact_audit")) == len(database.rows("company_audit")) == 5


def test_without_tables_nothing_is_written() -> None:
    with open_audit_writer([], ATTEMPT, TARGETS) as audit_writer:
        audit_writer.record([0], {})


def test_text_of_notes_is_not_written(database: Database) -> None:
    targets = [Target("", "1", {}, parse_notes_change({"text": "a secret"}))]
    with open_audit_writer([location(database)], ATTEMPT, targets) as audit_writer:
        audit_writer.record([0], {})
    [row] = database.rows("contact_audit")
    assert row["change"] == "replace the notes"


def test_table_that_does_not_fit(database: Database) -> None:
    database.run("CREATE TABLE contact_audit (recorded_at VARCHAR(10))")
    with pytest.raises(InvalidRequest, match="The table 'contact_audit' is incompatible: missing columns"):
        open_audit_writer([location(database)], ATTEMPT, TARGETS).__enter__()


def test_table_that_disappears_is_an_error(database: Database) -> None:
    with open_audit_writer([location(database)], ATTEMPT, TARGETS) as audit_writer:
        database.run("DROP TABLE contact_audit")
        with pytest.raises(
            ContactsError, match="The audit 'contact_audit' cannot be written, so the update stops"
        ):
            audit_writer.record([0], {})


def test_pruning(database: Database) -> None:
    with open_audit_writer([location(database)], ATTEMPT, TARGETS) as audit_writer:
        audit_writer.record([0, 1, 2], {})
    database.run(
        "UPDATE contact_audit SET recorded_at = '2020-01-01 00:00:00.000000' WHERE contact_id <> '1'"
    )
    assert prune_audit(location(database), timedelta(days=400)) == 2
    assert prune_audit(location(database), timedelta(days=400)) == 0
    assert [row["contact_id"] for row in database.rows("contact_audit")] == ["1"]
