"""Filters, condition, paging and decoding joined together."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from airflow_provider_contacts.conditions import Tagged
from airflow_provider_contacts.core import logs
from airflow_provider_contacts.errors import InvalidConnection, InvalidRequest, MalformedRecord
from airflow_provider_contacts.hooks.base import ContactsHook
from tests.conftest import Read, Sandbox
from tests.scripted import ReceivedRequest, Reply, ScriptedServer
from tests.tether import page
from tests.vendors import CASES


def test_everything_is_checked_before_the_first_request(sandbox: Sandbox) -> None:
    hook = ContactsHook.for_connection("talktohumans_default")
    with pytest.raises(InvalidRequest, match="Unknown filter"):
        hook.list_contacts({"tagg": "x"})
    with pytest.raises(InvalidRequest, match="limit must be"):
        hook.list_contacts(limit=0)
    assert not sandbox.requests("talktohumans")


def test_limit_makes_the_page_smaller_unless_records_are_tested(sandbox: Sandbox) -> None:
    hook = ContactsHook.for_connection("tether_default")
    assert len(list(hook.list_contacts(limit=3))) == 3
    [entry] = [one for one in sandbox.requests("tether") if one["method"] == "GET"]
    sandbox.state.requests.clear()
    assert len(list(hook.list_contacts(condition={"condition": "has_phone"}, limit=3))) == 3
    assert len([one for one in sandbox.requests("tether") if one["method"] == "GET"]) == 1
    assert "size" in entry["params"]


def test_default_that_is_invalid_is_an_error_of_the_connection(sandbox: Sandbox, read: Read) -> None:
    conn_id = sandbox.connect("mailstand", extra={"workspace": "not an id"})
    with pytest.raises(InvalidConnection, match="Connection 'mailstand_default'"):
        read(conn_id)


def test_a_bad_page_that_was_requested_ahead_is_retried_like_any_other(
    connect: Callable[..., str], scripted: ScriptedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """The failure is logged, and nothing of a record is in an error."""
    case = CASES["tether"]
    pages = {
        number: [{**case.record(10 * number + one), "firstName": "Ada"} for one in range(5)]
        for number in range(1, 5)
    }
    bad = [Reply(body=b'{"docs": [')]

    def respond(request: ReceivedRequest) -> Reply:
        number = int(request.params["page"][0])
        if number == 3 and bad:
            return bad.pop()
        return Reply(body=page(*pages.get(number, []), total=20))

    scripted.respond = respond
    conn_id = connect("odd", **{**case.parts, "host": scripted.url, "extra": {"retry_limit": 1}})
    hook = ContactsHook.for_connection(conn_id, page_size=5)
    assert len(list(hook.list_contacts())) == 20
    assert "Trying again" in capsys.readouterr().out
    bad += [Reply(body=page({"firstName": "Ada"}, total=20))]
    with pytest.raises(MalformedRecord) as caught:
        list(ContactsHook.for_connection(conn_id, page_size=5).list_contacts())
    assert "Ada" not in str(caught.value)


def test_long_listing_logs_its_progress(
    sandbox: Sandbox, read: Read, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(logs, "_SECONDS_BETWEEN_LINES", 0.0)
    read("tether_default", page_size=20)
    read("talktohumans_default")
    output = capsys.readouterr().out
    assert "Tether: Read 40 of 60 contacts" in output
    assert "TalkToHumans: Read 50 contacts" in output


def test_contacts_that_could_not_be_evaluated_are_counted(
    sandbox: Sandbox, read: Read, capsys: pytest.CaptureFixture[str]
) -> None:
    read("thoughtly_default", condition=Tagged("VIP"))
    assert "could not be evaluated" not in capsys.readouterr().out
    rows = sandbox.state.tables["talktohumans"].rows
    unknown = [row for row in rows if row.sequence is None]
    read("talktohumans_default", condition={"condition": "replied"})
    assert f"{len(unknown)} contacts could not be evaluated" in capsys.readouterr().out
