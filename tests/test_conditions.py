from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given

from airflow_provider_contacts.conditions import (
    SIMPLE_CONDITIONS,
    AllOf,
    AnyOf,
    Bounced,
    Clicked,
    Condition,
    Connected,
    HasPhone,
    InStage,
    InvitationPending,
    Not,
    Opened,
    Replied,
    Tagged,
    get_condition_name,
)
from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.core.condition_parsing import parse_condition
from tests.strategies import NOW, conditions, contacts


@given(conditions, conditions, contacts)
def test_three_valued_logic(one: Condition, other: Condition, contact: Contact) -> None:
    values = one.evaluate(contact), other.evaluate(contact)
    assert one.matches(contact) is (values[0] is True)
    assert (~one).evaluate(contact) == (None if values[0] is None else not values[0])
    assert (one & other).matches(contact) is (values == (True, True))
    assert (one | other).matches(contact) is (True in values)
    assert not (one.matches(contact) and (~one).matches(contact))
    if values[0] is None:
        assert not one.matches(contact)
        assert not (~one).matches(contact)
    assert (~(one & other)).evaluate(contact) == (~one | ~other).evaluate(contact)
    assert ~~one == one


def test_operators_are_flat() -> None:
    a, b, c = Replied(), HasPhone(), Tagged("x")
    assert (a & b & c).of == (a, b, c)
    assert (a | b | c).of == (a, b, c)
    assert isinstance(a & b | c, AnyOf)
    assert isinstance(~(a & b), Not)
    assert {get_condition_name(leaf) for leaf in (a & ~b | c).simple_conditions()} == {
        "replied",
        "has_phone",
        "tagged",
    }


def test_names() -> None:
    assert [get_condition_name(leaf) for leaf in SIMPLE_CONDITIONS] == [
        "replied",
        "invitation_pending",
        "connected",
        "tagged",
        "in_stage",
        "opened",
        "clicked",
        "bounced",
        "has_phone",
    ]


@pytest.mark.parametrize(
    ("fields", "since", "value"),
    [
        ({}, None, None),
        ({"replied": True}, None, True),
        ({"replied": False}, NOW, False),
        ({"replied": True}, NOW, None),
        ({"replied": True, "replied_at": NOW}, NOW, False),
        ({"replied": True, "replied_at": NOW + timedelta(seconds=1)}, NOW, True),
        ({"replied": True, "last_interaction_at": NOW + timedelta(seconds=1)}, NOW, None),
        ({"replied": True, "last_interaction_at": NOW}, NOW, False),
    ],
)
def test_replied(fields: dict[str, Any], since: datetime | None, value: bool | None) -> None:
    assert Replied(since).evaluate(Contact("v", "", "1", **fields)) is value


def test_interaction_that_may_count_as_a_reply() -> None:
    later = NOW + timedelta(seconds=1)
    counts = Replied(NOW, interaction_counts=True)
    assert counts.evaluate(Contact("v", "", "1", replied=True, last_interaction_at=later)) is True
    assert counts.evaluate(Contact("v", "", "1", replied=True, last_interaction_at=NOW)) is False
    assert counts.evaluate(Contact("v", "", "1", replied=True)) is None
    # The time of the reply is better evidence.
    contact = Contact("v", "", "1", replied=True, replied_at=NOW, last_interaction_at=later)
    assert counts.evaluate(contact) is False
    assert counts.to_dict() == {
        "condition": "replied",
        "since": "2026-01-02T00:00:00Z",
        "interaction_counts": True,
    }


def test_all_of_one() -> None:
    assert AllOf((Replied(),)).matches(Contact("v", "", "1", replied=True))


@pytest.mark.parametrize(
    ("condition", "field"),
    [
        (Tagged("Do not chase"), "tags"),
        (InStage("Interested"), "stage"),
        (HasPhone(), "phone"),
        (InvitationPending(), "invitation_state"),
        (Opened(), "opened_at"),
        (Clicked(), "clicked_at"),
        (Bounced(), "bounced_at"),
    ],
)
def test_unknown_fields_match_neither_way(condition: Condition, field: str) -> None:
    empty = Contact("v", "", "1")
    assert condition.evaluate(empty) is False
    unknown = Contact("v", "", "1", unknown_fields=(field,))
    assert condition.evaluate(unknown) is None
    assert not (~condition).matches(unknown)
    assert condition.evaluate(Contact.from_dict(unknown.to_dict())) is None
    other = Contact("v", "", "1", tags=("Do not chase",), unknown_fields=(field,))
    assert Tagged("Do not chase").matches(other)


@pytest.mark.parametrize("name", [5, None, "", " "])
def test_name_must_be_text(name: object) -> None:
    with pytest.raises(ValueError, match="`name` must be text"):
        Tagged(name)  # type: ignore[arg-type]


def test_python_mistakes_are_errors() -> None:
    with pytest.raises(TypeError, match="Combine them with &"):
        Replied() and Connected()
    with pytest.raises(TypeError, match="Combine them with &"):
        not Replied()
    for other in ("tagged:x", None, {"condition": "replied"}):
        with pytest.raises(TypeError):
            Replied() & other  # type: ignore[operator]
        with pytest.raises(TypeError):
            Replied() | other  # type: ignore[operator]


def test_since_accepts_times_and_dates() -> None:
    from datetime import date

    assert Replied(date(2026, 1, 2)) == Replied(NOW)  # type: ignore[arg-type]
    for bad in ("{{ ds }}", "yesterday", 5):
        with pytest.raises(ValueError, match="For text or a template, write"):
            Replied(bad)  # type: ignore[arg-type]


def test_pendulum_times() -> None:
    import pendulum

    moment = pendulum.datetime(2026, 3, 1, tz="Europe/Berlin")
    condition = Replied(since=moment)
    assert condition == Replied(since=datetime(2026, 2, 28, 23, tzinfo=timezone.utc))
    assert parse_condition(condition.to_dict()) == condition
    assert (
        parse_condition({"condition": "not", "of": {"condition": "replied", "since": moment}}) == ~condition
    )
