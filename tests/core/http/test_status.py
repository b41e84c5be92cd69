"""Which error a response becomes, and when it may be retried."""

from __future__ import annotations

import email.utils
import time
from collections.abc import Callable

import pytest

from airflow_provider_contacts.core.http.status import parse_retry_after
from airflow_provider_contacts.errors import NotFound
from tests.conftest import Read, Sandbox
from tests.scripted import Reply, ScriptedServer
from tests.tether import page


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("5", 5),
        ("0", 0),
        ("2.5", 2.5),
        ("-3", 0),
        (None, None),
        ("", None),
        ("soon", None),
        ("inf", None),
        ("86400", 86_400),
        ("86401", None),
        ("1e12", None),
        ("nan", None),
    ],
)
def test_parse_retry_after_seconds(value: str | None, seconds: float | None) -> None:
    assert parse_retry_after(value) == seconds


def test_parse_retry_after_unix_time() -> None:
    later = parse_retry_after(str(time.time() + 100))
    assert later is not None
    assert 97 < later <= 100
    assert parse_retry_after(str(time.time() - 100)) == 0
    assert parse_retry_after(str(time.time() + 100_000)) is None


def test_parse_retry_after_date() -> None:
    later = parse_retry_after(email.utils.formatdate(time.time() + 100, usegmt=True))
    assert later is not None
    assert 97 < later <= 100
    assert parse_retry_after(email.utils.formatdate(time.time() - 100, usegmt=True)) == 0


def test_retry_after_date_is_respected(sandbox: Sandbox, read: Read) -> None:
    date = email.utils.formatdate(time.time() + 3, usegmt=True)
    sandbox.fail("tether", path="/contacts", status=503, retry_after=date)
    read("tether_default")
    refused, again = [entry for entry in sandbox.requests("tether") if entry["path"].endswith("/contacts")]
    assert again["at"] - refused["at"] > 1.5


@pytest.mark.parametrize("value", ["Mon, 01 Jan 99999999999999 00:00:00 GMT", "-5", "soon", "1e999"])
def test_invalid_retry_after(
    value: str, tether: Callable[..., str], scripted: ScriptedServer, read: Read
) -> None:
    scripted.replies = [Reply(status=503, headers={"Retry-After": value}), Reply(body=page(total=0))]
    assert read(tether(scripted.url)) == []


def test_explained_404_of_a_listing_mentions_host(
    tether: Callable[..., str], scripted: ScriptedServer, read: Read
) -> None:
    scripted.replies = [Reply(status=404, body={"error": {"message": "there is no such endpoint"}})]
    expected = "there is no such endpoint.*If every request fails like this, check Host of connection"
    with pytest.raises(NotFound, match=expected):
        read(tether(scripted.url))
