"""Proxies and certificates from the environment."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from airflow_provider_contacts.errors import (
    ContactsError,
    InvalidConnection,
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


@pytest.mark.parametrize("value", ["foo://x", "http://x:99999"])
def test_bad_proxy(
    value: str, tether: Callable[..., str], read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", value)
    monkeypatch.setenv("https_proxy", value)
    with pytest.raises(ContactsError, match=r"environment names cannot be used|InvalidURL|connection failed"):
        read(tether("https://tether.invalid", extra={"retry_limit": 0}))


def test_missing_ca_file(sandbox: Sandbox, read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/none")
    with pytest.raises(InvalidConnection, match="The CA file that the environment names .* does not exist"):
        read("talktohumans_default")
    assert not sandbox.requests("talktohumans")
