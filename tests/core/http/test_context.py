"""What is derived from a connection before the first request."""

from __future__ import annotations

import pytest

from airflow_provider_contacts.errors import (
    InvalidConnection,
)
from airflow_provider_contacts.hooks.base import ContactsHook
from tests.conftest import Read, Sandbox
from tests.leaks import everything_about


@pytest.mark.parametrize("vendor", ["talktohumans", "thoughtly", "tether"])
@pytest.mark.parametrize("key", ["ключ", "clé-secret"])
def test_key_that_cannot_be_sent_in_a_header(vendor: str, key: str, sandbox: Sandbox, read: Read) -> None:
    login = {"login": ""} if vendor == "tether" else {}
    conn_id = sandbox.connect(vendor, password=key, **login)
    with pytest.raises(InvalidConnection, match="Check the field") as caught:
        read(conn_id)
    assert key not in everything_about(caught.value)
    worked, message = ContactsHook.for_connection(conn_id).test_connection()
    assert not worked
    assert "Check the field" in message
