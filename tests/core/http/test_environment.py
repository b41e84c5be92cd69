"""Proxies and certificates from the environment."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from airflow_provider_contacts.errors import (
    ContactsError,
)
from tests.conftest import Read, Sandbox
from tests.scripted import Reply, ScriptedServer


def test_proxies_come_from_the_environment(
    connect: Callable[..., str], scripted: ScriptedServer, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted.replies = [Reply(body={"success": True, "data": {"contacts": [], "total": 0}})]
    monkeypatch.setenv("HTTP_PROXY", scripted.url)
    monkeypatch.setenv("http_proxy", scripted.url)
    conn_id = connect(
        "t", conn_type="tether", host="http://tether.example", password="p-a-s-s", extra={"allow_http": True}
    )
    assert read(conn_id) == []
    assert scripted.received[0].headers["host"] == "tether.example"


def test_no_proxy_for_loopback(
    sandbox: Sandbox, scripted: ScriptedServer, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted.replies = [Reply(status=500)]
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, scripted.url)
    assert len(read("talktohumans_default")) == 60
    assert scripted.received == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("HTTPS_PROXY", "foo://x"), ("HTTPS_PROXY", "http://x:99999"), ("REQUESTS_CA_BUNDLE", "/none")],
)
def test_bad_environment(
    name: str, value: str, tether: Callable[..., str], read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    monkeypatch.setenv(name.lower(), value)
    with pytest.raises(ContactsError):
        read(tether("https://tether.invalid", extra={"retry_limit": 0}))
