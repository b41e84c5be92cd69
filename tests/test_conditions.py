from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    name_of,
)
from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.core.condition_parsing import parse_condition
from airflow_provider_contacts.errors import InvalidRequest

NOW = datetime(2026, 1, 2, tzinfo=timezone.utc)
times = st.none() | st.sampled_from([NOW, NOW - timedelta(days=5), NOW + timedelta(days=5)])
leaves: st.SearchStrategy[Condition] = st.one_of(
    st.builds(Replied, since=times),
    st.sampled_from([InvitationPending(), Connected(), Opened(), Clicked(), Bounced(), HasPhone()]),
    st.builds(Tagged, name=st.sampled_from(["VIP", "vip", "Möglich"])),
    st.builds(InStage, name=st.sampled_from(["Interested", "INTERESTED", "Straße", "STRASSE"])),
)
conditions: st.SearchStrategy[Condition] = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(lambda a, b: a & b, inner, inner),
        st.builds(lambda a, b: a | b, inner, inner),
        st.builds(lambda a: ~a, inner),
    ),
    max_leaves=6,
)
contacts = st.builds(
    Contact,
    vendor=st.just("v"),
    account_id=st.just(""),
    contact_id=st.just("1"),
    replied=st.none() | st.booleans(),
    replied_at=times,
    last_interaction_at=times,
    opened_at=times,
    clicked_at=times,
    bounced_at=times,
    phone=st.none() | st.just("+1"),
    tags=st.sampled_from([(), ("VIP",), ("Möglich", "x")]),
    stage=st.none() | st.sampled_from(["interested", "STRASSE"]),
    invitation_state=st.none() | st.sampled_from(["PENDING", "accepted", "sent"]),
    unknown_fields=st.lists(
        st.sampled_from(
            ["tags", "stage", "phone", "invitation_state", "opened_at", "clicked_at", "bounced_at"]
        )
    ).map(tuple),
)


@given(conditions)
def test_json_round_trip(condition: Condition) -> None:
    assert parse_condition(condition.to_dict()) == condition
    import json

    assert parse_condition(json.loads(json.dumps(condition.to_dict()))) == condition


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
    assert {name_of(leaf) for leaf in (a & ~b | c).simple_conditions()} == {"replied", "has_phone", "tagged"}


def test_names() -> None:
    assert [name_of(leaf) for leaf in SIMPLE_CONDITIONS] == [
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
    ("form", "message"),
    [
        ({"condition": "tagd"}, "Known conditions: replied"),
        ({"condition": "tagged"}, "missing required field `name`"),
        ({"condition": "tagged", "name": " "}, "`name` must be text"),
        ({"condition": "tagged", "name": "a", "colour": "red"}, "unknown name or field"),
        ({"condition": "all", "of": []}, "`of` must not be empty"),
        ({"condition": "any", "of": {"condition": "replied"}}, "Expected `array`"),
        ({"condition": "replied", "since": "yesterday"}, "must be a time such as"),
        ({"name": "VIP"}, "missing required field `condition`"),
        (["replied"], "Expected `object`"),
        (5, "Expected `object`"),
    ],
)
def test_invalid_conditions(form: Any, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        parse_condition(form)


def test_messages_contain_no_values() -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_condition({"condition": "someone@example.com"})
    assert "someone" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("replied", Replied()),
        ("replied:2026-01-02T00:00:00Z", Replied(NOW)),
        ("replied:2026-01-02T00:00:00", Replied(NOW)),
        ("tagged:Hot lead", Tagged("Hot lead")),
        ("tagged:a:b", Tagged("a:b")),
        (" in_stage : Not Interested ", InStage("Not Interested")),
        ('{"condition": "not", "of": {"condition": "has_phone"}}', ~HasPhone()),
    ],
)
def test_command_line_form(text: str, condition: Condition) -> None:
    assert parse_condition(text) == condition


@pytest.mark.parametrize("text", ["", "tagged", "tagged:", "opened:x", "{", "has phone"])
def test_bad_command_line_form(text: str) -> None:
    with pytest.raises(InvalidRequest):
        parse_condition(text)


@pytest.mark.parametrize(
    ("fields", "since", "value"),
    [
        ({}, None, None),
        ({"replied": True}, None, True),
        ({"replied": False}, NOW, False),
        ({"replied": True}, NOW, None),
        ({"replied": True, "replied_at": NOW}, NOW, False),
        ({"replied": True, "replied_at": NOW + timedelta(seconds=1)}, NOW, True),
        ({"replied": True, "last_interaction_at": NOW + timedelta(seconds=1)}, NOW, True),
    ],
)
def test_replied(fields: dict[str, Any], since: datetime | None, value: bool | None) -> None:
    assert Replied(since).evaluate(Contact("v", "", "1", **fields)) is value


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


def test_date_means_its_first_moment() -> None:
    form = {"condition": "not", "of": {"condition": "replied", "since": " 2026-01-02 "}}
    assert parse_condition(form) == ~Replied(NOW)
    assert parse_condition({"condition": "all", "of": [form]}) == AllOf((~Replied(NOW),))
    assert parse_condition("replied:2026-01-02") == Replied(NOW)
    for bad in ("2026-13-02", "2026-01", "02.01.2026", "2026-01-02\n2026-01-03"):
        with pytest.raises(InvalidRequest):
            parse_condition(f"replied:{bad}")


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


def test_text_form() -> None:
    assert parse_condition("tagged:VIP") == Tagged("VIP")
    assert parse_condition('{"condition": "not", "of": {"condition": "replied"}}') == ~Replied()


@pytest.mark.parametrize(
    ("form", "hint"),
    [
        ({"condition": "taged", "name": "x"}, "Did you mean `tagged`?"),
        ("Replied", "Did you mean `replied`?"),
        (
            {"condition": "any", "of": [{"condition": "replied"}, {"condition": "openned"}]},
            "Did you mean `opened`?",
        ),
        ({"condition": "ada@secret.test"}, "unknown name or field. Write for example"),
        ({"condition": "tagged", "ada@secret.test": 1}, "Invalid condition"),
        ({"condition": "tagged", "name": "x", "ada@secret.test": 1}, "Invalid condition"),
        ('{"condition": "replied"', "is not valid JSON"),
    ],
)
def test_messages_about_bad_conditions(form: Any, hint: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_condition(form)
    assert hint in str(caught.value)
    assert "secret" not in str(caught.value)
