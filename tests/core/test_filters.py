from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_contacts.core.filters import to_query, validate_filters
from airflow_provider_contacts.errors import (
    InvalidRequest,
)
from airflow_provider_contacts.hooks.mailstand import MailstandFilters
from airflow_provider_contacts.hooks.talktohumans import TalkToHumansFilters
from airflow_provider_contacts.hooks.tether import TetherFilters
from airflow_provider_contacts.hooks.thoughtly import ThoughtlyFilters
from tests.conftest import Read, Sandbox
from tests.leaks import everything_about


def query(filters: dict[str, Any], declared: type) -> list[tuple[str, str]]:
    return to_query(validate_filters(filters, declared, "V"))


@pytest.mark.parametrize("value", [True, "true", "True", "TRUE", "1", 1])
def test_true(value: Any) -> None:
    assert query({"has_replied": value}, MailstandFilters) == [("has_replied", "true")]


@pytest.mark.parametrize("value", [False, "false", "False", "0", 0])
def test_false(value: Any) -> None:
    assert query({"has_replied": value}, MailstandFilters) == [("has_replied", "false")]


@pytest.mark.parametrize("value", ["yes", "on", 2, "2", "truee", [True]])
def test_neither(value: Any) -> None:
    with pytest.raises(InvalidRequest, match="`has_replied` must be true or false"):
        query({"has_replied": value}, MailstandFilters)


@pytest.mark.parametrize(
    ("value", "sent"),
    [(42, ["42"]), ("42", ["42"]), (["1", 2], ["1", "2"]), (("1", "2"), ["1", "2"])],
)
def test_ids(value: Any, sent: list[str]) -> None:
    assert query({"account_id": value}, TalkToHumansFilters) == [("account_id", one) for one in sent]


@pytest.mark.parametrize(
    "value", ["0", "042", "-1", "4 2", "42\n", "4.0", 4.5, "４２", [[1]], {"a": 1}, "1,x"]
)
def test_bad_ids(value: Any) -> None:
    with pytest.raises(InvalidRequest, match="a decimal id"):
        query({"account_id": value}, TalkToHumansFilters)


@pytest.mark.parametrize("value", ["space_1\n", "camp_1", "space_", "space_1&has_replied=true"])
def test_bad_workspace(value: str) -> None:
    with pytest.raises(InvalidRequest, match="a workspace id"):
        query({"workspace": value}, MailstandFilters)


def test_lists_repeat_the_key_and_commas_are_text() -> None:
    assert query({"tags": ["a,b", "c&d=e"]}, ThoughtlyFilters) == [("tags", "a,b"), ("tags", "c&d=e")]
    assert query({"tags": "one"}, ThoughtlyFilters) == [("tags", "one")]


@pytest.mark.parametrize("value", [{"start": "2026-01-01"}, '{"start": "2026-01-01"}'])
def test_ranges_are_json_text(value: Any) -> None:
    [(name, sent)] = query({"dateRange": value}, TetherFilters)
    assert (name, json.loads(sent)) == ("dateRange", {"start": "2026-01-01"})


@pytest.mark.parametrize("value", ["2026-01-01", "[1]", "{}", "{", 5, ["a"], '"a"'])
def test_bad_ranges(value: Any) -> None:
    with pytest.raises(InvalidRequest, match="`dateRange` must be a JSON object"):
        query({"dateRange": value}, TetherFilters)


def test_stage_in_another_spelling_is_suggested() -> None:
    with pytest.raises(InvalidRequest, match="Did you mean 'Not Interested'"):
        query({"stage": "not_interested"}, MailstandFilters)


def test_a_misspelled_filter_is_suggested() -> None:
    with pytest.raises(InvalidRequest, match="Did you mean `tag`"):
        query({"tags": "VIP"}, TalkToHumansFilters)


@given(
    st.dictionaries(
        st.text(max_size=20) | st.sampled_from(["search", "stage", "workspace", "has_replied"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda inner: (
                st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
            ),
            max_leaves=5,
        ),
        max_size=4,
    )
)
def test_any_filter_is_sent_as_text_or_rejected(filters: dict[str, Any]) -> None:
    try:
        params = query(filters, MailstandFilters)
    except InvalidRequest:
        return
    assert {name for name, _ in params} == set(filters)
    assert all(isinstance(value, str) and value for _, value in params)


@pytest.mark.parametrize("text", ["\ud800", "Lovelace\udfff"])
@pytest.mark.parametrize("name", ["search", "dateRange"])
def test_unencodable_text_is_rejected(text: str, name: str, sandbox: Sandbox, read: Read) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read("tether_default", {name: text if name == "search" else {"start": text}})
    assert "Lovelace" not in everything_about(caught.value)
    assert not sandbox.requests("tether")


@pytest.mark.parametrize("value", [{"a": object()}, {"a": float("nan")}, {"a": b"x"}, {"a": {1, 2}}])
def test_ranges_must_be_json(value: Any, sandbox: Sandbox, read: Read) -> None:
    with pytest.raises(InvalidRequest, match="`dateRange` must be a JSON object"):
        read("tether_default", {"dateRange": value})


def test_filters_as_text_mention_native_templates() -> None:
    with pytest.raises(InvalidRequest, match="`filters` is text.*render_template_as_native_obj=True"):
        validate_filters("{'stage': 'Interested'}", MailstandFilters, "Mailstand")  # type: ignore[arg-type]
