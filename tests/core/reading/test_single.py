"""Reading one contact; tests/hooks/test_single.py has the vendors' responses."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from airflow_provider_contacts.core.http.client import Transport
from airflow_provider_contacts.core.reading.single import ContactReading
from airflow_provider_contacts.core.settings import Settings
from airflow_provider_contacts.errors import InvalidRequest, VendorUnavailable
from airflow_provider_contacts.hooks.tether import TETHER
from airflow_provider_contacts.hooks.thoughtly import THOUGHTLY
from tests.scripted import Reply, ScriptedServer

LOG = logging.getLogger("test")


@pytest.fixture
def read(scripted: ScriptedServer) -> Callable[[str], ContactReading]:
    """Return a function that reads a Thoughtly contact from the scripted server."""
    settings = Settings(
        conn_id="c", base_url=scripted.url, login="team", password="secret-of-the-test", retry_limit=0
    )
    transport = Transport(THOUGHTLY, settings, LOG)
    return lambda contact_id: ContactReading(transport, contact_id)


def test_ids_are_quoted(read: Callable[[str], ContactReading], scripted: ScriptedServer) -> None:
    scripted.replies = [Reply(body={"data": {"id": "a/b?c"}})]
    contact = read("a/b?c").get()
    assert (contact.contact_id, contact.account_id) == ("a/b?c", "team")
    assert scripted.received[0].path == "/contact/a%2Fb%3Fc"


def test_an_error_in_the_body(read: Callable[[str], ContactReading], scripted: ScriptedServer) -> None:
    scripted.replies = [Reply(body={"data": {}, "error": {"message": "down"}})]
    with pytest.raises(Exception, match="down"):
        read("1").get()


def test_an_outage(read: Callable[[str], ContactReading], scripted: ScriptedServer) -> None:
    scripted.replies = [Reply(status=503)]
    with pytest.raises(VendorUnavailable):
        read("1").get()


def test_a_malformed_id_sends_nothing(scripted: ScriptedServer) -> None:
    settings = Settings(conn_id="c", base_url=scripted.url, password="secret-of-the-test")
    with pytest.raises(InvalidRequest):
        ContactReading(Transport(TETHER, settings, LOG), "../login")
    assert scripted.received == []
