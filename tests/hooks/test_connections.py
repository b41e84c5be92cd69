"""From an Airflow connection to settings."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_contacts.errors import (
    InvalidConnection,
)
from airflow_provider_contacts.hooks.mailstand import MailstandHook
from airflow_provider_contacts.hooks.tether import TetherHook
from tests.conftest import Sandbox


def test_hook_of_another_vendor(sandbox: Sandbox) -> None:
    with pytest.raises(InvalidConnection, match="has the type 'tether', but Mailstand needs 'mailstand'"):
        MailstandHook("tether_default").list_contacts()


@pytest.mark.parametrize("extra", ["not json", "[1]", '"x"'])
def test_extra_must_be_an_object(extra: str, monkeypatch: pytest.MonkeyPatch, connect: Any) -> None:
    connect("broken", conn_type="tether", host="https://tether.example", password="p", extra=extra)
    with pytest.raises(InvalidConnection, match="Extra of connection 'broken' is not a JSON object"):
        TetherHook("broken").list_contacts()


def test_connection_as_a_uri(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    address = sandbox.url.removeprefix("http://").replace("/", "%2F")
    monkeypatch.setenv(
        "AIRFLOW_CONN_BY_URI",
        f"mailstand://http://:sandbox-key@{address.split('%2F')[0]}/{address.split('%2F')[1]}%2Fmailstand?workspace=space_sandbox",
    )
    assert len(list(MailstandHook("by_uri").list_contacts())) == 60
