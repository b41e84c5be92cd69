"""What stopping does to each contact."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from airflow_provider_contacts.errors import InvalidRequest
from airflow_provider_contacts.hooks.base import ContactsHook
from airflow_provider_contacts.operators.stopping.actions import parse_actions
from airflow_provider_contacts.operators.stopping.plan import (
    StopPlan,
    list_other_contacts,
    plan_stop,
    read_references,
)
from airflow_provider_contacts.operators.stopping.suppressing import StopSuppressions
from airflow_provider_contacts.people.lookup import Person, PersonContact
from airflow_provider_contacts.safeguards.configuration import Safeguards
from tests.conftest import Sandbox


def contact(vendor: str, account_id: str, contact_id: str, *, is_present: bool = True) -> PersonContact:
    return PersonContact(vendor, account_id, contact_id, "email", "", is_present, {}, {})


REPLIED = contact("talktohumans", "101", "1")
TWIN = contact("talktohumans", "102", "1")
DUPLICATE = contact("talktohumans", "101", "2")
LEAD = contact("tether", "org", "3")
GONE = contact("tether", "org", "4", is_present=False)
CALLED = contact("thoughtly", "team", "5")
PERSON = Person("p", [REPLIED, DUPLICATE, TWIN, LEAD, GONE, CALLED], [REPLIED])


def plan(actions: Any, person: Person = PERSON, source: str = "") -> StopPlan:
    parsed = parse_actions("actions", actions)
    hooks: dict[str, ContactsHook[Any]] = {
        conn_id: ContactsHook.for_connection(conn_id) for conn_id in parsed
    }
    suppressions = StopSuppressions(Safeguards([], [], []), None, "", source, logging.getLogger("test"))
    return plan_stop([person], [], parsed, hooks, suppressions)


def test_other_contacts_are_all_but_the_one_that_replied() -> None:
    assert list_other_contacts(PERSON) == [DUPLICATE, TWIN, LEAD, GONE, CALLED]


def test_contacts_are_assigned_to_connections(sandbox: Sandbox) -> None:
    made = plan({"talktohumans_default": {"add_tags": "x"}, "tether_default": {"stage": "Lost"}})
    linkedin, leads = made.connections
    assert linkedin.contacts == [DUPLICATE, TWIN]
    assert [target.key for target in linkedin.updates.to_update] == [("101", "2"), ("102", "1")]
    assert leads.contacts == [LEAD]
    assert made.outcomes == {GONE.key: "removed", CALLED.key: "manual"}
    outcomes = {**made.outcomes, DUPLICATE.key: "updated", TWIN.key: "updated", LEAD.key: "failed"}
    [described] = made.describe_people(outcomes)
    assert (described["person_id"], described["matched_on"]) == ("p", ["email"])
    assert described["actions"][1:3] == [  # type: ignore[index]
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
    assert made.outcomes[TWIN.key] == "manual"


def test_references() -> None:
    found = read_references(
        [
            {"vendor": " talktohumans ", "account_id": None, "contact_id": 5, "email": "ada@example.com"},
            {"vendor": "talktohumans", "contact_id": "5"},
        ]
    )
    assert found == [{"vendor": "talktohumans", "account_id": "", "contact_id": "5"}]
    assert read_references({"vendor": "talktohumans", "contact_id": "5"}) == found
    assert read_references([]) == []


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


def test_stops_of_other_tasks_need_a_new_approval(sandbox: Sandbox) -> None:
    actions = {"tether_default": {"stage": "Lost"}}
    digest = parse_actions("actions", actions)["tether_default"].digest

    def count(source: str) -> int:
        stopped = PersonContact("tether", "org", "3", "", "", True, {}, {digest: "dag / task / run"})
        [connection] = plan(actions, Person("p", [REPLIED, stopped], [REPLIED]), source).connections
        assert connection.updates.to_update == []
        return len(connection.updates.changed_before)

    assert count("dag / task / run") == 1
    assert count("dag / task / another run") == 0
    assert count("") == 0
