"""What an update does to each contact."""

from __future__ import annotations

import logging

from airflow_provider_contacts.core.changes import parse_stage_change
from airflow_provider_contacts.core.updates.targets import Target
from airflow_provider_contacts.operators.updating.plan import (
    UpdatePlan,
    find_suppressed,
    is_satisfied,
    list_references,
    plan_updates,
)
from airflow_provider_contacts.safeguards.configuration import Safeguards

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
    plan = plan_updates(targets, {"1", "2"}, is_satisfied, lambda change: False)
    assert ids([*plan.unchanged]) == ["2", "4"]
    assert ids([*plan.pending]) == ["1", "3"]
    assert ids(plan.suppressed) == ["1"]
    assert ids(plan.to_update) == ["3"]
    allowed = plan_updates(targets, {"1", "2"}, is_satisfied, lambda change: change == CHANGE)
    assert ids(allowed.to_update) == ["1", "3"]
    assert allowed.suppressed == []


def test_satisfied() -> None:
    assert is_satisfied(target(1, stage="won"))
    assert not is_satisfied(target(1, stage="Lost"))
    assert not is_satisfied(target(1))


def test_references() -> None:
    assert list_references("tether", [target(7)]) == [
        {"vendor": "tether", "account_id": "o", "contact_id": "7"}
    ]


def test_without_a_table_nothing_is_suppressed() -> None:
    assert find_suppressed(Safeguards([], [], []), [target(1)], "tether", logging.getLogger("test")) == set()
