"""Conditions as JSON and as text."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from airflow_provider_contacts.conditions import (
    AllOf,
    Condition,
    HasPhone,
    InStage,
    Replied,
    Tagged,
)
from airflow_provider_contacts.core.matching.parsing import parse_condition
from airflow_provider_contacts.errors import InvalidRequest
from tests.strategies import NOW, conditions


@given(conditions)
def test_json_round_trip(condition: Condition) -> None:
    assert parse_condition(condition.to_dict()) == condition
    import json

    assert parse_condition(json.loads(json.dumps(condition.to_dict()))) == condition


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"condition": "tagd"}, "^Unknown condition `tagd`. Did you mean `tagged`?"),
        ({"condition": "xyz"}, "^Unknown condition `xyz`. Known conditions: replied, "),
        ({"condition": "not", "of": "replied"}, "Expected `object`, got `str`"),
        ({"condition": "tagged"}, "missing required field `name`"),
        ({"condition": "tagged", "name": " "}, "`name` must be text"),
        (
            {"condition": "tagged", "name": "a", "colour": "red"},
            "`tagged` has an unknown field `colour`. It takes `name`.",
        ),
        (
            {"condition": "tagged", "names": "a"},
            "`tagged` has an unknown field `names`. Did you mean `name`?",
        ),
        ({"condition": "opened", "name": "a"}, "`opened` has an unknown field `name`. It takes no fields."),
        ({"condition": "all", "of": []}, "`of` must not be empty"),
        ({"condition": "any", "of": {"condition": "replied"}}, "Expected `array`"),
        (
            {"condition": "replied", "since": "yesterday"},
            "^The condition `replied`: `since` must be a time such as",
        ),
        ({"condition": "not", "of": {"condition": "replied", "since": ""}}, "must be a time such as"),
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
        ("Replied", Replied()),
        ("HasPhone", HasPhone()),
        ("InStage:Nurture", InStage("Nurture")),
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


def test_date_means_its_first_moment() -> None:
    form = {"condition": "not", "of": {"condition": "replied", "since": " 2026-01-02 "}}
    assert parse_condition(form) == ~Replied(NOW)
    assert parse_condition({"condition": "all", "of": [form]}) == AllOf((~Replied(NOW),))
    assert parse_condition("replied:2026-01-02") == Replied(NOW)
    for bad in ("2026-13-02", "2026-01", "02.01.2026", "2026-01-02\n2026-01-03"):
        with pytest.raises(InvalidRequest):
            parse_condition(f"replied:{bad}")


def test_text_form() -> None:
    assert parse_condition("tagged:VIP") == Tagged("VIP")
    assert parse_condition('{"condition": "not", "of": {"condition": "replied"}}') == ~Replied()


@pytest.mark.parametrize(
    ("form", "hint"),
    [
        ({"condition": "taged", "name": "x"}, "Did you mean `tagged`?"),
        ("repiled", "Unknown condition `repiled`. Did you mean `replied`?"),
        (
            {"condition": "any", "of": [{"condition": "replied"}, {"condition": "openned"}]},
            "Did you mean `opened`?",
        ),
        ({"condition": "ada@secret.test"}, "Unknown condition. Known conditions: "),
        ({"condition": "Tell ada secret"}, "Unknown condition. Known conditions: "),
        ({"condition": "tagged", "ada@secret.test": 1}, "has an unknown field. It takes `name`."),
        ({"condition": "tagged", "name": "x", "ada@secret.test": 1}, "has an unknown field. It takes"),
        ('{"condition": "replied"', "is not valid JSON"),
        ("~replied", "Text has no negation. Use JSON"),
        ("!tagged:VIP", "Text has no negation. Use JSON"),
    ],
)
def test_messages_about_bad_conditions(form: Any, hint: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_condition(form)
    assert hint in str(caught.value)
    assert "secret" not in str(caught.value)
