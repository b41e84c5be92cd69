from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_contacts.core.connection_form import ConnectionForm, FormField
from airflow_provider_contacts.core.settings import Settings, parse_connection
from airflow_provider_contacts.errors import (
    InvalidConnection,
)
from tests.conftest import Read
from tests.vendors import CASES

FORM = ConnectionForm(
    password_label="API key",
    host_placeholder="https://api.v.example",
    fields=(FormField(name="team_id", label="Team ID", description="The team."),),
)


def made(**parts: Any) -> Settings:
    return parse_connection(
        conn_id="c", vendor_title="V", form=FORM, default_url="https://api.v.example", **parts
    )


@pytest.mark.parametrize(
    ("parts", "url"),
    [
        ({}, "https://api.v.example"),
        ({"host": " "}, "https://api.v.example"),
        ({"host": "v.example"}, "https://v.example"),
        ({"host": "v.example", "port": 8443}, "https://v.example:8443"),
        ({"host": "https://v.example:1/", "port": 2}, "https://v.example:1"),
        ({"host": "https://v.example/a/b/"}, "https://v.example/a/b"),
        (
            {"host": "http://127.0.0.1", "port": 8765, "schema": "mailstand"},
            "http://127.0.0.1:8765/mailstand",
        ),
        ({"host": "http://[::1]:80"}, "http://[::1]:80"),
        ({"host": "::1", "schema": "http"}, "http://[::1]"),
        ({"host": "localhost", "schema": "http"}, "http://localhost"),
        ({"host": "http://v.example", "extra": {"allow_http": "true"}}, "http://v.example"),
        ({"host": "HTTPS://v.example"}, "https://v.example"),
    ],
)
def test_base_url(parts: dict[str, Any], url: str) -> None:
    assert made(**parts).base_url == url


@pytest.mark.parametrize(
    "host",
    [
        "ftp://v.example",
        "https://",
        "https://user:word@v.example",
        "https://v.example?key=word",
        "https://v.example#x",
        "https://v.example:port",
        "https://v. example",
        "http://v.example",
        "http://10.0.0.1",
        "http://127.0.0.1.example",
        "https://[::1",
    ],
)
def test_bad_host(host: str) -> None:
    with pytest.raises(InvalidConnection, match="Host of connection 'c'") as caught:
        made(host=host)
    assert "word" not in str(caught.value).replace("password", "")


def test_missing_host() -> None:
    with pytest.raises(InvalidConnection, match="Enter the URL of your V instance"):
        parse_connection(conn_id="c", vendor_title="V", form=FORM, default_url=None)


@pytest.mark.parametrize("name", ["timeout", "retry_limit", "requests_per_minute", "max_concurrency"])
@pytest.mark.parametrize("value", ["soon", "-1", -1, True, [], "nan", "1e999"])
def test_bad_number(name: str, value: Any) -> None:
    with pytest.raises(InvalidConnection, match=f"`{name}` in Extra of connection 'c' must be a"):
        made(extra={name: value})


def test_numbers_may_be_text() -> None:
    settings = made(
        extra={"timeout": "2.5", "retry_limit": "0", "requests_per_minute": "60", "max_concurrency": "1"}
    )
    assert (settings.timeout, settings.retry_limit) == (2.5, 0)
    assert (settings.requests_per_minute, settings.max_concurrency) == (60, 1)


def test_defaults() -> None:
    settings = made(extra={"timeout": "", "retry_limit": None})
    assert (settings.timeout, settings.retry_limit) == (30, 5)
    assert (settings.requests_per_minute, settings.max_concurrency) == (None, 4)


def test_boolean_option() -> None:
    with pytest.raises(InvalidConnection, match="`allow_http`"):
        made(host="http://v.example", extra={"allow_http": "perhaps"})


def test_key_with_a_line_break() -> None:
    with pytest.raises(InvalidConnection, match="line break"):
        made(password="word\nX-Injected: 1")


def test_repr_contains_no_secret() -> None:
    shown = repr(made(login="me@v.example", password="hidden", extra={"team_id": "hidden"}))
    assert "hidden" not in shown
    assert "me@" not in shown


@pytest.mark.parametrize(
    "host",
    [
        "https://.example.com",
        "https://*.example.com",
        "https://exa%zzmple",
        "https://a\x00b",
        "https://ex\\ample",
    ],
)
def test_invalid_hosts(host: str, connect: Callable[..., str], read: Read) -> None:
    with pytest.raises(InvalidConnection, match="Host of connection"):
        read(connect("t", **{**CASES["tether"].parts, "host": host}))
