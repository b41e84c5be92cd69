"""Stopping outreach to people at the other vendors."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowSkipException

from airflow_provider_contacts.errors import ContactsError, InvalidRequest, UnsupportedByVendor
from airflow_provider_contacts.operators.people import ResolvePeopleOperator
from airflow_provider_contacts.operators.sources import SqlContacts
from airflow_provider_contacts.operators.stop_outreach import StopOutreachOperator
from airflow_provider_contacts.operators.suppressions import AllowContactsOperator, SuppressContactsOperator
from tests.approvals import TaskAwaitingInput, answer, approvals, context
from tests.conftest import Sandbox
from tests.database import Database, load
from tests.people.conftest import load_all, resolve
from tests.stores import Store
from tests.vendors import VENDORS

ACTIONS = {
    "talktohumans_default": {"add_tags": ["Replied elsewhere"]},
    "thoughtly_default": "manual",
    "mailstand_default": "default",
    "tether_default": {"stage": "Lost"},
}
MANUAL = {f"{vendor}_default": "manual" for vendor in VENDORS}
pytestmark = pytest.mark.sandbox(contacts=120, rate_limits=False)


@pytest.fixture
def people(sandbox: Sandbox, database: Database) -> Database:
    """Export all contacts and resolve the people."""
    load_all(database)
    resolve(database)
    return database


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> Callable[[], str]:
    """Return a function that returns what was logged. Airflow's tasks log to one of two places."""
    return lambda: caplog.text + capsys.readouterr().out


def make(contacts: Any, **arguments: Any) -> StopOutreachOperator:
    arguments = {"actions": ACTIONS, "preview": False, "sql_conn_id": "warehouse", **arguments}
    with DAG("test", schedule=None):
        operator = StopOutreachOperator(task_id="stop", contacts=contacts, **arguments)
    operator.render_template_fields({})
    return operator


def stop(contacts: Any, **arguments: Any) -> dict[str, Any]:
    return make(contacts, **arguments).execute({})


def person_with(database: Database, *vendors: str) -> dict[str, list[dict[str, str]]]:
    """Return the references of a person who has one contact at exactly these vendors, by vendor."""
    return people_with(database, *vendors)[0]


def people_with(database: Database, *vendors: str) -> list[dict[str, list[dict[str, str]]]]:
    found: dict[str, dict[str, list[dict[str, str]]]] = defaultdict(lambda: defaultdict(list))
    for row in database.rows("contact_people"):
        reference = {key: row[key] for key in ("vendor", "account_id", "contact_id")}
        found[row["person_id"]][row["vendor"]].append(reference)
    wanted = set(vendors or VENDORS)
    return [
        one
        for one in found.values()
        if set(one) == wanted and all(len(references) == 1 for references in one.values())
    ]


def row_of(sandbox: Sandbox, reference: dict[str, str]) -> Any:
    [row] = sandbox.state.tables[reference["vendor"]].find(reference["contact_id"], reference["account_id"])
    return row


def writes(sandbox: Sandbox) -> list[tuple[str, str]]:
    """Return vendor and path of every request that changes a contact."""
    return [
        (vendor, entry["path"])
        for vendor in VENDORS
        for entry in sandbox.requests(vendor)
        if entry["method"] in ("PATCH", "PUT")
    ]


def outcomes(result: dict[str, Any]) -> dict[str, str]:
    """Return what happened to the contacts of the only person, by vendor."""
    [person] = result["people"]
    return {action["vendor"]: action["outcome"] for action in person["actions"]}


class TestStopping:
    @pytest.mark.parametrize("vendor", VENDORS)
    def test_a_reply_at_one_vendor_stops_the_others_once(
        self,
        vendor: str,
        sandbox: Sandbox,
        people: Database,
        caplog: pytest.LogCaptureFixture,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        caplog.set_level("INFO")
        person = person_with(people)
        # Stages that are not the ones to set.
        row_of(sandbox, person["mailstand"][0]).stage = "Prospecting"
        people.run("UPDATE contacts SET stage = 'Contacted'", "UPDATE contacts SET tags = '[]'")
        result = stop(person[vendor])
        # The API docs name only Mailstand's stages as stops.
        expected = {
            "talktohumans": "marked",
            "thoughtly": "manual",
            "mailstand": "updated",
            "tether": "marked",
        }
        del expected[vendor]
        assert outcomes(result) == expected
        log = caplog.text + capsys.readouterr().out
        assert all(f"Manual: {'/'.join(one.values())}." in log for one in result["manual"])
        [found] = result["people"]
        assert found["matched_on"] == sorted(found["matched_on"])
        assert set(found["matched_on"]) <= {"email", "linkedin", "phone"}
        changed = {one for one, outcome in expected.items() if outcome != "manual"}
        for name in ("updated", "marked"):
            assert result[name] == [
                reference for one in sorted(changed) if expected[one] == name for reference in person[one]
            ]
        assert {one for one, _ in writes(sandbox)} == changed
        if "talktohumans" in changed:
            assert "Replied elsewhere" in row_of(sandbox, person["talktohumans"][0]).tags
        if "mailstand" in changed:
            assert row_of(sandbox, person["mailstand"][0]).stage == "Not Interested"
        if "tether" in changed:
            assert row_of(sandbox, person["tether"][0]).status == "Lost"

        before = writes(sandbox)
        again = stop(person[vendor])
        assert again["updated"] == again["marked"] == []
        assert again["counts"]["stopped_before"] == len(changed)
        assert writes(sandbox) == before

    def test_preview_is_the_default(self, sandbox: Sandbox, people: Database) -> None:
        person = person_with(people)
        operator = StopOutreachOperator(
            task_id="stop", contacts=person["talktohumans"], sql_conn_id="warehouse", actions=ACTIONS
        )
        result = operator.execute({})
        assert len(result["would_update"]) == 2
        assert result["updated"] == []
        assert writes(sandbox) == []
        assert people.rows("contact_people_stops") == []

    def test_other_accounts_of_the_same_connection_are_stopped(
        self, sandbox: Sandbox, people: Database
    ) -> None:
        twins: dict[str, list[dict[str, str]]] = defaultdict(list)
        for row in people.rows("contact_people"):
            if row["vendor"] == "talktohumans":
                twins[row["person_id"]].append(
                    {key: row[key] for key in ("vendor", "account_id", "contact_id")}
                )
        pair = next(references for references in twins.values() if len(references) == 2)
        result = stop(pair[:1])
        assert pair[1] in result["marked"]
        assert pair[0] not in result["marked"]
        # Without an account, it is unknown which of them has replied.
        actions = {"talktohumans_default": {"add_tags": ["Another"]}}
        result = stop(
            [{"vendor": "talktohumans", "contact_id": pair[0]["contact_id"]}],
            actions=actions,
            on_failure="continue",
        )
        assert result["marked"] == pair

    def test_later_manual_changes_are_kept(self, sandbox: Sandbox, people: Database) -> None:
        person = person_with(people)
        people.run("UPDATE contacts SET stage = 'Contacted'")
        stop(person["talktohumans"])
        row = row_of(sandbox, person["tether"][0])
        assert row.status == "Lost"
        row.status = "Qualified"
        assert stop(person["talktohumans"])["counts"]["stopped_before"] == 2
        assert row.status == "Qualified"
        # Another action is another stop.
        actions = {**ACTIONS, "tether_default": {"stage": "Contacted"}}
        people.run("UPDATE contacts SET stage = 'Qualified'")
        assert outcomes(stop(person["talktohumans"], actions=actions)) == {
            "tether": "marked",
            "thoughtly": "manual",
        }

    def test_actions_do_not_undo_each_other(self, sandbox: Sandbox, people: Database) -> None:
        person = person_with(people)
        row = row_of(sandbox, person["tether"][0])
        stages = []
        for stage in ("Lost", "Contacted", "Lost", "Contacted"):
            stop(person["talktohumans"], actions={**MANUAL, "tether_default": {"stage": stage}})
            stages.append(row.status)
        assert stages == ["Lost", "Contacted", "Contacted", "Contacted"]

    def test_a_contact_that_was_stopped_is_remembered_when_it_comes_back(
        self, sandbox: Sandbox, people: Database
    ) -> None:
        person = person_with(people)
        stop(person["talktohumans"])
        [one] = person["tether"]
        row = row_of(sandbox, one)
        row.status = "Qualified"
        people.run(f"DELETE FROM contacts WHERE contact_id = '{one['contact_id']}'")
        ResolvePeopleOperator(task_id="resolve", sql_conn_id="warehouse").execute({})
        load(people, "tether")
        ResolvePeopleOperator(task_id="resolve", sql_conn_id="warehouse").execute({})
        assert "tether" not in outcomes(stop(person["talktohumans"]))
        assert row.status == "Qualified"

    def test_what_the_table_says_may_be_out_of_date(self, sandbox: Sandbox, people: Database) -> None:
        person = person_with(people)
        row = row_of(sandbox, person["tether"][0])
        row.status = "Contacted"
        people.run("UPDATE contacts SET stage = 'Lost' WHERE vendor = 'tether'")
        assert outcomes(stop(person["talktohumans"]))["tether"] == "marked"
        assert row.status == "Lost"

    def test_duplicates_in_the_same_account_are_stopped(self, sandbox: Sandbox, people: Database) -> None:
        person = person_with(people)
        [lead] = person["tether"]
        [email] = [row["email"] for row in people.rows() if row["contact_id"] == lead["contact_id"]]
        other = next(
            row
            for row in sandbox.state.tables["tether"].rows
            if row.contact_id != lead["contact_id"] and row.status != "Lost"
        )
        people.run(
            f"UPDATE contacts SET email = '{email}', phone = NULL WHERE contact_id = '{other.contact_id}'"
        )
        ResolvePeopleOperator(task_id="resolve", sql_conn_id="warehouse").execute({})
        result = stop([lead])
        assert other.reference("tether") in result["marked"]
        assert lead not in result["marked"]

    def test_a_removed_contact_that_has_replied_stops_the_others(
        self, sandbox: Sandbox, people: Database
    ) -> None:
        person = person_with(people)
        people.run("UPDATE contacts SET removed_at = changed_at WHERE vendor = 'talktohumans'")
        ResolvePeopleOperator(task_id="resolve", sql_conn_id="warehouse").execute({})
        assert outcomes(stop(person["talktohumans"]))["tether"] == "marked"

    def test_an_opt_out_is_not_weakened(self, sandbox: Sandbox, people: Database) -> None:
        person = person_with(people)
        people.run("UPDATE contacts SET stage = 'Do Not Contact' WHERE vendor = 'mailstand'")
        result = stop(person["talktohumans"], actions={**MANUAL, "mailstand_default": "default"})
        assert result["counts"]["unchanged"] == 1
        assert writes(sandbox) == []

    def test_references_without_a_person_fail_at_the_end(
        self, sandbox: Sandbox, people: Database, log: Callable[[], str]
    ) -> None:
        person = person_with(people)
        unknown = {"vendor": "tether", "account_id": "", "contact_id": "f" * 24}
        contacts = [person["talktohumans"][0], unknown]
        with pytest.raises(ContactsError, match="1 references belong to no person") as caught:
            stop(contacts)
        assert caught.value.transient
        assert {vendor for vendor, _ in writes(sandbox)} == {"mailstand", "tether"}
        result = stop(contacts, on_unmatched="report")
        assert result["unmatched"] == [unknown]
        assert "1 of 2 references belong to no person in 'contact_people'" in log()

    def test_contacts_without_an_action_fail_at_the_end(self, sandbox: Sandbox, people: Database) -> None:
        person = person_with(people)
        actions = {"mailstand_default": "default"}
        with pytest.raises(ContactsError, match="2 contacts of tether, thoughtly have no action") as caught:
            stop(person["talktohumans"], actions=actions)
        assert not caught.value.transient
        assert {vendor for vendor, _ in writes(sandbox)} == {"mailstand"}
        result = stop(person["talktohumans"], actions=actions, on_failure="continue")
        assert result["no_action"] == [*person["tether"], *person["thoughtly"]]
        [action] = [one for one in result["people"][0]["actions"] if one["vendor"] == "tether"]
        assert (action["contacts_conn_id"], action["action"]) == (None, None)

    def test_unknown_accounts_are_reported(
        self, sandbox: Sandbox, people: Database, log: Callable[[], str]
    ) -> None:
        person = person_with(people)
        actions = {"mailstand_default": {"action": "default", "accounts": ["space_1"]}}
        result = stop(person["tether"], actions=actions, on_failure="continue")
        assert person["mailstand"][0] in result["no_action"]
        assert (
            "`accounts` of 'mailstand_default' names space_1, which no contact in 'contact_people' has. Known "
            "accounts of" in log()
        )

    def test_contacts_from_a_query(self, sandbox: Sandbox, people: Database) -> None:
        person = person_with(people)
        [one] = person["mailstand"]
        sql = f"SELECT vendor, account_id, contact_id FROM contacts WHERE contact_id = '{one['contact_id']}'"
        result = stop(SqlContacts("warehouse", sql), preview=True)
        assert len(result["people"]) == 1

    def test_contacts_that_are_marked_as_removed_are_tried(self, sandbox: Sandbox, people: Database) -> None:
        person = person_with(people)
        [lead], [recipient] = person["tether"], person["mailstand"]
        people.run(
            "UPDATE contacts SET removed_at = changed_at WHERE contact_id IN "
            f"('{lead['contact_id']}', '{recipient['contact_id']}')"
        )
        table = sandbox.state.tables["mailstand"]
        table.remove(row_of(sandbox, recipient))
        result = stop(person["talktohumans"])
        # The vendor does not know one of them any more.
        assert (result["marked"], result["removed"]) == ([lead], [recipient])

    def test_a_colleague_with_the_same_office_phone_is_left_alone(
        self, sandbox: Sandbox, people: Database
    ) -> None:
        numbers = {row.person.number: row for row in sandbox.state.tables["thoughtly"].rows if row.has_phone}
        number = next(
            number for number in numbers if number % 40 == 7 and number + 1 in numbers and number >= 60
        )
        one, colleague = numbers[number], numbers[number + 1]
        assert one.person.phone == colleague.person.phone
        result = stop([one.reference("thoughtly")], preview=True)
        touched = [action for person in result["people"] for action in person["actions"]]
        references = [
            {key: action[key] for key in ("vendor", "account_id", "contact_id")} for action in touched
        ]
        assert references
        colleagues = [
            row.reference(vendor)
            for vendor, table in sandbox.state.tables.items()
            for row in table.rows
            if row.person.number == number + 1
        ]
        assert len(colleagues) > 1
        assert not [reference for reference in references if reference in colleagues]


class TestSafeguards:
    def test_suppress_adds_the_person_at_this_vendor(
        self, sandbox: Sandbox, people: Database, secret: str
    ) -> None:
        person = person_with(people)
        actions = {**MANUAL, "tether_default": "suppress"}
        arguments: dict[str, Any] = {
            "actions": actions,
            "suppressions_table": "contact_suppressions",
        }
        preview = stop(person["talktohumans"], preview=True, **arguments)
        assert preview["would_update"] == person["tether"]
        result = stop(person["talktohumans"], **arguments)
        assert result["suppressed"] == person["tether"]
        rows = people.select("contact_suppressions")
        assert {row["scope"] for row in rows if row["kind"] != "check"} == {"tether"}
        assert {row["kind"] for row in rows} >= {"reference", "email"}
        assert stop(person["talktohumans"], **arguments)["counts"]["stopped_before"] == 1
        assert writes(sandbox) == []

    def test_a_suppression_that_was_ended_is_not_added_again(
        self, sandbox: Sandbox, people: Database, secret: str
    ) -> None:
        person = person_with(people)
        arguments: dict[str, Any] = {
            "actions": {**MANUAL, "tether_default": "suppress"},
            "suppressions_table": "contact_suppressions",
        }
        assert stop(person["mailstand"], **arguments)["suppressed"] == person["tether"]
        contacts = [row for row in people.rows() if row["contact_id"] == person["tether"][0]["contact_id"]]
        AllowContactsOperator(
            task_id="allow",
            contacts=contacts,
            sql_conn_id="warehouse",
            suppressions_table=arguments["suppressions_table"],
            reason="test",
        ).execute({})
        assert stop(person["mailstand"], **arguments)["counts"]["stopped_before"] == 1

    def test_the_table_of_suppressions_is_created_when_it_is_written(
        self, sandbox: Sandbox, people: Database, secret: str
    ) -> None:
        person = person_with(people)
        arguments: dict[str, Any] = {
            "actions": {**MANUAL, "tether_default": "suppress"},
            "suppressions_table": "contact_suppressions",
        }
        stop(person["talktohumans"], preview=True, **arguments)
        assert not sa.inspect(people.engine).has_table("contact_suppressions")
        stop(person["talktohumans"], **arguments)
        assert people.select("contact_suppressions")

    def test_suppress_needs_a_table(self, sandbox: Sandbox, people: Database) -> None:
        with pytest.raises(InvalidRequest, match="`suppress` needs `suppressions_table`"):
            stop(person_with(people)["tether"], actions={"mailstand_default": "suppress"})

    def test_suppressed_people_are_stopped_too(self, sandbox: Sandbox, people: Database, secret: str) -> None:
        people.run("UPDATE contacts SET stage = 'Contacted'")
        person = person_with(people)
        row_of(sandbox, person["mailstand"][0]).stage = "Prospecting"
        SuppressContactsOperator(
            task_id="suppress",
            contacts=[reference for references in person.values() for reference in references],
            sql_conn_id="warehouse",
            suppressions_table="contact_suppressions",
            reason="test",
        ).execute({})
        result = stop(person["thoughtly"], suppressions_table="contact_suppressions")
        assert outcomes(result) == {"talktohumans": "marked", "mailstand": "updated", "tether": "marked"}

    def test_a_stage_that_does_not_stop_is_refused(
        self, sandbox: Sandbox, people: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        message = r"sets a stage that does not stop outreach. The stages of Mailstand that do: Not Interested"
        actions = {"mailstand_default": {"stage": "Nurture"}}
        with DAG("test", schedule=None), pytest.raises(InvalidRequest, match=message):
            StopOutreachOperator(task_id="stop", contacts=[], actions=actions)  # when the DAG is parsed
        monkeypatch.setenv("AIRFLOW_CONN_MAIL", os.environ["AIRFLOW_CONN_MAILSTAND_DEFAULT"])
        with pytest.raises(InvalidRequest, match=message):
            stop([], actions={"mail": {"stage": "Nurture"}})

    @pytest.mark.parametrize("preview", [None, "", "None", "{{ '' }}", "{{ none }}"])
    def test_an_empty_preview_does_not_write(self, preview: Any, sandbox: Sandbox, people: Database) -> None:
        person = person_with(people)
        if preview in (None, "", "None"):
            # Written like that, it is the default.
            assert stop(person["talktohumans"], preview=preview)["would_update"]
            assert writes(sandbox) == []
            return
        with pytest.raises(InvalidRequest, match="`preview` is set on the operator but has become empty"):
            stop(person["talktohumans"], preview=preview)
        with pytest.raises(InvalidRequest, match="`max_age` is set on the operator but has become empty"):
            stop(person["talktohumans"], max_age=preview)
        assert writes(sandbox) == []

    def test_approval_and_audit_of_suppressions(
        self, sandbox: Sandbox, people: Database, secret: str
    ) -> None:
        person = person_with(people)
        operator = make(
            person["talktohumans"],
            actions={**MANUAL, "tether_default": "suppress"},
            suppressions_table="contact_suppressions",
            require_approval=True,
            audit_table="contact_audit",
        )
        with approvals() as received:
            with pytest.raises(TaskAwaitingInput) as waiting:
                operator.execute(context())
            assert "- `suppress`" in received.request.body
            operator.execute_complete(context(), answer(request=received.number), **waiting.value.kwargs)
        [row] = people.rows("contact_audit")
        assert (row["outcome"], row["change"], row["approver"]) == ("updated", "suppress", "Ada")

    def test_max_updates_counts_all_connections(self, sandbox: Sandbox, people: Database) -> None:
        people.run("UPDATE contacts SET stage = 'Contacted'")
        person = person_with(people)
        with pytest.raises(InvalidRequest, match=r"2 contacts would be updated, more than max_updates \(1\)"):
            stop(person["talktohumans"], max_updates=1)
        assert writes(sandbox) == []

    def test_every_change_is_in_the_audit(self, sandbox: Sandbox, people: Database) -> None:
        people.run("UPDATE contacts SET stage = 'Contacted'")
        person = person_with(people)
        stop(person["talktohumans"], audit_table="contact_audit")
        found = {(row["vendor"], row["outcome"], row["change"]) for row in people.rows("contact_audit")}
        assert found == {
            ("mailstand", "updated", "move to stage 'Not Interested' in all campaigns"),
            ("tether", "updated", "move to stage 'Lost'"),
        }

    def test_approval_is_about_all_connections(self, sandbox: Sandbox, people: Database) -> None:
        people.run("UPDATE contacts SET stage = 'Contacted'")
        person = person_with(people)
        operator = make(person["talktohumans"], require_approval=True)
        store = Store()
        with approvals() as received:
            with pytest.raises(TaskAwaitingInput) as waiting:
                operator.execute(context(task_state_store=store))
            assert received.request.subject == "Update 2 contacts in Mailstand, Tether?"
            assert "move to stage 'Lost'" in received.request.body
            assert writes(sandbox) == []
            with pytest.raises(AirflowSkipException):
                operator.execute_complete(
                    context(task_state_store=store), answer("Reject"), **waiting.value.kwargs
                )
            # One vendor is down: a retry does not ask again, and does only what is left.
            sandbox.fail("mailstand", method="PUT", status=500, times=10**6)
            sandbox.connect("mailstand", extra={"retry_limit": 0})
            with pytest.raises(ContactsError, match="1 contacts could not be stopped; 1 were changed"):
                operator.execute_complete(
                    context(task_state_store=store), answer(request=received.number), **waiting.value.kwargs
                )
            asked = received.count
            sandbox.state.faults["mailstand"].clear()
            result = operator.execute(context(task_state_store=store))
            assert received.count == asked
        assert result["updated"] == person["mailstand"]
        assert result["counts"]["stopped_before"] == 1
        assert store.values == {}


class TestFailures:
    @pytest.mark.parametrize("down", ["mailstand", "tether"])
    @pytest.mark.parametrize("with_store", [True, False])
    def test_one_vendor_down_does_not_affect_the_others(
        self, down: str, with_store: bool, sandbox: Sandbox, people: Database
    ) -> None:
        people.run("UPDATE contacts SET stage = 'Contacted'")
        person = person_with(people)
        up = "tether" if down == "mailstand" else "mailstand"
        sandbox.fail(down, status=503, times=10**6)
        sandbox.connect(down, extra={"retry_limit": 0})
        operator = make(person["talktohumans"])
        task = context(task_state_store=Store()) if with_store else context()
        with pytest.raises(ContactsError, match="A retry continues with the rest") as caught:
            operator.execute(task)
        assert caught.value.transient
        assert f"connection '{down}_default'" in str(caught.value)
        assert {vendor for vendor, _ in writes(sandbox)} - {down} == {up}
        before = [one for one in writes(sandbox) if one[0] == up]
        sandbox.state.faults[down].clear()
        result = operator.execute(task)
        assert result["updated" if down == "mailstand" else "marked"] == person[down]
        assert [one for one in writes(sandbox) if one[0] == up] == before

    def test_a_revoked_key_does_not_affect_the_others(self, sandbox: Sandbox, people: Database) -> None:
        people.run("UPDATE contacts SET stage = 'Contacted'")
        person = person_with(people)
        sandbox.connect("mailstand", password="revoked")
        result = stop(person["talktohumans"], on_failure="continue")
        assert result["failed"] == person["mailstand"]
        assert result["marked"] == person["tether"]
        with pytest.raises(ContactsError, match="Check the field API key") as caught:
            stop(person["talktohumans"])
        assert not caught.value.transient

    def test_an_unknown_stage_fails_before_the_first_write(self, sandbox: Sandbox, people: Database) -> None:
        people.run("UPDATE contacts SET stage = 'Contacted'")
        actions = {"mailstand_default": "default", "tether_default": {"stage": "Stopped"}}
        with pytest.raises(InvalidRequest, match="Lost"):
            stop(person_with(people)["talktohumans"], actions=actions)
        assert writes(sandbox) == []

    def test_an_unsupported_action_fails_before_any_request(self, sandbox: Sandbox, people: Database) -> None:
        before = {vendor: len(sandbox.requests(vendor)) for vendor in VENDORS}
        with pytest.raises(UnsupportedByVendor, match="Thoughtly's API cannot change contacts"):
            stop(person_with(people)["tether"], actions={**ACTIONS, "thoughtly_default": {"stage": "Lost"}})
        assert {vendor: len(sandbox.requests(vendor)) for vendor in VENDORS} == before


class TestTables:
    def test_a_missing_table_of_people_is_named(self, sandbox: Sandbox, database: Database) -> None:
        load(database, "tether")
        with pytest.raises(ContactsError, match="'contact_people' does not exist") as caught:
            stop([{"vendor": "tether", "contact_id": "f" * 24}])
        assert not caught.value.permanent

    def test_people_that_are_older_than_the_contacts(
        self, sandbox: Sandbox, people: Database, log: Callable[[], str]
    ) -> None:
        person = person_with(people)
        stop(person["tether"], preview=True)
        assert "have not been resolved since" not in log()
        [one] = person["thoughtly"]
        people.run(
            "UPDATE contacts SET changed_at = '2020-01-01 00:00:00.000000' WHERE contact_id = "
            f"'{one['contact_id']}'"
        )
        stop(person["tether"], preview=True, max_age="9000d")
        assert (
            "ago, and the people in 'contact_people' have not been resolved since. Run ResolvePeople" in log()
        )
        message = r"max_age is 1 day, 0:00:00. Run ResolvePeopleOperator"
        with pytest.raises(ContactsError, match=message) as caught:
            stop(person["tether"], preview=True)
        assert caught.value.transient
        ResolvePeopleOperator(task_id="resolve", sql_conn_id=people.conn_id).execute({})
        stop(person["tether"], preview=True)

    def test_people_that_were_never_resolved(self, sandbox: Sandbox, people: Database) -> None:
        [*contacts] = person_with(people)["tether"]
        people.run("DELETE FROM contact_people")
        with pytest.raises(ContactsError, match="were never resolved") as caught:
            stop(contacts)
        assert caught.value.transient


@pytest.mark.parametrize(
    ("contacts", "problem"),
    [
        ("[]", "`contacts` is text"),
        (5, "must be a list"),
        (["f" * 24], "Item 1 of `contacts` is not a reference. Pass mappings"),
        ([{"contact_id": "1"}], "Item 1 of `contacts` must have `vendor` and `contact_id`"),
        ([{"vendor": "tether"}], "Item 1"),
        ([{"vendor": "hubspot", "contact_id": "1"}], "unknown `vendor`. Known vendors: mailstand"),
    ],
)
def test_invalid_contacts(contacts: Any, problem: str, sandbox: Sandbox, connect: Callable[..., str]) -> None:
    with pytest.raises(InvalidRequest, match=problem):
        make(contacts).execute({})


def test_invalid_literals_fail_when_the_dag_is_parsed() -> None:
    for arguments in (
        {"actions": {}},
        {"max_age": "soon"},
        {"people_table": "a.b.c"},
        {"contacts_table": ""},
        {"preview": "perhaps"},
    ):
        with pytest.raises(InvalidRequest):
            make([], **arguments)
