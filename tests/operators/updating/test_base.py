"""Approvals, suppressions, the audit, and changes by row."""

from __future__ import annotations

import contextlib
import json
import uuid
from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowSkipException
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_contacts.contact import REFERENCE_FIELDS
from airflow_provider_contacts.core.validation import TableLocation
from airflow_provider_contacts.errors import ContactsError, InvalidRequest
from airflow_provider_contacts.hooks.base import ContactsHook
from airflow_provider_contacts.operators.arguments import list_arguments
from airflow_provider_contacts.operators.sources import SqlContacts
from airflow_provider_contacts.operators.stop_outreach import StopOutreachOperator
from airflow_provider_contacts.operators.suppressions import AllowContactsOperator, SuppressContactsOperator
from airflow_provider_contacts.operators.updates import (
    UpdateContactNotesOperator,
    UpdateContactStageOperator,
    UpdateContactTagsOperator,
)
from airflow_provider_contacts.operators.updating.arguments import WriteOptions
from airflow_provider_contacts.operators.updating.base import BaseUpdateOperator, BaseWriteOperator
from airflow_provider_contacts.safeguards.claims import open_claims
from airflow_provider_contacts.safeguards.configuration import CLAIMS_TABLE
from airflow_provider_contacts.safeguards.keys import find_keys, find_keys_to_suppress
from tests.approvals import Approvals, TaskAwaitingInput, answer, approvals, context
from tests.conftest import Sandbox
from tests.database import Database, load
from tests.people.conftest import resolve
from tests.stores import BrokenStore, Store


def make(kind: type[BaseUpdateOperator], vendor: str, contacts: Any, **arguments: Any) -> BaseUpdateOperator:
    with DAG("test", schedule=None):
        arguments = {"sql_conn_id": "{{ database }}", **arguments}
        operator = kind(
            task_id="update", contacts_conn_id=f"{vendor}_default", contacts=contacts, **arguments
        )
    operator.render_template_fields({"database": "warehouse"})
    return operator


def tag(contacts: Any, **arguments: Any) -> BaseUpdateOperator:
    arguments = {"add": "New", **arguments}
    return make(UpdateContactTagsOperator, "talktohumans", contacts, **arguments)


def listed(vendor: str = "talktohumans") -> list[dict[str, Any]]:
    hook = ContactsHook.for_connection(f"{vendor}_default")
    return [contact.to_dict() for contact in hook.list_contacts()]


def reference(contact: dict[str, Any]) -> dict[str, Any]:
    return {key: contact[key] for key in ("vendor", "account_id", "contact_id")}


def written(sandbox: Sandbox, vendor: str = "talktohumans") -> set[str]:
    """Return the ids in the paths of requests that write."""
    entries = sandbox.requests(vendor)
    return {entry["path"].rpartition("/")[2] for entry in entries if entry["method"] in ("PATCH", "PUT")}


def labels(sandbox: Sandbox, vendor: str) -> dict[str, list[object]]:
    """Return what updates change, by contact id. A TalkToHumans contact may be in several accounts."""
    found: dict[str, list[object]] = {}
    for row in sandbox.state.tables[vendor].rows:
        label = {"talktohumans": "tags", "mailstand": "stage", "tether": "status"}[vendor]
        found.setdefault(row.contact_id, []).append(str(getattr(row, label)))
    return found


def suppress(database: Database, contacts: Any, **arguments: Any) -> str:
    table = "contact_suppressions"
    arguments = {"reason": "test", "suppressions_table": table, "sql_conn_id": database.conn_id, **arguments}
    SuppressContactsOperator(task_id="suppress", contacts=contacts, **arguments).execute({})
    return table


class TestSuppressions:
    def test_suppressed_contacts_are_not_updated(
        self, sandbox: Sandbox, database: Database, secret: str
    ) -> None:
        contacts = listed()
        location = suppress(database, contacts[:5])
        result = tag(contacts, suppressions_table=location).execute({})
        assert result["suppressed"] == [reference(one) for one in contacts[:5]]
        assert len(result["updated"]) == 55
        ids = {one["contact_id"] for one in contacts[:5]}
        assert not ids & written(sandbox)

    def test_configured_table_cannot_be_switched_off(
        self, sandbox: Sandbox, database: Database, secret: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        contacts = listed()
        monkeypatch.setenv("AIRFLOW__CONTACTS__SQL_CONN_ID", database.conn_id)
        monkeypatch.setenv("AIRFLOW__CONTACTS__SUPPRESSIONS_TABLE", suppress(database, contacts[:5]))
        for arguments in ({}, {"suppressions_table": None}, {"suppressions_table": ""}):
            result = tag(contacts[:10], add=str(arguments), **arguments).execute({})
            assert len(result["suppressed"]) == 5
        monkeypatch.setenv("AIRFLOW__CONTACTS__SUPPRESSIONS_TABLE", "nowhere")
        with pytest.raises(ContactsError, match="'nowhere' does not exist"):
            tag(contacts, add="Never").execute({})
        assert not any("Never" in row.tags for row in sandbox.state.tables["talktohumans"].rows)

    def test_do_not_contact_is_always_allowed(
        self, sandbox: Sandbox, database: Database, secret: str
    ) -> None:
        contacts = listed("mailstand")
        location = suppress(database, contacts)

        def move(stage: str) -> dict[str, list[dict[str, object]]]:
            arguments = {"stage": stage, "campaign": "all", "suppressions_table": location}
            return make(UpdateContactStageOperator, "mailstand", contacts, **arguments).execute({})

        assert len(move("Nurture")["suppressed"]) == 60
        assert not written(sandbox, "mailstand")
        result = move("do not contact")
        assert result["suppressed"] == []
        assert len(result["updated"]) == 60

    def test_references_with_an_exported_table(
        self, sandbox: Sandbox, database: Database, secret: str
    ) -> None:
        load(database, "tether")
        contacts = [one for one in listed("tether") if one["email"]]
        # The person is known from another vendor.
        location = suppress(database, [{"email": contacts[0]["email"]}])
        references = [reference(one) for one in contacts]
        arguments = {"stage": "Lost", "suppressions_table": location}
        table = "contacts"
        kind = UpdateContactStageOperator
        result = make(kind, "tether", references, contacts_table=table, **arguments).execute({})
        assert references[0] in result["suppressed"]
        assert labels(sandbox, "tether")[contacts[0]["contact_id"]] == [contacts[0]["stage"]]

    def test_preview_and_max_updates_leave_suppressed_contacts_out(
        self, sandbox: Sandbox, database: Database, secret: str
    ) -> None:
        contacts = listed()[:10]
        location = suppress(database, contacts[:5])
        result = tag(contacts, suppressions_table=location, preview=True, max_updates=5).execute({})
        assert len(result["would_update"]) == len(result["suppressed"]) == 5
        assert not written(sandbox)

    def test_suppression_between_attempts(self, sandbox: Sandbox, database: Database, secret: str) -> None:
        contacts = listed()[:20]
        location = suppress(database, contacts[:1])
        store = Store()
        sandbox.fail("talktohumans", method="PATCH", status=500, times=10**6)
        sandbox.connect("talktohumans", extra={"retry_limit": 0})
        with pytest.raises(ContactsError):
            tag(contacts, suppressions_table=location).execute({"task_state_store": store})
        sandbox.state.faults["talktohumans"] = []
        suppress(database, contacts[5:8])
        before = len(sandbox.requests("talktohumans"))
        result = tag(contacts, suppressions_table=location).execute({"task_state_store": store})
        assert len(result["suppressed"]) == 4
        sent = {entry["path"].rpartition("/")[2] for entry in sandbox.requests("talktohumans")[before:]}
        assert not sent & {one["contact_id"] for one in (contacts[0], *contacts[5:8])}

    @pytest.mark.parametrize("rendered", [None, "", "None", " none "])
    @pytest.mark.parametrize(
        "name",
        [
            "sql_conn_id",
            "suppressions_table",
            "audit_table",
            "approvers",
            "require_approval",
            "contacts_table",
            "preview",
            "fresh_check",
        ],
    )
    def test_template_that_renders_to_nothing_is_an_error(
        self, name: str, rendered: Any, sandbox: Sandbox
    ) -> None:
        operator = tag(listed()[:3], **{name: "{{ database }}"})
        setattr(operator, name, rendered)
        with pytest.raises(InvalidRequest, match=f"`{name}` is set on the operator but has become empty"):
            operator.execute(context())
        assert not written(sandbox)

    @pytest.mark.parametrize("rendered", [None, ""])
    @pytest.mark.parametrize("name", ["sql_conn_id", "suppressions_table", "audit_table", "require_approval"])
    def test_mapped_task_without_a_safeguard_is_an_error(
        self, name: str, rendered: Any, sandbox: Sandbox
    ) -> None:
        with DAG("test", schedule=None):
            mapped = UpdateContactTagsOperator.partial(
                task_id="m", contacts_conn_id="talktohumans_default", contacts=listed()[:3], add="New"
            ).expand(**{name: ["contacts", rendered]})
        operator: Any = mapped.unmap({name: rendered})
        with pytest.raises(InvalidRequest, match=f"`{name}` is set on the operator but has become empty"):
            operator.execute(context())
        assert not written(sandbox)

    def test_what_duplicates_say_counts(self, sandbox: Sandbox, database: Database, secret: str) -> None:
        contact = next(one for one in listed("tether") if one["email"])
        location = suppress(database, [{"email": contact["email"]}])
        for items in (
            [reference(contact), contact],
            [contact["contact_id"], contact],
            [contact, reference(contact)],
        ):
            operator = make(
                UpdateContactStageOperator, "tether", items, stage="Lost", suppressions_table=location
            )
            assert len(operator.execute({})["suppressed"]) == 1


class TestClaims:
    @contextlib.contextmanager
    def other_task(self, database: Database, contacts: list[dict[str, Any]]) -> Iterator[None]:
        """Let another task be in the middle of changing contacts."""
        location = TableLocation(database.conn_id, CLAIMS_TABLE)
        with open_claims([location], contacts[0]["vendor"], "other") as claims:
            claims.claim(one["contact_id"] for one in contacts)
            yield
            claims.release()

    def test_contacts_of_another_task_fail(self, sandbox: Sandbox, database: Database) -> None:
        contacts = listed()[:5]
        operator = tag(contacts, audit_table="contact_audit")
        with (
            self.other_task(database, contacts[:2]),
            pytest.raises(
                ContactsError, match=r"2 of 5 contacts .* 2 x Conflict: The task 'other' has claimed"
            ) as caught,
        ):
            operator.execute(context())
        assert not caught.value.permanent
        assert written(sandbox) == {one["contact_id"] for one in contacts[2:]}
        rows = database.rows("contact_audit")
        assert (
            sorted((row["outcome"], row["error"]) for row in rows if row["error"])
            == [("failed", "Conflict")] * 2
        )
        # A retry finds them free.
        assert len(operator.execute(context(try_number=2))["updated"]) == 5
        assert written(sandbox) == {one["contact_id"] for one in contacts}
        assert database.select(CLAIMS_TABLE) == []

    def test_what_an_earlier_attempt_has_changed_needs_no_claim(
        self, sandbox: Sandbox, database: Database
    ) -> None:
        contacts = listed()[:3]
        store = Store()
        operator = tag([*contacts, "999999"], audit_table="contact_audit")
        with pytest.raises(ContactsError, match="1 of 4"):
            operator.execute(context(task_state_store=store))
        with self.other_task(database, contacts), pytest.raises(ContactsError, match=r"1 of 4 .* NotFound"):
            operator.execute(context(task_state_store=store, try_number=2))

    def test_stopping_and_updating_do_not_meet(self, sandbox: Sandbox, database: Database) -> None:
        for vendor in ("mailstand", "tether"):
            load(database, vendor)
        resolve(database)
        people = defaultdict(list)
        for row in database.rows("contact_people"):
            people[row["person_id"]].append({name: row[name] for name in REFERENCE_FIELDS})
        pairs = [
            pair for pair in people.values() if [one["vendor"] for one in pair] == ["mailstand", "tether"]
        ]
        leads = [pair[1] for pair in pairs[:3]]
        operator = StopOutreachOperator(
            task_id="stop",
            contacts=leads,
            actions={"mailstand_default": "default", "tether_default": "manual"},
            sql_conn_id=database.conn_id,
            preview=False,
        )
        with (
            self.other_task(database, [pair[0] for pair in pairs[:2]]),
            pytest.raises(
                ContactsError, match=r"2 contacts could not be stopped; 1 were changed.* 2 x Conflict"
            ),
        ):
            operator.execute(context())
        assert len(operator.execute(context(try_number=2))["updated"]) == 2


class TestAudit:
    def outcomes(self, database: Database, try_number: int = 1) -> list[tuple[str, str]]:
        rows = database.rows("contact_audit")
        return sorted((row["outcome"], row["contact_id"]) for row in rows if row["try_number"] == try_number)

    def test_a_row_for_every_contact(self, sandbox: Sandbox, database: Database, secret: str) -> None:
        contacts = listed()[:10]
        contacts[1]["tags"] = ["New"]
        location = suppress(database, contacts[2:3])
        unknown = {"contact_id": "999999", "linkedin_url": "https://www.linkedin.com/in/unknown"}
        items = [*contacts, unknown, "888888"]
        operator = tag(
            items,
            suppressions_table=location,
            unchecked="skip",
            audit_table="contact_audit",
            on_failure="continue",
        )
        result = operator.execute(context())
        found = self.outcomes(database)
        assert len(found) == 12
        for outcome in ("updated", "unchanged", "suppressed", "unchecked", "failed"):
            assert [contact_id for name, contact_id in found if name == outcome] == sorted(
                str(one["contact_id"]) for one in result[outcome]
            )
        assert "NotFound" in {row["error"] for row in database.rows("contact_audit")}

    def test_preview(self, sandbox: Sandbox, database: Database) -> None:
        tag(listed()[:3], audit_table="contact_audit", preview=True).execute(context())
        assert [outcome for outcome, _ in self.outcomes(database)] == ["previewed"] * 3

    def test_configured_audit(
        self, sandbox: Sandbox, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AIRFLOW__CONTACTS__SQL_CONN_ID", database.conn_id)
        monkeypatch.setenv("AIRFLOW__CONTACTS__AUDIT_TABLE", "contact_audit")
        tag(listed()[:3]).execute(context())
        assert [outcome for outcome, _ in self.outcomes(database)] == ["updated"] * 3

    def test_table_that_does_not_fit_stops_before_the_first_write(
        self, sandbox: Sandbox, database: Database
    ) -> None:
        database.run("CREATE TABLE contact_audit (recorded_at VARCHAR(10))")
        with pytest.raises(InvalidRequest, match="incompatible"):
            tag(listed(), audit_table="contact_audit").execute(context())
        assert not written(sandbox)

    def test_failed_contacts_are_tried_again_from_the_audit(
        self, sandbox: Sandbox, database: Database
    ) -> None:
        contacts = [reference(one) for one in listed()[:6]]
        sandbox.connect("talktohumans", extra={"retry_limit": 0, "max_concurrency": 1})
        sandbox.fail("talktohumans", method="PATCH", status=400, times=2)
        result = tag(contacts, audit_table="contact_audit", on_failure="continue").execute(context())
        assert len(result["failed"]) == 2
        query = "SELECT vendor, account_id, contact_id FROM contact_audit WHERE outcome = 'failed' AND run_id = 'r'"
        again = tag(SqlContacts(database.conn_id, query)).execute({})
        assert again["updated"] == [
            {name: one[name] for name in ("vendor", "account_id", "contact_id")} for one in result["failed"]
        ]


@pytest.fixture
def asked() -> Iterator[Approvals]:
    with approvals() as received:
        yield received


class TestApproval:
    def test_nothing_is_written_before_the_approval(self, sandbox: Sandbox, asked: Approvals) -> None:
        contacts = listed()[:30]
        operator = tag(contacts, require_approval=True, approvers=["admin"], approval_timeout="2h")
        with pytest.raises(TaskAwaitingInput) as waiting:
            operator.execute(context())
        assert not written(sandbox)
        request = asked.request
        assert (request.options, request.defaults) == (["Approve", "Reject"], ["Reject"])
        assert request.subject == "Update 30 contacts in TalkToHumans?"
        assert "add 'New'" in request.body
        assert f"Request `{asked.number}`" in request.body
        assert not any(one["name"] in request.body for one in contacts)
        assert [user.id for user in request.assigned_users] == ["admin"]
        assert request.multiple is False
        field = request.params["request"]
        assert (field["schema"]["type"], field["schema"]["title"]) == ("string", "Request")
        assert field["description"].startswith("The number of the request that you approve.")
        assert waiting.value.method_name == "execute_complete"
        # On Airflow 3.2, a trigger has it.
        trigger = getattr(waiting.value, "trigger", None)
        assert trigger.timeout_datetime if trigger else waiting.value.timeout == timedelta(hours=2)
        assert waiting.value.kwargs["displayed"] == asked.number == waiting.value.kwargs["asked"][:8]
        event = answer(request=asked.number)
        with pytest.raises(TaskAwaitingInput):  # by another user
            operator.execute_complete(context(), event, **waiting.value.kwargs)
        assert not written(sandbox)
        event["responded_by_user"] = {"id": "admin", "name": "Ada"}
        result = operator.execute_complete(context(), event, **waiting.value.kwargs)
        assert len(result["updated"]) == 30

    def test_answer_through_the_api_has_no_number(self, sandbox: Sandbox, asked: Approvals) -> None:
        operator = tag(listed()[:3], require_approval=True)
        with pytest.raises(TaskAwaitingInput) as waiting:
            operator.execute(context())
        assert operator.execute_complete(context(), answer(), **waiting.value.kwargs)["updated"]

    @pytest.mark.parametrize(
        ("user", "reason"), [("Ada", "Ada rejected the update"), (None, "No one approved the update in time")]
    )
    def test_rejected(self, user: str | None, reason: str, sandbox: Sandbox, asked: Approvals) -> None:
        operator = tag(listed()[:3], require_approval="True")
        with pytest.raises(TaskAwaitingInput) as waiting:
            operator.execute(context())
        with pytest.raises(AirflowSkipException, match=reason):
            operator.execute_complete(context(), answer("Reject", user), **waiting.value.kwargs)
        assert not written(sandbox)

    @pytest.mark.parametrize("user", ["Ada", None])
    def test_a_rejection_is_in_the_audit(
        self, user: str | None, sandbox: Sandbox, database: Database, asked: Approvals
    ) -> None:
        operator = tag(listed()[:3], require_approval=True, audit_table="contact_audit")
        with pytest.raises(TaskAwaitingInput) as waiting:
            operator.execute(context())
        with pytest.raises(AirflowSkipException):
            operator.execute_complete(context(), answer("Reject", user), **waiting.value.kwargs)
        rows = database.rows("contact_audit")
        assert [(row["outcome"], row["approver"]) for row in rows] == [("rejected", user)] * 3

    def test_a_rejection_that_cannot_be_recorded_counts(
        self, sandbox: Sandbox, database: Database, asked: Approvals
    ) -> None:
        store = Store()
        operator = tag(listed()[:3], require_approval=True, audit_table="contact_audit")
        with pytest.raises(TaskAwaitingInput) as waiting:
            operator.execute(context(task_state_store=store))
        sandbox.connect("talktohumans", extra={"retry_limit": 0})
        sandbox.fail("talktohumans", method="PATCH", status=500, times=10**6)
        with pytest.raises(ContactsError):
            operator.execute_complete(context(task_state_store=store), answer(), **waiting.value.kwargs)
        database.run("DROP TABLE contact_audit", "CREATE TABLE contact_audit (id INTEGER)")
        with pytest.raises(AirflowSkipException):
            operator.execute_complete(
                context(task_state_store=store), answer("Reject"), **waiting.value.kwargs
            )
        assert store.values == {} or "contacts-approval" not in store.values

    def test_an_approval_that_nothing_needs_any_more_is_forgotten(
        self, sandbox: Sandbox, asked: Approvals
    ) -> None:
        """A retry that finds everything up to date must not leave it for a task that is cleared."""
        store = Store()
        contacts = listed()[:2]
        operator = tag(contacts, require_approval=True)
        with pytest.raises(TaskAwaitingInput) as waiting:
            operator.execute(context(task_state_store=store))
        sandbox.connect("talktohumans", extra={"retry_limit": 0})
        sandbox.fail("talktohumans", method="PATCH", status=500, times=10**6)
        with pytest.raises(ContactsError):
            operator.execute_complete(context(task_state_store=store), answer(), **waiting.value.kwargs)
        done = [{**one, "tags": ["New"]} for one in contacts]
        assert (
            len(tag(done, require_approval=True).execute(context(task_state_store=store))["unchanged"]) == 2
        )
        with pytest.raises(TaskAwaitingInput):
            tag(contacts, require_approval=True).execute(context(task_state_store=store))

    def test_rejection_counts_even_if_no_approval_is_needed_any_more(
        self, sandbox: Sandbox, database: Database, secret: str, asked: Approvals
    ) -> None:
        contacts = listed()[:3]
        location = suppress(database, listed()[10:11])
        operator = tag(contacts, require_approval=2, suppressions_table=location)
        with pytest.raises(TaskAwaitingInput) as waiting:
            operator.execute(context())
        suppress(database, contacts[:1])
        with pytest.raises(AirflowSkipException):
            operator.execute_complete(context(), answer("Reject"), **waiting.value.kwargs)
        assert not written(sandbox)

    def test_rejection_forgets_an_earlier_approval(self, sandbox: Sandbox, asked: Approvals) -> None:
        store = Store()
        operator = tag(listed()[:3], require_approval=True)
        with pytest.raises(TaskAwaitingInput) as waiting:
            operator.execute(context(task_state_store=store))
        sandbox.connect("talktohumans", extra={"retry_limit": 0})
        sandbox.fail("talktohumans", method="PATCH", status=500, times=10**6)
        with pytest.raises(ContactsError):
            operator.execute_complete(context(task_state_store=store), answer(), **waiting.value.kwargs)
        with pytest.raises(AirflowSkipException):
            operator.execute_complete(
                context(task_state_store=store), answer("Reject"), **waiting.value.kwargs
            )
        with pytest.raises(TaskAwaitingInput) as waiting:
            operator.execute(context(task_state_store=store))

    def test_threshold(self, sandbox: Sandbox, asked: Approvals) -> None:
        contacts = listed()
        assert tag(contacts[:5], require_approval=5).execute(context())["updated"]
        with pytest.raises(TaskAwaitingInput):
            tag(contacts, require_approval=5).execute(context())
        assert tag(contacts, require_approval=True, preview=True).execute(context())["would_update"]
        assert asked.count == 1

    def test_changed_contacts_need_a_new_approval(self, sandbox: Sandbox, asked: Approvals) -> None:
        contacts = listed()
        with pytest.raises(TaskAwaitingInput):
            tag(contacts[:3], require_approval=True).execute(context())
        first = asked.number
        for changed in (
            tag(contacts[:4], require_approval=True),
            tag(contacts[:3], add="X", require_approval=True),
        ):
            with pytest.raises(TaskAwaitingInput) as waiting:
                changed.execute_complete(context(), answer(request=first), first, first)
            # Airflow still shows the first request.
            assert waiting.value.kwargs["displayed"] == first
        assert not written(sandbox)
        assert asked.count == 3

    def test_the_whole_digest_is_compared(self, sandbox: Sandbox, asked: Approvals) -> None:
        operator = tag(listed()[:3], require_approval=True)
        with pytest.raises(TaskAwaitingInput) as waiting:
            operator.execute(context())
        number, digest = waiting.value.kwargs["displayed"], waiting.value.kwargs["asked"]
        for displayed, other in ((number[:-1], digest), (number, number + "0" * 56), (number, "")):
            with pytest.raises(TaskAwaitingInput):
                operator.execute_complete(context(), answer(request=displayed), displayed, other)
        assert not written(sandbox)

    def test_earlier_request_on_the_form_does_not_approve_the_current_one(
        self, sandbox: Sandbox, asked: Approvals, capsys: pytest.CaptureFixture[str], caplog: Any
    ) -> None:
        contacts = listed()
        with pytest.raises(TaskAwaitingInput):
            tag(contacts[:3], require_approval=True).execute(context())
        retried = tag(contacts[:4], require_approval=True)
        with pytest.raises(TaskAwaitingInput) as waiting:
            retried.execute(context())
        log = caplog.text + capsys.readouterr().out
        assert "Airflow still shows an earlier request" in log
        current = log.partition("The current request is ")[2][:8]
        assert current != asked.number
        with pytest.raises(TaskAwaitingInput):
            retried.execute_complete(context(), answer(), **waiting.value.kwargs)
        assert not written(sandbox)
        assert retried.execute_complete(context(), answer(request=current), **waiting.value.kwargs)["updated"]

    def test_retry_after_the_approval_does_not_ask_again(self, sandbox: Sandbox, asked: Approvals) -> None:
        contacts = listed()[:10]
        store = Store()
        sandbox.connect("talktohumans", extra={"retry_limit": 0})
        operator = tag(contacts, require_approval=True)
        with pytest.raises(TaskAwaitingInput) as waiting:
            operator.execute(context(task_state_store=store))
        sandbox.fail("talktohumans", method="PATCH", status=500, times=10**6)
        with pytest.raises(ContactsError):
            operator.execute_complete(context(task_state_store=store), answer(), **waiting.value.kwargs)
        sandbox.state.faults["talktohumans"] = []
        with pytest.raises(TaskAwaitingInput):  # other contacts
            tag(contacts[:9], require_approval=True).execute(context(task_state_store=store))
        again = tag(contacts, require_approval=True).execute(context(task_state_store=store))
        assert len(again["updated"]) == 10
        # After success, a cleared task asks again.
        assert store.values == {}
        with pytest.raises(TaskAwaitingInput):
            tag(contacts, require_approval=True).execute(context(task_state_store=store))

    def test_store_that_fails_costs_only_another_question(self, sandbox: Sandbox, asked: Approvals) -> None:
        store = BrokenStore("get", "set", "delete")
        operator = tag(listed()[:3], require_approval=True)
        with pytest.raises(TaskAwaitingInput) as waiting:
            operator.execute(context(task_state_store=store))
        result = operator.execute_complete(context(task_state_store=store), answer(), **waiting.value.kwargs)
        assert len(result["updated"]) == 3

    def test_suppression_while_waiting_asks_again(
        self, sandbox: Sandbox, database: Database, secret: str, asked: Approvals
    ) -> None:
        contacts = listed()[:5]
        location = suppress(database, listed()[10:11])
        operator = tag(contacts, require_approval=True, suppressions_table=location)
        with pytest.raises(TaskAwaitingInput) as waiting:
            operator.execute(context())
        suppress(database, contacts[:1])
        with pytest.raises(TaskAwaitingInput):
            operator.execute_complete(context(), answer(), **waiting.value.kwargs)
        assert not written(sandbox)

    def test_approver_is_in_the_audit(self, sandbox: Sandbox, database: Database, asked: Approvals) -> None:
        operator = tag(listed()[:3], require_approval=True, audit_table="contact_audit")
        with pytest.raises(TaskAwaitingInput) as waiting:
            operator.execute(context())
        assert database.rows("contact_audit") == []
        operator.execute_complete(context(), answer(), **waiting.value.kwargs)
        assert {row["approver"] for row in database.rows("contact_audit")} == {"Ada"}

    def test_unknown_approvers_are_rejected(
        self, sandbox: Sandbox, asked: Approvals, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS", "ada:admin,bob:viewer")
        with pytest.raises(
            InvalidRequest, match="`approvers` contains users that Airflow does not know: 'eve'"
        ):
            tag(listed()[:3], require_approval=True, approvers=["ada", "eve"]).execute(context())
        assert asked.count == 0

    def test_event_without_an_answer(self, sandbox: Sandbox, asked: Approvals) -> None:
        operator = tag(listed()[:3], require_approval=True)
        with pytest.raises(ContactsError, match="without an answer to the approval request"):
            operator.execute_complete(context(), {"error": "x", "error_type": "unknown"}, displayed="")
        assert not written(sandbox)


class TestRows:
    def table(self, database: Database, columns: str, *rows: str) -> None:
        database.run(
            f"CREATE TABLE targets ({columns})", *(f"INSERT INTO targets VALUES ({row})" for row in rows)
        )

    def query(self, database: Database, sql: str = "SELECT * FROM targets") -> SqlContacts:
        return SqlContacts(database.conn_id, sql)

    def test_tags_by_row(self, sandbox: Sandbox, database: Database) -> None:
        ids = list(dict.fromkeys(row.contact_id for row in sandbox.state.tables["talktohumans"].rows))[:2]
        rows = {row.contact_id: row for row in sandbox.state.tables["talktohumans"].rows}
        self.table(
            database,
            "contact_id VARCHAR(20), account_id VARCHAR(20), add_tags VARCHAR(40), remove_tags VARCHAR(40)",
            f"'{ids[0]}', '{rows[ids[0]].account_id}', 'One', NULL",
            f"""'{ids[1]}', '{rows[ids[1]].account_id}', '["Two", "Three"]', 'VIP'""",
        )
        quote = "`" if database.kind == "mysql" else '"'
        sql = f"SELECT contact_id, account_id, add_tags AS {quote}add{quote}, remove_tags AS remove FROM targets"
        operator = make(UpdateContactTagsOperator, "talktohumans", self.query(database, sql))
        assert len(operator.execute({})["updated"]) == 2
        assert "One" in rows[ids[0]].tags
        assert {"Two", "Three"} <= set(rows[ids[1]].tags)
        assert "VIP" not in rows[ids[1]].tags

    def test_stages_by_row(self, sandbox: Sandbox, database: Database) -> None:
        rows = sandbox.state.tables["tether"].rows[:4]
        values = [
            f"'{row.contact_id}', '{stage}'"
            for row, stage in zip(rows, ("Qualified", "Lost", "Qualified", "qualified"), strict=True)
        ]
        self.table(database, "contact_id VARCHAR(24), stage VARCHAR(20)", *values)
        operator = make(UpdateContactStageOperator, "tether", self.query(database))
        assert len(operator.execute({})["updated"]) == 4
        assert [row.status for row in rows] == ["Qualified", "Lost", "Qualified", "Qualified"]

    def test_stage_of_the_operator_makes_the_column_the_present_stage(
        self, sandbox: Sandbox, database: Database
    ) -> None:
        rows = sandbox.state.tables["tether"].rows[:2]
        self.table(
            database,
            "contact_id VARCHAR(24), stage VARCHAR(20)",
            *(
                f"'{row.contact_id}', '{stage}'"
                for row, stage in zip(rows, ("Qualified", "Lost"), strict=True)
            ),
        )
        result = make(UpdateContactStageOperator, "tether", self.query(database), stage="Qualified").execute(
            {}
        )
        assert [one["contact_id"] for one in result["unchanged"]] == [rows[0].contact_id]
        assert [one["contact_id"] for one in result["updated"]] == [rows[1].contact_id]

    def test_notes_by_row(self, sandbox: Sandbox, database: Database) -> None:
        row = sandbox.state.tables["talktohumans"].rows[0]
        self.table(
            database,
            "contact_id VARCHAR(24), account_id VARCHAR(24), notes VARCHAR(40)",
            f"""'{row.contact_id}', '{row.account_id}', '{{"score": 7}}'""",
        )
        operator = make(UpdateContactNotesOperator, "talktohumans", self.query(database))
        assert len(operator.execute({})["updated"]) == 1
        assert json.loads(row.notes) == {"score": 7}

    @pytest.mark.parametrize(
        ("kind", "columns", "values", "arguments", "error"),
        [
            (
                UpdateContactTagsOperator,
                "id",
                "'1'",
                {"add": "A"},
                "no column `contact_id`. Its columns are: id",
            ),
            (
                UpdateContactTagsOperator,
                "contact_id",
                "'1'",
                {},
                "No change is set. Set `add` or `remove`, or add such a column to SqlContacts",
            ),
            (
                UpdateContactStageOperator,
                "contact_id",
                "'1'",
                {},
                "No change is set. Set `stage`, or add such a column to SqlContacts",
            ),
            (UpdateContactNotesOperator, "contact_id, notes", "'1', NULL", {}, "Item 1 .*: `notes` is null"),
            (
                UpdateContactNotesOperator,
                "contact_id, notes",
                "'1', '1'",
                {"notes": None},
                "has the column `notes`, and the operator sets the change too",
            ),
            (
                UpdateContactStageOperator,
                "contact_id, stage",
                f"'{'a' * 24}', NULL",
                {},
                "Item 1 of `contacts`: `stage` must be",
            ),
            (
                UpdateContactTagsOperator,
                "contact_id, add_",
                "'1', NULL",
                {},
                "Item 1 .*: There is nothing to change",
            ),
            (
                UpdateContactTagsOperator,
                "contact_id, add_",
                "'1', '[A'",
                {},
                "`add` is not a valid JSON list",
            ),
        ],
    )
    def test_queries_that_do_not_fit(
        self,
        kind: Any,
        columns: str,
        values: str,
        arguments: Any,
        error: str,
        sandbox: Sandbox,
        database: Database,
    ) -> None:
        self.table(database, ", ".join(f"{name.strip()} VARCHAR(40)" for name in columns.split(",")), values)
        quote = "`" if database.kind == "mysql" else '"'
        names = ", ".join(
            f"add_ AS {quote}add{quote}" if name.strip() == "add_" else name for name in columns.split(",")
        )
        operator = make(
            kind,
            "talktohumans" if kind is not UpdateContactStageOperator else "tether",
            self.query(database, f"SELECT {names} FROM targets"),
            **arguments,
        )
        with pytest.raises(InvalidRequest, match=error):
            operator.execute({})
        assert not written(sandbox)

    def test_contact_with_two_changes_is_rejected(self, sandbox: Sandbox, database: Database) -> None:
        contact_id = sandbox.state.tables["tether"].rows[0].contact_id
        self.table(
            database,
            "contact_id VARCHAR(24), stage VARCHAR(20)",
            f"'{contact_id}', 'Qualified'",
            f"'{contact_id}', 'Lost'",
        )
        with pytest.raises(InvalidRequest, match=f"repeats contact {contact_id} with a different change"):
            make(UpdateContactStageOperator, "tether", self.query(database)).execute({})
        assert not written(sandbox, "tether")

    def test_no_rows(self, sandbox: Sandbox, database: Database) -> None:
        self.table(database, "contact_id VARCHAR(24), stage VARCHAR(20)")
        result = make(UpdateContactStageOperator, "tether", self.query(database)).execute({})
        assert not any(result.values())

    def test_approval_lists_the_changes(self, sandbox: Sandbox, database: Database, asked: Approvals) -> None:
        rows = sandbox.state.tables["tether"].rows[:3]
        self.table(
            database,
            "contact_id VARCHAR(24), stage VARCHAR(20)",
            *(
                f"'{row.contact_id}', '{stage}'"
                for row, stage in zip(rows, ("Qualified", "Lost", "Qualified"), strict=True)
            ),
        )
        operator = make(UpdateContactStageOperator, "tether", self.query(database), require_approval=True)
        with pytest.raises(TaskAwaitingInput):
            operator.execute(context())
        assert "move to stage 'Qualified' (2)" in asked.request.body
        assert "move to stage 'Lost' (1)" in asked.request.body


CHANGES: dict[str, tuple[type[BaseUpdateOperator], dict[str, str]]] = {
    "talktohumans": (UpdateContactTagsOperator, {"add": "Hypothesis"}),
    "mailstand": (UpdateContactStageOperator, {"stage": "Interested", "campaign": "all"}),
    "tether": (UpdateContactStageOperator, {"stage": "Lost"}),
}


_indexes = st.integers(0, 11)
# Which contact is suppressed, or allowed again; everywhere, at this vendor or at another one; by
# all keys or by its reference.
_steps = st.tuples(_indexes, st.booleans(), st.sampled_from(["all", "this", "thoughtly"]), st.booleans())
_attempts = st.tuples(st.lists(_steps, max_size=6), st.lists(st.sampled_from([400, 500, 429]), max_size=3))


@pytest.mark.sandbox(rate_limits=False)
@pytest.mark.parametrize("vendor", list(CHANGES))
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    order=st.permutations(range(60)),
    whole=st.booleans(),
    attempts=st.lists(_attempts, min_size=1, max_size=3),
)
def test_suppressed_contacts_are_never_written(
    vendor: str,
    order: list[int],
    whole: bool,
    attempts: list[Any],
    sandbox: Sandbox,
    database: Database,
    secret: str,
) -> None:
    """Random suppressions, in random scopes, added and ended between attempts that fail at random."""
    sandbox.state.reset()
    sandbox.connect(vendor, extra={"retry_limit": 0, "requests_per_minute": 100_000})
    kind, arguments = CHANGES[vendor]
    everyone = listed(vendor)
    contacts = [everyone[index] for index in order[:12]]
    items = contacts if whole else [reference(one) for one in contacts]
    location = f"suppressions_{uuid.uuid4().hex}"
    suppress(database, [{"email": "nobody@example.com"}], suppressions_table=location)
    store = Store()
    # The scopes of the suppressions of a key, by contact: two people may have one number.
    model: dict[str, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
    for steps, failures in attempts:
        for index, is_added, where, by_reference in steps:
            scope = vendor if where == "this" else where
            contact = reference(contacts[index]) if by_reference else contacts[index]
            if is_added:
                suppress(database, [contact], suppressions_table=location, scope=scope)
            else:
                AllowContactsOperator(
                    task_id="allow",
                    contacts=[contact],
                    sql_conn_id=database.conn_id,
                    suppressions_table=location,
                    reason="test",
                    scope=scope,
                ).execute({})
            for key in find_keys_to_suppress(contact):
                scopes = model[key][index]
                # A suppression everywhere covers one at a vendor, which is not written then.
                if is_added and "all" not in scopes:
                    scopes.add(scope)
                if not is_added:
                    model[key][index] = set() if scope == "all" else scopes - {scope}
        must_not = {
            item["contact_id"]
            for item in items
            if any(scopes & {"all", vendor} for key in find_keys(item) for scopes in model[key].values())
        }
        sandbox.state.faults[vendor] = []
        for status in failures:
            sandbox.fail(vendor, method="PATCH", status=status, times=1)
        before = labels(sandbox, vendor)
        earlier = len(sandbox.requests(vendor))
        # Opt-outs at the vendor have tests of their own.
        options = {"unchecked": "allow", "leave_opt_out": True}
        operator = make(kind, vendor, items, suppressions_table=location, **options, **arguments)
        result = None
        with contextlib.suppress(ContactsError):
            result = operator.execute({"task_state_store": store})
        after = labels(sandbox, vendor)
        assert not [one for one in must_not if after[one] != before[one]]
        sent = sandbox.requests(vendor)[earlier:]
        assert not must_not & {entry["path"].rpartition("/")[2] for entry in sent if entry["method"] != "GET"}
        if result is not None:
            others = [*result["unchanged"], *result["updated"]]
            expected = [reference(one) for one in items if one["contact_id"] in must_not]
            assert all(one in result["suppressed"] or one in others for one in expected)
            assert {one["contact_id"] for one in result["suppressed"]} <= must_not


def test_timeouts_are_durations() -> None:
    with (
        DAG("test", schedule=None),
        pytest.raises(InvalidRequest, match="`approval_timeout` must be a duration"),
    ):
        UpdateContactTagsOperator(
            task_id="t", contacts_conn_id="c", contacts=["1"], add="A", approval_timeout="soon"
        )
    with DAG("test", schedule=None):
        UpdateContactTagsOperator(
            task_id="t", contacts_conn_id="c", contacts=["1"], add="A", approval_timeout=timedelta(hours=1)
        )


def test_all_writing_operators_have_the_arguments() -> None:
    shared = list_arguments(WriteOptions)
    for kind in (StopOutreachOperator, UpdateContactTagsOperator):
        assert issubclass(kind, BaseWriteOperator)
        assert {"contacts", *shared} <= set(kind.template_fields)
        declared = list_arguments(kind.options_class)
        assert all(declared[name].is_safeguard for name in shared if shared[name].is_safeguard)


def test_safeguards_that_are_set_are_required() -> None:
    operator = UpdateContactTagsOperator(
        task_id="t",
        contacts_conn_id="c",
        contacts=[],
        add="x",
        audit_table="audit",
        contacts_table="contacts",
        suppressions_table="",
        require_approval=False,
    )
    assert operator.required_arguments == [
        "preview",
        "require_approval",
        "contacts_table",
        "fresh_check",
        "audit_table",
    ]
    assert operator.multiple_outputs


def test_defaults_of_a_dag_apply() -> None:
    with DAG("test", schedule=None, default_args={"max_updates": 7, "audit_table": "audit"}):
        update = UpdateContactTagsOperator(task_id="t", contacts_conn_id="c", contacts=["1"], add="A")
        stop = StopOutreachOperator(task_id="s", contacts=[], actions={"tether_default": "manual"})
        UpdateContactTagsOperator.partial(task_id="m", contacts_conn_id="c", add="A").expand(
            max_updates=[1, 2], contacts=[["1"], ["2"]]
        )
    for operator in (update, stop):
        assert (operator.max_updates, operator.audit_table) == (7, "audit")  # type: ignore[attr-defined]
    with DAG("test", schedule=None), pytest.raises(TypeError, match="missing keyword argument 'actions'"):
        StopOutreachOperator(task_id="s", contacts=[])


def test_an_invalid_rendered_table_is_rejected_before_any_request(sandbox: Sandbox) -> None:
    operator = make(
        UpdateContactStageOperator, "tether", ["a" * 24], stage="Lost", audit_table="{{ database }}"
    )
    operator.audit_table = "a.b.c"  # type: ignore[attr-defined]
    with pytest.raises(InvalidRequest, match="`audit_table` must be `table` or `schema.table`"):
        operator.execute({})
    assert sandbox.requests("tether") == []


def test_safeguards_are_logged(sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    tag(["1"], preview=True).execute({})
    assert "Suppressions: none. Audit: none." in capsys.readouterr().out
