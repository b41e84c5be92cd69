"""What an update does to each contact."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_contacts.core.changes import parse_stage_change
from airflow_provider_contacts.core.updates.targets import Target
from airflow_provider_contacts.core.validation import TableLocation
from airflow_provider_contacts.errors import InvalidRequest
from airflow_provider_contacts.hooks.mailstand import MAILSTAND
from airflow_provider_contacts.hooks.tether import TETHER
from airflow_provider_contacts.operators.updating.plan import (
    Gate,
    UpdatePlan,
    is_satisfied,
    list_references,
    plan_updates,
)
from airflow_provider_contacts.safeguards.configuration import Safeguards
from airflow_provider_contacts.safeguards.suppressions import open_suppressions
from tests.database import Database

CHANGE = parse_stage_change("Won")


def target(number: int, **fields: object) -> Target:
    return Target("o", str(number), fields, CHANGE)


def ids(targets: list[Target]) -> list[str]:
    return [one.contact_id for one in targets]


def test_suppressed_contacts_are_not_updated() -> None:
    plan = UpdatePlan([target(1)], [target(2), target(3, url="https://a.example"), target(4)], {2})
    assert ids(plan.to_update) == ["2", "3"]
    assert ids(plan.suppressed) == ["4"]
    assert plan.first_url is None
    assert UpdatePlan([target(1, url="https://a.example")], [], ()).first_url == "https://a.example"


def test_contacts_are_divided() -> None:
    targets = [target(1), target(2, stage="won"), target(3), target(4, stage="Won")]
    plan = plan_updates(targets, is_satisfied)
    assert ids([*plan.unchanged]) == ["2", "4"]
    assert ids([*plan.pending]) == ids(plan.to_update) == ["1", "3"]


def test_contacts_that_are_held_back_are_not_updated() -> None:
    plan = UpdatePlan([], [target(1), target(2), target(3)], {0}, {2})
    assert ids(plan.to_update) == ["2"]
    assert (ids(plan.suppressed), ids(plan.unchecked)) == (["1"], ["3"])


class TestGate:
    @pytest.fixture
    def safeguards(self, database: Database, secret: str) -> Safeguards:
        """Suppress the contact 1."""
        location = TableLocation(database.conn_id, "contact_suppressions")
        with open_suppressions(location, secret, create=True) as suppressions:
            keys = [["reference:tether/1", "email:ada@example.com"]]
            suppressions.add(keys, scope="all", reason="test", source="test", until=None)
        return Safeguards([(location, secret)], [], [], [])

    def test_contacts_are_held_back(self, safeguards: Safeguards) -> None:
        plan = plan_updates(
            [target(1, email="eve@example.com"), target(2, email="bob@example.com")], is_satisfied
        )
        held = Gate(safeguards, TETHER, None).hold(plan)
        assert (ids(held.suppressed), ids(held.to_update)) == (["1"], ["2"])

    @pytest.mark.parametrize("policy", [None, "fail", "skip", "allow"])
    def test_contacts_that_cannot_be_checked(self, policy: Any, safeguards: Safeguards) -> None:
        """Nothing but a reference is known of one contact, and the values of another cannot be read."""
        targets = [target(2), target(3, email="n/a", phone="none", linkedin_url=None), target(1)]
        gate = Gate(safeguards, TETHER, policy)
        if policy in (None, "fail"):
            with pytest.raises(InvalidRequest, match="2 of 3 contacts cannot be checked against the suppr"):
                gate.hold(plan_updates(targets, is_satisfied))
            return
        held = gate.hold(plan_updates(targets, is_satisfied))
        assert ids(held.suppressed) == ["1"]
        assert ids(held.unchecked) == (["2", "3"] if policy == "skip" else [])

    def test_by_default_complete_contacts_without_a_key_are_skipped(self, safeguards: Safeguards) -> None:
        plan = plan_updates([target(3, email=None, phone=None)], is_satisfied)
        assert ids(Gate(safeguards, TETHER, None).hold(plan).unchecked) == ["3"]

    def test_a_change_that_only_stops_is_never_held_back(self, safeguards: Safeguards) -> None:
        change = parse_stage_change("do not contact", "all")
        targets = [Target("o", "1", {}, change), Target("o", "2", {}, change)]
        assert Gate(safeguards, MAILSTAND, "fail").judge(targets, [0, 1]) == (set(), set())

    @pytest.mark.parametrize("leave_opt_out", [False, True])
    def test_no_contact_leaves_an_opt_out_stage(self, leave_opt_out: bool) -> None:
        change = parse_stage_change("Interested", "all")
        targets = [
            Target("o", "1", {"stage": "do not contact"}, change),
            Target("o", "2", {"stage": "Nurture"}, change),
        ]
        gate = Gate(Safeguards([], [], [], []), MAILSTAND, None, leave_opt_out)
        assert gate.judge(targets, [0, 1]) == (set() if leave_opt_out else {0}, set())


def test_satisfied() -> None:
    assert is_satisfied(target(1, stage="won"))
    assert not is_satisfied(target(1, stage="Lost"))
    assert not is_satisfied(target(1))


def test_references() -> None:
    assert list_references("tether", [target(7)]) == [
        {"vendor": "tether", "account_id": "o", "contact_id": "7"}
    ]
