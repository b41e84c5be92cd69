"""Conditions about one contact."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from airflow_provider_contacts.conditions import (
    Bounced,
    Clicked,
    Condition,
    HasPhone,
    InStage,
    InvitationPending,
    LastInteraction,
    Opened,
    Replied,
    Tagged,
    Unsubscribed,
)
from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.core.matching.parsing import parse_condition
from tests.strategies import NOW


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


def test_type_of_an_invitation_must_be_text() -> None:
    with pytest.raises(ValueError, match="`invitation_type` must be text"):
        InvitationPending(invitation_type="")


@pytest.mark.parametrize(
    ("condition", "fields", "value"),
    [
        (InvitationPending(), {"invitation_state": "Pending"}, True),
        (InvitationPending(), {"invitation_state": "Withdrawn"}, False),
        (InvitationPending(), {"invitation_state": "a state that is new"}, None),
        (InvitationPending(older_than=NOW), {"invited_at": NOW}, False),
        (InvitationPending(older_than="14d"), {"invited_at": NOW - timedelta(days=3000)}, True),
        (InvitationPending(older_than=NOW), {"invited_at": NOW + timedelta(days=1)}, False),
        (InvitationPending(older_than=NOW), {}, None),
        (InvitationPending(older_than=NOW), {"invitation_state": "accepted"}, False),
        (InvitationPending(invitation_type="sent"), {"invitation_type": "SENT"}, True),
        (InvitationPending(invitation_type="sent"), {"invitation_type": "received"}, False),
        (InvitationPending(invitation_type="sent"), {}, None),
        (InvitationPending(NOW, "sent"), {"invitation_type": "received"}, False),
    ],
)
def test_invitations(condition: Condition, fields: dict[str, Any], value: bool | None) -> None:
    contact = Contact("v", "", "1", **{"invitation_state": "pending", **fields})
    assert condition.evaluate(contact) is value


@pytest.mark.parametrize(
    ("condition", "days", "value"),
    [
        (LastInteraction(before=NOW), -1, True),
        (LastInteraction(before=NOW), 0, False),
        (LastInteraction(after=NOW), 1, True),
        (LastInteraction(after=NOW), 0, False),
        (LastInteraction(before=NOW, after=NOW - timedelta(days=2)), -1, True),
        (LastInteraction(before=NOW, after=NOW - timedelta(days=2)), -3, False),
        (LastInteraction(before="1d"), None, None),
    ],
)
def test_last_interaction(condition: Condition, days: int | None, value: bool | None) -> None:
    moment = None if days is None else NOW + timedelta(days=days)
    assert condition.evaluate(Contact("v", "", "1", last_interaction_at=moment)) is value


def test_last_interaction_needs_a_time() -> None:
    with pytest.raises(ValueError, match="set `before`, `after` or both"):
        LastInteraction()
    for after, before in (
        ("2026-03-01", "2026-03-01"),
        ("2026-04-01", "2026-03-01"),
        ("1d", "7d"),
        ("7d", "7d"),
    ):
        with pytest.raises(ValueError, match="`after` must be earlier than `before`"):
            LastInteraction(after=after, before=before)
    # It is empty today, but was not when it was written.
    LastInteraction(after="1d", before="2026-03-01")


def test_stages_take_nothing_but_names() -> None:
    with pytest.raises(TypeError):
        InStage("Interested", campaign="camp_spring")


def test_several_stages() -> None:
    condition = InStage("Interested", "Nurture")
    assert condition.names == ("Interested", "Nurture")
    assert condition.evaluate(Contact("v", "", "1", stage="nurture")) is True
    assert condition.evaluate(Contact("v", "", "1", stage="Lost")) is False
    assert condition == InStage(name=("Interested", "Nurture")) == InStage(name=["Interested", "Nurture"])
    assert parse_condition(condition.to_dict()) == condition
    assert condition.to_dict() == {"condition": "in_stage", "name": ["Interested", "Nurture"]}
    assert InStage("Interested").to_dict() == {"condition": "in_stage", "name": "Interested"}
    for bad in ((), ("",), (1,)):
        with pytest.raises((ValueError, TypeError), match="name"):
            InStage(*bad)


def test_unsubscribed() -> None:
    assert Unsubscribed().evaluate(Contact("v", "", "1", unsubscribed_at=NOW)) is True
    assert Unsubscribed().evaluate(Contact("v", "", "1")) is False
    assert Unsubscribed().evaluate(Contact("v", "", "1", unknown_fields=("unsubscribed_at",))) is None
