"""What an update does to each contact."""

from __future__ import annotations

from airflow_provider_contacts.core.changes import parse_stage_change
from airflow_provider_contacts.core.updates.targets import Target
from airflow_provider_contacts.operators.updating.plan import UpdatePlan, is_satisfied

CHANGE = parse_stage_change("Won")


def target(number: int, **fields: object) -> Target:
    return Target("o", str(number), fields, CHANGE)


def test_plan() -> None:
    plan = UpdatePlan([target(1)], [target(2), target(3, url="https://a.example"), target(4)], {2})
    assert [one.contact_id for one in plan.to_update] == ["2", "3"]
    assert [one.contact_id for one in plan.suppressed] == ["4"]
    result = plan.to_result("tether")
    assert {name: [one["contact_id"] for one in found] for name, found in result.items()} == {
        "updated": [],
        "unchanged": ["1"],
        "suppressed": ["4"],
        "failed": [],
    }


def test_satisfied() -> None:
    assert is_satisfied(target(1, stage="won"))
    assert not is_satisfied(target(1, stage="Lost"))
    assert not is_satisfied(target(1))
