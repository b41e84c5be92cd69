"""Stopping outreach to people at the other vendors."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest
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
        self, vendor: str, sandbox: Sandbox, people: Database
    ) -> None:
        person = person_with(people)
        # Stages that are not the ones to set.
        row_of(sandbox, person["mailstand"][0]).stage = "Prospecting"
        people.run("UPDATE contacts SET stage = 'Contacted'", "UPDATE contacts SET tags = '[]'")
        result = stop(person[vendor])
        expected = {
            "talktohumans": "updated",
            "thoughtly": "manual",
            "mailstand": "updated",
            "tether": "updated",
        }
        del expected[vendor]
        assert outcomes(result) == expected
        [found] = result["people"]
        assert found["matched_on"] == sorted(found["matched_on"])
        assert set(found["matched_on"]) <= {"email", "linkedin", "phone"}
        changed = {one for one, outcome in expected.items() if outcome == "updated"}
        assert result["updated"] == [reference for one in sorted(changed) for reference in person[one]]
        assert {one for one, _ in writes(sandbox)} == changed
        if "talktohumans" in changed:
            assert "Replied elsewhere" in row_of(sandbox, person["talktohumans"][0]).tags
        if "mailstand" in changed:
            assert row_of(sandbox, person["mailstand"][0]).stage == "Not Interested"
        if "tether" in changed:
            assert row_of(sandbox, person["tether"][0]).status == "Lost"

        before = writes(sandbox)
        again = stop(person[vendor])
        assert again["updated"] == []
        assert len(again["unchanged"]) == len(changed)
        assert writes(sandbox) == before

    def test_preview_is_the_default(self, sandbox: Sandbox, people: Database) -> None:
        person = person_with(people)
        operator = StopOutreachOperator(
            task_id="stop", contacts=person["talktohumans"], sql_conn_id="warehouse", actions=ACTIONS
        )
        result = operator.execute({})
        assert len(result["would_update"]) + len(result["unchanged"]) == 2
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
        assert pair[1] in [*result["updated"], *result["unchanged"]]
        assert pair[0] not in result["updated"]
        # Without an account, it is unknown which of them has replied.
        actions = {"talktohumans_default": {"add_tags": ["Another"]}}
        result = stop([{"vendor": "talktohumans", "contact_id": pair[0]["contact_id"]}], actions=actions)
        assert result["updated"] == pair

    def test_later_manual_changes_are_kept(self, sandbox: Sandbox, people: Database) -> None:
        person = person_with(people)
        people.run("UPDATE contacts SET stage = 'Contacted'")
        stop(person["talktohumans"])
        row = row_of(sandbox, person["tether"][0])
        assert row.status == "Lost"
        row.status = "Qualified"
        assert outcomes(stop(person["talktohumans"]))["tether"] == "unchanged"
        assert row.status == "Qualified"
        # Another action is another stop.
        actions = {**ACTIONS, "tether_default": {"stage": "Contacted"}}
        people.run("UPDATE contacts SET stage = 'Qualified'")
        assert outcomes(stop(person["talktohumans"], actions=actions))["tether"] == "updated"

    def test_actions_do_not_undo_each_other(self, sandbox: Sandbox, people: Database) -> None:
        person = person_with(people)
        row = row_of(sandbox, person["tether"][0])
        stages = []
        for stage in ("Lost", "Contacted", "Lost", "Contacted"):
            stop(person["talktohumans"], actions={"tether_default": {"stage": stage}})
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
        assert outcomes(stop(person["talktohumans"]))["tether"] == "unchanged"
        assert row.status == "Qualified"

    def test_what_the_table_says_may_be_out_of_date(self, sandbox: Sandbox, people: Database) -> None:
        person = person_with(people)
        row = row_of(sandbox, person["tether"][0])
        row.status = "Contacted"
        people.run("UPDATE contacts SET stage = 'Lost' WHERE vendor = 'tether'")
        assert outcomes(stop(person["talktohumans"]))["tether"] == "updated"
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
        assert other.reference("tether") in result["updated"]
        assert lead not in result["updated"]

    def test_a_removed_contact_that_has_replied_stops_the_others(
        self, sandbox: Sandbox, people: Database
    ) -> None:
        person = person_with(people)
        people.run("UPDATE contacts SET removed_at = changed_at WHERE vendor = 'talktohumans'")
        ResolvePeopleOperator(task_id="resolve", sql_conn_id="warehouse").execute({})
        assert outcomes(stop(person["talktohumans"]))["tether"] == "updated"

    def test_an_opt_out_is_not_weakened(self, sandbox: Sandbox, people: Database) -> None:
        person = person_with(people)
        people.run("UPDATE contacts SET stage = 'Do Not Contact' WHERE vendor = 'mailstand'")
        for action in ("default", {"stage": "Nurture"}, {"stage": "Do Not Contact"}):
            result = stop(person["talktohumans"], actions={"mailstand_default": action})
            assert result["unchanged"] == person["mailstand"]
        assert writes(sandbox) == []

    def test_references_without_a_person_are_reported(
        self, sandbox: Sandbox, people: Database, log: Callable[[], str]
    ) -> None:
        known = person_with(people)["tether"][0]
        unknown = {"vendor": "tether", "account_id": "", "contact_id": "f" * 24}
        result = stop([known, unknown, dict(known)], preview=True)
        assert result["unmatched"] == [unknown]
        assert len(result["people"]) == 1
        assert "1 of 2 references belong to no person in 'contact_people'" in log()

    def test_contacts_without_a_connection_are_reported_as_manual(
        self, sandbox: Sandbox, people: Database
    ) -> None:
        person = person_with(people)
        result = stop(person["talktohumans"], actions={"mailstand_default": "default"})
        assert result["manual"] == [*person["tether"], *person["thoughtly"]]
        [action] = [one for one in result["people"][0]["actions"] if one["vendor"] == "tether"]
        assert (action["contacts_conn_id"], action["action"]) == (None, "manual")

    def test_unknown_accounts_are_reported(
        self, sandbox: Sandbox, people: Database, log: Callable[[], str]
    ) -> None:
        person = person_with(people)
        actions = {"mailstand_default": {"action": "default", "accounts": ["space_1"]}}
        result = stop(person["tether"], actions=actions)
        assert person["mailstand"][0] in result["manual"]
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

    def test_removed_contacts_are_not_changed(self, sandbox: Sandbox, people: Database) -> None:
        person = person_with(people)
        [one] = person["tether"]
        people.run(f"UPDATE contacts SET removed_at = changed_at WHERE contact_id = '{one['contact_id']}'")
        result = stop(person["talktohumans"])
        assert result["removed"] == [one]
        assert "tether" not in {vendor for vendor, _ in writes(sandbox)}

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
        actions = {"tether_default": "suppress", "mailstand_default": "manual"}
        arguments: dict[str, Any] = {
            "actions": actions,
            "suppressions_table": "contact_suppressions",
        }
        preview = stop(person["talktohumans"], preview=True, **arguments)
        assert preview["would_update"] == person["tether"]
        result = stop(person["talktohumans"], **arguments)
        assert result["updated"] == person["tether"]
        rows = people.select("contact_suppressions")
        assert {row["scope"] for row in rows if row["kind"] != "check"} == {"tether"}
        assert {row["kind"] for row in rows} >= {"reference", "email"}
        assert stop(person["talktohumans"], **arguments)["unchanged"] == person["tether"]
        assert writes(sandbox) == []

    def test_what_it_has_suppressed_does_not_keep_it_from_stopping(
        self, sandbox: Sandbox, people: Database, secret: str
    ) -> None:
        person = person_with(people)
        suppressions = "contact_suppressions"
        stop(person["tether"], actions={"mailstand_default": "suppress"}, suppressions_table=suppressions)
        nurture = {"mailstand_default": {"stage": "Nurture"}}
        result = stop(person["tether"], actions=nurture, suppressions_table=suppressions)
        assert result["updated"] == person["mailstand"]

    def test_a_suppression_that_was_ended_is_not_added_again(
        self, sandbox: Sandbox, people: Database, secret: str
    ) -> None:
        person = person_with(people)
        arguments: dict[str, Any] = {
            "actions": {"tether_default": "suppress"},
            "suppressions_table": "contact_suppressions",
        }
        assert stop(person["mailstand"], **arguments)["updated"] == person["tether"]
        contacts = [row for row in people.rows() if row["contact_id"] == person["tether"][0]["contact_id"]]
        AllowContactsOperator(
            task_id="allow",
            contacts=contacts,
            sql_conn_id="warehouse",
            suppressions_table=arguments["suppressions_table"],
            reason="test",
        ).execute({})
        assert stop(person["mailstand"], **arguments)["unchanged"] == person["tether"]

    def test_missing_table_lets_no_change_through(
        self, sandbox: Sandbox, people: Database, secret: str
    ) -> None:
        person = person_with(people)
        actions = {"tether_default": "suppress", "mailstand_default": {"stage": "Nurture"}}
        for preview in (True, False):
            with pytest.raises(InvalidRequest, match="'contact_supressions' does not exist"):
                stop(
                    person["talktohumans"],
                    actions=actions,
                    suppressions_table="contact_supressions",
                    preview=preview,
                )
        assert writes(sandbox) == []

    def test_suppress_needs_a_table(self, sandbox: Sandbox, people: Database) -> None:
        with pytest.raises(InvalidRequest, match="`suppress` needs `suppressions_table`"):
            stop(person_with(people)["tether"], actions={"mailstand_default": "suppress"})

    def test_suppressed_contacts_are_not_changed(
        self, sandbox: Sandbox, people: Database, secret: str
    ) -> None:
        person = person_with(people)
        people.run("UPDATE contacts SET stage = 'Contacted'")
        suppressions = "contact_suppressions"
        SuppressContactsOperator(
            task_id="suppress",
            contacts=person["tether"],
            sql_conn_id="warehouse",
            suppressions_table=suppressions,
            reason="test",
        ).execute({})
        result = stop(person["talktohumans"], suppressions_table=suppressions)
        assert result["suppressed"] == person["tether"]
        # Do Not Contact only stops outreach, so it is allowed.
        SuppressContactsOperator(
            task_id="suppress",
            contacts=person["mailstand"],
            sql_conn_id="warehouse",
            suppressions_table=suppressions,
            reason="test",
        ).execute({})
        actions = {"mailstand_default": {"stage": "Do Not Contact"}}
        result = stop(person["talktohumans"], suppressions_table=suppressions, actions=actions)
        assert result["updated"] == person["mailstand"]

    def test_documented_stops_are_made_for_suppressed_contacts(
        self, sandbox: Sandbox, people: Database, secret: str, log: Callable[[], str]
    ) -> None:
        people.run("UPDATE contacts SET stage = 'Contacted'")
        person = person_with(people)
        suppressions = "contact_suppressions"
        everyone = [reference for references in person.values() for reference in references]
        SuppressContactsOperator(
            task_id="suppress",
            contacts=everyone,
            sql_conn_id="warehouse",
            suppressions_table=suppressions,
            reason="test",
        ).execute({})
        result = stop(person["thoughtly"], suppressions_table=suppressions)
        assert outcomes(result) == {
            # What the author of the DAG calls a stop may be anything.
            "talktohumans": "suppressed",
            "mailstand": "updated",
            "tether": "suppressed",
        }
        assert (
            "1 suppressed contacts are not changed, because this change may do more than stop outreach"
            in log()
        )
        actions = {"talktohumans_default": "default"}
        assert (
            stop(person["thoughtly"], suppressions_table=suppressions, actions=actions)["updated"]
            == person["talktohumans"]
        )

    def test_a_person_is_suppressed_by_the_keys_of_any_contact(
        self, sandbox: Sandbox, people: Database, secret: str
    ) -> None:
        person = person_with(people)
        [lead] = person["tether"]
        [email] = [row["email"] for row in people.rows() if row["contact_id"] == lead["contact_id"]]
        people.run(
            f"UPDATE contacts SET email = NULL, phone = NULL WHERE contact_id = '{lead['contact_id']}'"
        )
        suppressions = "contact_suppressions"
        SuppressContactsOperator(
            task_id="suppress",
            contacts=[{"email": email}],
            sql_conn_id="warehouse",
            suppressions_table=suppressions,
            reason="test",
        ).execute({})
        result = stop(person["talktohumans"], suppressions_table=suppressions)
        assert lead in result["suppressed"]

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
            actions={"tether_default": "suppress"},
            suppressions_table="contact_suppressions",
            require_approval=True,
            audit_table="contact_audit",
        )
        with approvals() as received:
            with pytest.raises(TaskAwaitingInput):
                operator.execute(context())
            assert "- `suppress`" in received.request.body
            operator.execute_complete(context(), answer(request=received.number))
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
            with pytest.raises(TaskAwaitingInput):
                operator.execute(context(task_state_store=store))
            assert received.request.subject == "Update 2 contacts in Mailstand, Tether?"
            assert "move to stage 'Lost'" in received.request.body
            assert writes(sandbox) == []
            with pytest.raises(AirflowSkipException):
                operator.execute_complete(context(task_state_store=store), answer("Reject"))
            # One vendor is down: a retry does not ask again, and does only what is left.
            sandbox.fail("mailstand", method="PUT", status=500, times=10**6)
            sandbox.connect("mailstand", extra={"retry_limit": 0})
            with pytest.raises(ContactsError, match="1 contacts could not be stopped; 1 were updated"):
                operator.execute_complete(context(task_state_store=store), answer(request=received.number))
            asked = received.count
            sandbox.state.faults["mailstand"].clear()
            result = operator.execute(context(task_state_store=store))
            assert received.count == asked
        assert result["updated"] == person["mailstand"]
        assert result["unchanged"] == person["tether"]
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
        assert result["updated"] == person[down]
        assert [one for one in writes(sandbox) if one[0] == up] == before

    def test_a_revoked_key_does_not_affect_the_others(self, sandbox: Sandbox, people: Database) -> None:
        people.run("UPDATE contacts SET stage = 'Contacted'")
        person = person_with(people)
        sandbox.connect("mailstand", password="revoked")
        result = stop(person["talktohumans"], on_failure="continue")
        assert result["failed"] == person["mailstand"]
        assert result["updated"] == person["tether"]
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
        with pytest.raises(InvalidRequest, match="'contact_people' does not exist"):
            stop([{"vendor": "tether", "contact_id": "f" * 24}])

    def test_people_that_are_older_than_the_contacts(
        self, sandbox: Sandbox, people: Database, log: Callable[[], str]
    ) -> None:
        person = person_with(people)
        stop(person["tether"], preview=True)
        assert "have not been resolved since" not in log()
        [one] = person["thoughtly"]
        people.run(
            "UPDATE contacts SET changed_at = '2020-01-01 00:00:00.000000' WHERE contact_id = "
            f"'{one['contact_id']}'",
            "UPDATE contact_people_state SET changed_at = '2019-01-01 00:00:00.000000'",
        )
        stop(person["tether"], preview=True)
        assert (
            "ago, and the people in 'contact_people' have not been resolved since. Run ResolvePeople" in log()
        )
        with pytest.raises(InvalidRequest, match=r"max_age is 1 day, 0:00:00. Run ResolvePeopleOperator"):
            stop(person["tether"], preview=True, max_age="1d")
        ResolvePeopleOperator(task_id="resolve", sql_conn_id=people.conn_id).execute({})
        stop(person["tether"], preview=True, max_age="1d")

    def test_people_that_were_never_resolved(self, sandbox: Sandbox, people: Database) -> None:
        people.run("DELETE FROM contact_people_state")
        with pytest.raises(InvalidRequest, match="were never resolved"):
            stop(person_with(people)["tether"])


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
