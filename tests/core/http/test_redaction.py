"""A vendor's words contain nothing that was sent."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_contacts.core.http.context import ConnectionContext
from airflow_provider_contacts.core.http.redaction import redact
from airflow_provider_contacts.core.request import Request
from airflow_provider_contacts.core.settings import Settings
from airflow_provider_contacts.hooks.talktohumans import TALKTOHUMANS

CONTEXT = ConnectionContext.create(
    TALKTOHUMANS,
    Settings(conn_id="c", base_url="https://api.example", login="the-login", password="the-key"),
)


def redacted(text: str, *params: tuple[str, str], json: Any = None, token: str | None = None) -> str:
    return redact(text, CONTEXT, Request("GET", "/x", params, json), token)


@given(
    st.text("abcXYZ0189 -._~:/?#&=+%éüŁДж", min_size=3, max_size=20),
    st.sampled_from([str, str.upper, str.lower, quote_plus, lambda value: quote(value, safe="")]),
    st.booleans(),
)
def test_sent_values_are_masked_however_they_are_written(value: str, write: Any, in_body: bool) -> None:
    echo = write(value)
    if in_body:
        said = redacted(f"before {echo} after", json={"key": [value]})
    else:
        said = redacted(f"before {echo} after", ("search", value))
    assert echo not in said or not echo.strip()


@pytest.mark.parametrize(
    "text",
    [
        "call +1 (212) 555-0123 now",
        "ada@engines.example is unknown",
        "for <ada@engines.example>",
        "tel:+12125550123",
        "Bearer the-key",
        "the-key",
        "THE-LOGIN",
        "t-o-k-e-n",
    ],
)
def test_personal_data_and_credentials_are_masked(text: str) -> None:
    said = redacted(text, token="t-o-k-e-n")
    assert "***" in said
    for secret in ("555", "ada", "engines", "the-key", "LOGIN", "t-o-k"):
        assert secret not in said


def test_ordinary_words_stay() -> None:
    text = "Field `limit` must be at most 25 (status 400)."
    assert redacted(text, ("a", "1"), ("b", "25")) == text


def test_one_printable_line_of_limited_length() -> None:
    assert redacted("a\n\tb\x1b[31m\x00c") == "a b [31m c"
    assert len(redacted("word " * 1000)) == 301


@pytest.mark.parametrize(
    "echo",
    [
        "O&#39;Brien &amp; Sons",
        "\\u004f'Brien",
        "O%27Brien%20%26%20Sons",
        "o'brien   &\n sons",
        "O'Brien & Son…",
        "[o, brien, sons]",
        "BRIEN",
    ],
)
def test_parts_of_a_sent_value_are_masked(echo: str) -> None:
    said = redacted(f"No match for {echo}", ("search", "O'Brien & Sons"))
    assert "brien" not in said.lower()
    assert " so" not in said.lower()
    assert said.startswith("No match for")


def test_text_inside_sent_json_is_masked() -> None:
    notes = '{"text": "Has cancer, ring wife"}'
    said = redacted("notes_json: unsupported node 'Has cancer'", json={"notes_json": notes})
    assert said == "notes_json: unsupported node '*** ***'"
