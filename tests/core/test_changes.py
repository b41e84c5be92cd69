"""Changes are checked before any request."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.core.changes import (
    parse_notes_change,
    parse_stage_change,
    parse_tag_change,
)
from airflow_provider_contacts.errors import InvalidRequest
from tests.strategies import anything

names = st.sampled_from(["a", "b", "c", "Möglich"])


def contact(*tags: str, **fields: Any) -> dict[str, Any]:
    return Contact("v", "", "1", tags=tags, **fields).to_dict()


@given(st.lists(names, unique=True), st.lists(names, unique=True), st.lists(names, unique=True))
def test_satisfied_means_that_nothing_would_change(
    have: list[str], add: list[str], remove: list[str]
) -> None:
    try:
        change = parse_tag_change(add, remove)
    except InvalidRequest:
        assert set(add) & set(remove) or (not add and not remove)
        return
    after = (set(have) | set(add)) - set(remove)
    assert change.is_satisfied_by(contact(*have)) == (after == set(have))


@given(st.lists(names, unique=True), st.lists(names, unique=True))
def test_replacing_is_satisfied_by_the_same_tags_only(have: list[str], wanted: list[str]) -> None:
    assert parse_tag_change(replace=wanted).is_satisfied_by(contact(*have)) == (set(have) == set(wanted))


def test_unknown_tags_never_satisfy_a_change() -> None:
    assert not parse_tag_change("a").is_satisfied_by(contact("a", unknown_fields=("tags",)))
    assert not parse_tag_change({"name": "a", "color": "red"}).is_satisfied_by(contact("a"))
    for fields in ({}, {"tags": None}, {"tags": "a"}, {"tags": [{"name": "a"}]}):
        assert not parse_tag_change("a").is_satisfied_by(fields)


@given(anything, anything, anything)
def test_any_value_is_a_change_or_an_invalid_request(add: Any, remove: Any, replace: Any) -> None:
    try:
        change = parse_tag_change(add, remove, replace)
    except InvalidRequest:
        return
    assert str(change)
    assert json.dumps(change.to_json())


def test_text_form() -> None:
    assert str(parse_tag_change(["a"], ["b", "c"])) == "add 'a', remove 'b', 'c'"
    assert str(parse_tag_change(replace=[])) == "replace all tags with none"
    assert str(parse_stage_change("Won", "all")) == "move to stage 'Won' in all campaigns"
    assert str(parse_notes_change(None)) == "clear the notes"
    assert "secret" not in str(parse_notes_change({"secret": 1})) + repr(parse_notes_change({"secret": 1}))


@pytest.mark.parametrize("text", ["['a', 'b']", "[]", ' ["a"] '])
def test_list_rendered_as_text(text: str) -> None:
    with pytest.raises(InvalidRequest, match="render_template_as_native_obj=True"):
        parse_tag_change(text)


@given(anything)
def test_notes_are_json(value: Any) -> None:
    try:
        change = parse_notes_change(value)
    except InvalidRequest:
        assert isinstance(value, str)
        return
    if value in (None, ""):
        assert change.notes is None
    else:
        assert json.loads(change.notes or "") == (json.loads(value) if isinstance(value, str) else value)
    assert not change.is_satisfied_by(contact())


@pytest.mark.parametrize(
    ("stage", "campaign"), [("", None), ("  ", None), (5, None), (None, None), ("x", ""), ("x", 5)]
)
def test_bad_stage(stage: Any, campaign: Any) -> None:
    with pytest.raises(InvalidRequest, match="`stage` must be|`campaign` must be"):
        parse_stage_change(stage, campaign)


def test_stage_is_compared_without_case() -> None:
    assert parse_stage_change(" won ").is_satisfied_by(contact(stage="Won"))
    assert not parse_stage_change("won").is_satisfied_by(contact(stage=None))
    # Mailstand keeps one stage per campaign, and a listing shows only one of them.
    assert not parse_stage_change("won", "all").is_satisfied_by(contact(stage="Won"))
