"""Checks for arguments."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_contacts.core.validation import (
    closest,
    did_you_mean,
    is_encodable,
    is_int,
    parse_bool,
    parse_int,
    parse_optional_int,
)
from airflow_provider_contacts.errors import InvalidRequest


@pytest.mark.parametrize("value", [True, "true", " True ", "TRUE"])
def test_true(value: Any) -> None:
    assert parse_bool("x", value) is True


@pytest.mark.parametrize("value", [False, None, "", " ", "None", "false", "FALSE"])
def test_false(value: Any) -> None:
    assert parse_bool("x", value) is False


@pytest.mark.parametrize("value", [0, 1, "yes", "1", [], {}, 0.0])
def test_neither_true_nor_false(value: Any) -> None:
    with pytest.raises(InvalidRequest, match="`x` must be true or false"):
        parse_bool("x", value)


@given(st.integers(1, 10**30))
def test_numbers_are_read_from_text(number: int) -> None:
    assert parse_int("x", f" {number} ") == parse_int("x", number) == number


@pytest.mark.parametrize("value", [None, "", "  ", "None"])
def test_empty_number(value: Any) -> None:
    assert parse_optional_int("x", value) is None
    with pytest.raises(InvalidRequest, match="`x` must be a whole number of at least 1, but it is empty"):
        parse_int("x", value)


@pytest.mark.parametrize("value", [0, -1, "0", "-1", "1.0", 1.0, True, "one", "²", "١", []])
def test_not_a_number(value: Any) -> None:
    with pytest.raises(InvalidRequest, match="`x` must be a whole number of at least 1"):
        parse_optional_int("x", value)


def test_minimum() -> None:
    assert parse_int("x", "0", minimum=0) == 0
    with pytest.raises(InvalidRequest, match="at least 5"):
        parse_int("x", 4, minimum=5)


def test_booleans_are_not_numbers() -> None:
    assert is_int(1)
    assert not is_int(True)
    assert not is_int(1.0)


@given(st.text(st.characters(exclude_categories=())))
def test_encodable_text_has_no_lone_surrogate(text: str) -> None:
    assert is_encodable(text) == (not any(0xD800 <= ord(char) < 0xE000 for char in text))


def test_suggestions() -> None:
    assert did_you_mean("serach", ["search", "stage"]) == " Did you mean `search`?"
    assert did_you_mean("nothing alike", ["search", "stage"]) == ""
    assert closest("stge", {"stage", "search"}) == "stage"
    assert closest("", []) is None
