"""What stopping does to each contact."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

import pytest

from airflow_provider_contacts.errors import InvalidRequest
from airflow_provider_contacts.hooks.base import ContactsHook
from airflow_provider_contacts.operators.stopping.actions import parse_actions
from airflow_provider_contacts.operators.stopping.causes import Cause
from airflow_provider_contacts.operators.stopping.plan import (
    StoppedPerson,
    StopPlan,
    find_outdated,
    list_other_contacts,
    plan_stop,
    read_references,
)
from airflow_provider_contacts.operators.stopping.suppressing import StopSuppressions
from airflow_provider_contacts.people.lookup import Person, PersonContact, Stop
from airflow_provider_contacts.safeguards.configuration import Safeguards
from tests.conftest import Sandbox


def contact(
    vendor: str, account_id: str, contact_id: str, *, is_present: bool = True, stops: Sequence[Stop] = ()
) -> PersonContact:
    fields = {"email": "ada@example.com"}
    return PersonContact(vendor, account_id, contact_id, "email", "", is_present, fields, stops)


REPLIED = contact("talktohumans", "101", "1")
TWIN = contact("talktohumans", "102", "1")
DUPLICATE = contact("talktohumans", "101", "2")
LEAD = contact("tether", "org", "3")
GONE = contact("tether", "org", "4", is_present=False)
CALLED = contact("thoughtly", "team", "5")
MANUAL = Cause("manual")
PERSON = Person("p", [REPLIED, DUPLICATE, TWIN, LEAD, GONE, CALLED], [REPLIED])


def plan(actions: Any, person: Person = PERSON, source: str = "", cause: Cause = MANUAL) -> StopPlan:
    parsed = parse_actions("actions", actions)
    hooks: dict[str, ContactsHook[Any]] = {
        conn_id: ContactsHook.for_connection(conn_id) for conn_id in parsed
    }
    suppressions = StopSuppressions(Safeguards([], [], [], []), None, "", source, logging.getLogger("test"))
    stopped = StoppedPerson(person, cause, find_outdated(person))
    return plan_stop([stopped], [], parsed, hooks, suppressions)


def test_other_contacts_are_all_but_the_one_that_replied() -> None:
    assert list_other_contacts(PERSON) == [DUPLICATE, TWIN, LEAD, GONE, CALLED]


def test_contacts_are_assigned_to_connections(sandbox: Sandbox) -> None:
    made = plan({"talktohumans_default": {"add_tags": "x"}, "tether_default": {"stage": "Lost"}})
    linkedin, leads = made.connections
    assert linkedin.contacts == [DUPLICATE, TWIN]
    assert [target.key for target in linkedin.updates.to_update] == [("101", "2"), ("102", "1")]
    # A contact that is marked as removed may be there after all.
    assert leads.contacts == [LEAD, GONE]
    assert made.outcomes == {CALLED.key: "no_action"}
    outcomes = {
        **made.outcomes,
        DUPLICATE.key: "stopped_before",
        TWIN.key: "updated",
        LEAD.key: "failed",
        GONE.key: "removed",
    }
    [described] = made.describe_people(outcomes)
    assert (described["person_id"], described["matched_on"]) == ("p", ["email"])
    assert described["actions"][:2] == [  # type: ignore[index]
        {
            **TWIN.reference(),
            "contacts_conn_id": "talktohumans_default",
            "action": "add 'x'",
            "outcome": "updated",
        },
        {
            **LEAD.reference(),
            "contacts_conn_id": "tether_default",
            "action": "move to stage 'Lost'",
            "outcome": "failed",
        },
    ]


def test_connections_of_other_accounts_get_nothing(sandbox: Sandbox) -> None:
    made = plan({"talktohumans_default": {"add_tags": "x", "accounts": "999"}})
    assert made.connections[0].contacts == []
    assert made.outcomes[TWIN.key] == "no_action"


def test_references() -> None:
    found = read_references(
        [
            {"vendor": " talktohumans ", "account_id": None, "contact_id": 5, "email": "ada@example.com"},
            {"vendor": "talktohumans", "contact_id": "5"},
        ]
    )
    reference = {"vendor": "talktohumans", "account_id": "", "contact_id": "5"}
    assert found == {("talktohumans", "", "5"): (reference, None)}
    assert read_references({"vendor": "talktohumans", "contact_id": "5"}) == found
    assert read_references([]) == {}


def test_the_strongest_cause_of_a_reference_counts() -> None:
    lead = {"vendor": "tether", "contact_id": "a" * 24}
    items = [
        {**lead, "cause": "opt_out", "caused_at": "2026-03-01T00:00:00Z"},
        {**lead, "cause": "reply", "caused_at": "2026-04-01T00:00:00Z"},
        {**lead, "replied_at": "2026-05-01T00:00:00Z"},
        lead,
    ]
    [(_, cause)] = read_references(items).values()
    assert cause == Cause("opt_out", datetime(2026, 5, 1, tzinfo=timezone.utc))
    [(_, cause)] = read_references(items[1:]).values()
    assert cause == Cause("reply", datetime(2026, 5, 1, tzinfo=timezone.utc))
    for wrong in ({"cause": "boredom"}, {"cause": "reply", "caused_at": "then"}):
        with pytest.raises(InvalidRequest, match="Item 1"):
            read_references([{**lead, **wrong}])


@pytest.mark.parametrize(
    "item",
    [
        {"email": "ada@example.com"},
        {"vendor": "talktohumans", "contact_id": "ada@example.com"},
        {"vendor": "talktohumans", "contact_id": "5", "account_id": "Ada Lovelace"},
        {"vendor": "ada@example.com", "contact_id": "5"},
        "ada@example.com",
    ],
)
def test_messages_and_results_contain_no_personal_data(item: Any) -> None:
    with pytest.raises(InvalidRequest, match="Item 1") as caught:
        read_references([item])
    assert "ada" not in str(caught.value).lower()


def stop_of(actions: Any, *, by: str = "dag / task / run", cause: str = "reply", day: int = 1) -> Stop:
    digest = parse_actions("actions", actions)["tether_default"].digest
    moment = datetime(2026, 3, day, tzinfo=timezone.utc)
    return Stop(digest, opts_out=False, at=moment, by=by, cause=cause, caused_at=moment)


LOST = {"tether_default": {"stage": "Lost"}}


def test_stops_of_other_tasks_need_a_new_approval(sandbox: Sandbox) -> None:
    def count(source: str) -> int:
        stopped = contact("tether", "org", "3", stops=[stop_of(LOST)])
        [connection] = plan(LOST, Person("p", [REPLIED, stopped], [REPLIED]), source).connections
        assert connection.updates.to_update == []
        return len(connection.updates.changed_before)

    assert count("dag / task / run") == 1
    assert count("dag / task / another run") == 0
    assert count("") == 0


@pytest.mark.parametrize(
    ("cause", "is_repeated"),
    [
        (Cause("manual"), False),
        (Cause("reply"), False),
        (Cause("reply", datetime(2026, 3, 1, tzinfo=timezone.utc)), False),
        (Cause("reply", datetime(2026, 3, 2, tzinfo=timezone.utc)), True),
        # An opt-out follows a reply, whenever it was.
        (Cause("opt_out", datetime(2026, 2, 1, tzinfo=timezone.utc)), True),
        (Cause("opt_out"), True),
    ],
)
def test_a_later_cause_stops_again(cause: Cause, is_repeated: bool, sandbox: Sandbox) -> None:
    stopped = contact("tether", "org", "3", stops=[stop_of(LOST)])
    made = plan(LOST, Person("p", [REPLIED, stopped], [REPLIED]), cause=cause)
    assert len(made.connections[0].updates.to_update) == is_repeated
    assert (made.outcomes.get(stopped.key) == "stopped_before") == (not is_repeated)


def test_an_opt_out_is_not_repeated_without_news(sandbox: Sandbox) -> None:
    stopped = contact("tether", "org", "3", stops=[stop_of(LOST, cause="opt_out")])
    person = Person("p", [REPLIED, stopped], [REPLIED])
    assert plan(LOST, person, cause=Cause("opt_out")).connections[0].updates.to_update == []


def test_a_contact_that_a_stop_has_opted_out_stays_there(sandbox: Sandbox) -> None:
    stop = Stop("another change", True, datetime.now(timezone.utc), "dag", "opt_out", None)
    stopped = contact("mailstand", "space", "contact_1", stops=[stop])
    made = plan(
        {"mailstand_default": {"stage": "Not Interested"}}, Person("p", [REPLIED, stopped], [REPLIED])
    )
    assert made.outcomes[stopped.key] == "unchanged"


def test_several_references_of_a_person_are_others_to_each_other() -> None:
    assert list_other_contacts(Person("p", [REPLIED, LEAD, CALLED], [REPLIED, LEAD])) == [
        REPLIED,
        LEAD,
        CALLED,
    ]


def test_a_contact_that_shares_no_key_any_more_is_outdated(sandbox: Sandbox) -> None:
    def with_fields(number: int, **fields: str) -> PersonContact:
        return PersonContact("tether", "org", f"{number:024x}", "email", "", True, fields, ())

    replied = with_fields(1, email="ada@example.com")
    near = with_fields(2, email="Ada@example.com", phone="+12015550101")
    far = with_fields(3, phone="(201) 555-0101")  # by the number of another contact
    reused = with_fields(4, email="eve@example.com", phone="+12015550102")
    person = Person("p", [replied, near, far, reused], [replied])
    assert find_outdated(person) == {reused.key}
    made = plan({"tether_default": {"stage": "Lost"}}, person)
    assert made.outcomes == {reused.key: "outdated"}
    assert [target.contact_id for target in made.connections[0].updates.to_update] == [
        near.contact_id,
        far.contact_id,
    ]
