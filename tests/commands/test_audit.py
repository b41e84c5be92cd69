"""Pruning the audit."""

from __future__ import annotations

import json

import pytest

from airflow_provider_contacts.core.changes import parse_tag_change
from airflow_provider_contacts.core.updates.targets import Target
from airflow_provider_contacts.core.validation import TableLocation
from airflow_provider_contacts.safeguards.audit import TaskAttempt, open_audit_writer
from tests.commands.conftest import Airflow
from tests.database import Database


def test_prune(database: Database, airflow: Airflow) -> None:
    location = TableLocation(database.conn_id, "contact_audit")
    targets = [Target("", str(number)) for number in range(3)]
    attempt = TaskAttempt(
        dag_id="d", task_id="t", run_id="r", map_index=-1, try_number=1, contacts_conn_id="c", vendor="tether"
    )
    with open_audit_writer([location], attempt, targets) as audit_writer:
        audit_writer.record([0, 1, 2], {})
    database.run("UPDATE contact_audit SET recorded_at = '2020-01-01 00:00:00.000000' WHERE contact_id = '1'")
    assert airflow("audit", "prune", *location, "--keep", "400d")[1] == "Deleted 1 row older than 400d.\n"
    assert len(database.rows("contact_audit")) == 2


@pytest.mark.parametrize("keep", ["", "soon", "2020-01-01", "-1d"])
def test_invalid_durations(keep: str, database: Database, airflow: Airflow) -> None:
    code, _, err = airflow("audit", "prune", database.conn_id, "contact_audit", f"--keep={keep}")
    assert (code, "must be a duration such as" in err) == (1, True)


def test_show(database: Database, airflow: Airflow) -> None:
    location = TableLocation(database.conn_id, "contact_audit")
    targets = [
        Target("o", "a" * 24, {}, parse_tag_change(["VIP"])),
        Target("p", "b" * 24, {}, parse_tag_change(["VIP"])),
    ]
    attempt = TaskAttempt(
        dag_id="d", task_id="t", run_id="r", map_index=-1, try_number=1, contacts_conn_id="c", vendor="tether"
    )
    with open_audit_writer([location], attempt, targets) as audit_writer:
        audit_writer.approver = "Ada"
        audit_writer.record([0, 1], {})
        audit_writer.record_plan(targets[:1], ())
    code, out, err = airflow("audit", "show", *location, f"tether/{'a' * 24}", "--output", "json")
    assert code == 0, err
    assert [(row["outcome"], row["approver"], row["change"]) for row in json.loads(out)] == [
        ("unchanged", None, "add 'VIP'"),
        ("updated", "Ada", "add 'VIP'"),
    ]
    assert (
        json.loads(airflow("audit", "show", *location, f"tether/o/{'b' * 24}", "--output", "json")[1]) == []
    )
    code, out, err = airflow("audit", "show", *location, f"tether/{'c' * 24}")
    assert "is not in the audit 'contact_audit'" in err
    assert airflow("audit", "show", database.conn_id, "nowhere", f"tether/{'c' * 24}")[0] == 1
