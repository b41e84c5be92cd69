"""One attempt to stop outreach: what is checked first, and what a failure leaves."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest

from airflow_provider_contacts.core.validation import TableLocation
from airflow_provider_contacts.errors import ContactsError, InvalidRequest
from airflow_provider_contacts.operators.base import describe_task
from airflow_provider_contacts.operators.people import ResolvePeopleOperator
from airflow_provider_contacts.operators.stop_outreach import StopOutreachOperator
from airflow_provider_contacts.safeguards.claims import open_claims
from tests.approvals import context
from tests.conftest import Sandbox
from tests.database import Database, load
from tests.stores import BrokenStore, Store

MANUAL = {f"{vendor}_default": "manual" for vendor in ("mailstand", "tether", "thoughtly")}
ACTIONS = {"mailstand_default": "default", "tether_default": {"stage": "Lost"}}
pytestmark = pytest.mark.sandbox(contacts=120, rate_limits=False)


@pytest.fixture
def replied(sandbox: Sandbox, database: Database) -> list[dict[str, str]]:
    """Resolve people, and return the Mailstand references of those with a Tether contact."""
    for vendor in ("mailstand", "tether", "thoughtly"):
        load(database, vendor)
    database.run("UPDATE contacts SET stage = 'Contacted'")
    ResolvePeopleOperator(task_id="resolve", sql_conn_id=database.conn_id).execute({})
    vendors: dict[str, set[str]] = defaultdict(set)
    rows = database.rows("contact_people")
    for row in rows:
        vendors[row["person_id"]].add(row["vendor"])
    return [
        {"vendor": row["vendor"], "account_id": row["account_id"], "contact_id": row["contact_id"]}
        for row in rows
        if row["vendor"] == "mailstand" and "tether" in vendors[row["person_id"]]
    ]


def make(contacts: Any, **arguments: Any) -> StopOutreachOperator:
    arguments = {"preview": False, "max_updates": 10_000, **arguments}
    arguments["actions"] = {**MANUAL, **arguments.get("actions", ACTIONS)}
    return StopOutreachOperator(task_id="stop", contacts=contacts, sql_conn_id="warehouse", **arguments)


def list_leads(database: Database) -> list[dict[str, str]]:
    """Return the references of all Tether contacts."""
    return [
        {"vendor": row["vendor"], "account_id": row["account_id"], "contact_id": row["contact_id"]}
        for row in database.rows("contact_people")
        if row["vendor"] == "tether"
    ]


def list_calls(database: Database) -> list[dict[str, str]]:
    """Return the references of all Thoughtly contacts."""
    return [
        {"vendor": row["vendor"], "account_id": row["account_id"], "contact_id": row["contact_id"]}
        for row in database.rows("contact_people")
        if row["vendor"] == "thoughtly"
    ]


def count_stopped(database: Database) -> int:
    assert database.select("contact_claims") == []
    return len(database.rows("contact_people_stops"))


@pytest.mark.parametrize("store", [None, Store, lambda: BrokenStore("get", "set", "delete")])
def test_an_update_that_ends_in_the_middle_is_continued(
    store: Any, sandbox: Sandbox, database: Database, replied: list[dict[str, str]]
) -> None:
    sandbox.connect("tether", extra={"retry_limit": 0, "max_concurrency": 1})
    # Batches fail as a whole.
    assert len(replied) > 20
    task = context(task_state_store=store()) if store else context()
    operator = make(replied, actions={"tether_default": {"stage": "Lost"}})
    sandbox.fail("tether", method="PUT", status=500, times=10**6)
    with pytest.raises(ContactsError, match="Tether, connection 'tether_default'"):
        operator.execute(task)
    assert count_stopped(database) == 0
    sandbox.state.faults["tether"].clear()
    result = operator.execute(task)
    assert len(result["marked"]) == count_stopped(database) > 20
    assert operator.execute(task)["marked"] == []


def test_results_of_a_partial_failure(
    sandbox: Sandbox, database: Database, replied: list[dict[str, str]]
) -> None:
    leads = list_leads(database)
    sandbox.connect("mailstand", extra={"retry_limit": 0})
    sandbox.fail("mailstand", method="PUT", status=400, body='{"status": "error"}', times=3, after=5)
    result = make(leads, on_failure="continue").execute({})
    assert len(result["failed"]) == 3
    assert len(result["updated"]) == count_stopped(database) > 5
    outcomes = [action["outcome"] for person in result["people"] for action in person["actions"]]
    assert outcomes.count("failed") == 3
    assert outcomes.count("updated") == len(result["updated"])


def test_all_causes_of_a_connection_are_reported(
    sandbox: Sandbox, database: Database, replied: list[dict[str, str]]
) -> None:
    sandbox.connect("mailstand", extra={"retry_limit": 0})
    sandbox.fail("mailstand", method="PUT", status=400, body='{"status": "error"}')
    sandbox.fail("mailstand", method="PUT", status=503)
    with pytest.raises(ContactsError) as caught:
        make(list_leads(database)).execute({})
    assert "2 contacts could not be stopped" in str(caught.value)
    assert "1 x InvalidRequest" in str(caught.value)
    assert "1 x VendorUnavailable" in str(caught.value)
    assert not caught.value.permanent


def test_what_was_updated_before_an_abort_is_reported(
    sandbox: Sandbox, database: Database, replied: list[dict[str, str]]
) -> None:
    sandbox.connect("mailstand", extra={"max_concurrency": 1})
    # A revoked key ends the updates of a connection.
    sandbox.fail("mailstand", method="PUT", status=401, after=3, times=10**6)
    result = make(
        list_leads(database), on_failure="continue", actions={"mailstand_default": "default"}
    ).execute({})
    assert len(result["updated"]) == count_stopped(database) == 3
    assert len(result["failed"]) > 10


def test_an_audit_that_cannot_be_written_stops_everything(
    sandbox: Sandbox, database: Database, replied: list[dict[str, str]]
) -> None:
    database.run("CREATE TABLE contact_audit (vendor VARCHAR(255))")
    with pytest.raises(InvalidRequest, match="incompatible"):
        make(replied, audit_table="contact_audit").execute({})
    assert database.rows("contact_people_stops") == []
    assert not [entry for entry in sandbox.requests("tether") if entry["method"] == "PUT"]


def test_an_outcome_that_cannot_be_recorded_ends_the_run(
    sandbox: Sandbox, database: Database, replied: list[dict[str, str]]
) -> None:
    database.run(
        "ALTER TABLE contact_people_stops ADD COLUMN required INTEGER DEFAULT NULL CHECK (stopped_at IS NULL "
        "OR required IS NOT NULL)"
    )
    sandbox.connect("mailstand", extra={"max_concurrency": 1})
    with pytest.raises(
        ContactsError, match="could not be recorded in the table 'contact_people_stops', so no more contacts"
    ):
        make(list_calls(database), audit_table="contact_audit", on_failure="continue").execute({})
    assert len([entry for entry in sandbox.requests("mailstand") if entry["method"] == "PUT"]) == 1
    assert not [entry for entry in sandbox.requests("tether") if entry["method"] in ("PUT", "PATCH")]


def test_preview_with_a_vendor_that_is_down(
    sandbox: Sandbox, database: Database, replied: list[dict[str, str]]
) -> None:
    sandbox.connect("tether", extra={"retry_limit": 0})
    sandbox.fail("tether", status=503, times=10**6)
    with pytest.raises(ContactsError, match="Tether, connection 'tether_default'") as caught:
        make(replied, preview=True).execute({})
    assert caught.value.transient
    result = make(replied, preview=True, on_failure="continue").execute({})
    assert result["would_update"] == []
    assert len(result["failed"]) > 20


def test_logs_contain_no_personal_data(
    sandbox: Sandbox,
    database: Database,
    replied: list[dict[str, str]],
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level("DEBUG")
    result = make(replied).execute({})
    shown = caplog.text + capsys.readouterr().out + repr(result)
    for row in database.rows():
        assert not row["email"] or row["email"] not in shown
        assert not row["phone"] or row["phone"] not in shown
        assert not row["last_name"] or len(row["last_name"]) < 4 or row["last_name"] not in shown


def outcomes_of(database: Database) -> dict[str, set[tuple[str, str | None]]]:
    """Return the outcomes and errors in the audit by vendor."""
    found: dict[str, set[tuple[str, str | None]]] = defaultdict(set)
    for row in database.rows("contact_audit"):
        found[row["vendor"]].add((row["outcome"], row["error"]))
    return found


def test_contacts_of_a_vendor_that_is_down_are_in_the_audit(
    sandbox: Sandbox, database: Database, replied: list[dict[str, str]]
) -> None:
    sandbox.connect("tether", extra={"retry_limit": 0})
    sandbox.fail("tether", status=503, times=10**6)
    result = make(replied, audit_table="contact_audit", on_failure="continue").execute({})
    rows = [row for row in database.rows("contact_audit") if row["vendor"] == "tether"]
    assert outcomes_of(database)["tether"] == {("failed", "VendorUnavailable")}
    assert len(rows) == len(result["failed"]) > 20


def test_a_conflict_that_cannot_be_recorded_ends_the_run(
    sandbox: Sandbox, database: Database, replied: list[dict[str, str]]
) -> None:
    calls = list_calls(database)
    make(calls, audit_table="contact_audit", preview=True).execute({})
    stops = database.rows("contact_audit")
    if database.kind == "sqlite":
        database.run(
            "CREATE TRIGGER no_conflicts BEFORE INSERT ON contact_audit WHEN NEW.error = 'Conflict' "
            "BEGIN SELECT raise(ABORT, 'no'); END"
        )
    else:
        database.run("ALTER TABLE contact_audit ADD CONSTRAINT no_conflicts CHECK (error <> 'Conflict')")
    [claimed, *_] = [row["contact_id"] for row in stops if row["vendor"] == "mailstand"]
    with open_claims([TableLocation(database.conn_id, "contact_claims")], "mailstand", "other") as claims:
        claims.claim([claimed])
        with pytest.raises(ContactsError, match="The audit 'contact_audit' cannot be written"):
            make(calls, audit_table="contact_audit", on_failure="continue").execute({})
    writes = [one for vendor in ("mailstand", "tether") for one in sandbox.requests(vendor)]
    assert not [entry for entry in writes if entry["method"] in ("PUT", "PATCH")]


def test_a_retry_with_nothing_left_releases_the_claims_of_a_killed_attempt(
    sandbox: Sandbox, database: Database, replied: list[dict[str, str]]
) -> None:
    task = context()
    operator = make(replied)
    operator.execute(task)
    location = TableLocation(database.conn_id, "contact_claims")
    with open_claims([location], "tether", describe_task(task)) as claims:
        claims.claim(["killed"])
    assert database.select("contact_claims")
    operator.execute(task)
    assert database.select("contact_claims") == []
