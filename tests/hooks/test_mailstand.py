"""What is special about Mailstand."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import pytest

from airflow_provider_contacts.conditions import Unsubscribed
from airflow_provider_contacts.errors import (
    InvalidConnection,
    NotFound,
    QuotaExhausted,
    RateLimited,
)
from airflow_provider_contacts.hooks.base import ContactsHook
from airflow_provider_contacts.hooks.mailstand import MailstandHook
from tests.conftest import Read, Sandbox
from tests.scripted import Reply, ScriptedServer
from tests.vendors import CASES


def test_basic_auth_and_paging(serve: Callable[..., str], scripted: ScriptedServer, read: Read) -> None:
    read(serve("mailstand", {"id": "1"}))
    expected = base64.b64encode(b"secret-of-the-test:").decode()
    assert scripted.received[0].headers["authorization"] == f"Basic {expected}"
    assert scripted.received[0].params == {"workspace": ["space_test"], "display": ["2000"], "page": ["1"]}


def test_workspace_is_required(sandbox: Sandbox, read: Read) -> None:
    conn_id = sandbox.connect("mailstand", extra={"workspace": ""})
    with pytest.raises(InvalidConnection, match=r"the field Workspace \(`workspace`.*or set the filter"):
        read(conn_id)
    assert len(read(conn_id, {"workspace": "space_sandbox"})) == 60
    worked, message = ContactsHook.for_connection(conn_id).test_connection()
    assert worked
    assert "but the connection is incomplete. Mailstand lists the contacts of one workspace" in message
    assert message.endswith("The credentials give access to: space_sandbox, space_empty.")
    assert sandbox.requests("mailstand")[-1]["path"] == "/workspaces"


def test_wrong_workspace_names_the_field_and_those_that_exist(sandbox: Sandbox, read: Read) -> None:
    conn_id = sandbox.connect("mailstand", extra={"workspace": "space_other"})
    with pytest.raises(NotFound, match=r"Check the field Workspace \(`workspace` in Extra\) of connection"):
        read(conn_id)
    worked, message = ContactsHook.for_connection(conn_id).test_connection()
    assert not worked
    assert "the field Workspace (`workspace` in Extra) of this connection" in message
    assert message.endswith("The credentials give access to: space_sandbox, space_empty.")
    sandbox.fail("mailstand", path="/workspaces", status=500, times=9)
    worked, message = ContactsHook.for_connection(conn_id).test_connection()
    assert not worked
    assert "Missing Record" in message
    assert "give access" not in message


def test_filter_overrides_the_connections_workspace(sandbox: Sandbox, read: Read) -> None:
    assert read("mailstand_default", {"workspace": "space_empty"}) == []


def test_workspace_of_the_connection_is_checked(sandbox: Sandbox, read: Read) -> None:
    with pytest.raises(
        InvalidConnection, match="Connection 'mailstand_default'.*`workspace` must be a workspace id"
    ):
        read(sandbox.connect("mailstand", extra={"workspace": "My Space"}))


def test_missing_record_is_not_found(sandbox: Sandbox, read: Read) -> None:
    with pytest.raises(NotFound, match="returned 400 .Missing Record"):
        read("mailstand_default", {"workspace": "space_other"})


def test_two_kinds_of_429(sandbox: Sandbox, read: Read) -> None:
    credits = '{"statusCode": 429, "error": "Too Many Requests", "message": "not enough credits"}'
    sandbox.fail("mailstand", status=429, body=credits, times=5)
    with pytest.raises(QuotaExhausted, match="not enough credits"):
        read("mailstand_default")
    assert len(sandbox.requests("mailstand")) == 1
    sandbox.state.reset()
    fast = '{"statusCode": 429, "error": "Rate Limited", "message": "slow down"}'
    sandbox.fail("mailstand", status=429, body=fast, times=1, retry_after="1")
    assert len(read("mailstand_default")) == 60
    sandbox.fail("mailstand", status=429, body=fast, times=9)
    with pytest.raises(RateLimited, match="requests_per_minute"):
        read(sandbox.connect("mailstand", extra={"retry_limit": 0}))


def test_published_rate_is_never_exceeded(sandbox: Sandbox) -> None:
    list(MailstandHook(page_size=1).list_contacts())
    assert {entry["status"] for entry in sandbox.requests("mailstand")} == {200}


def test_errors_as_an_array(connect: Callable[..., str], scripted: ScriptedServer, read: Read) -> None:
    scripted.replies = [
        Reply(status=400, body=[{"statusCode": 400, "error": "Missing Record", "message": "no"}])
    ]
    with pytest.raises(NotFound):
        read(connect("scripted", **{**CASES["mailstand"].parts, "host": scripted.url}))


def test_mapping(serve: Callable[..., str], read: Read) -> None:
    record = {
        "id": "contact_1",
        "email": "ada@engines.example",
        "stage": "Interested",
        "full_name": "Ada L.",
        "mobile_phone": "",
        "home_phone": "1 (212) 555-0123",
        "country": "USA",
        "created": 1654714807,
        "created_at": "47 minutes ago",
        "last_updated": "47 minutes ago",
        "last_reply": 1654714808,
        "last_open": None,
        "last_bounce": "1654714809",
    }
    [contact] = read(serve("mailstand", record))
    assert (contact.account_id, contact.stage, contact.replied) == ("space_test", "Interested", True)
    assert contact.created_at == datetime(2022, 6, 8, 19, 0, 7, tzinfo=timezone.utc)
    assert contact.replied_at == datetime(2022, 6, 8, 19, 0, 8, tzinfo=timezone.utc)
    assert contact.bounced_at == datetime(2022, 6, 8, 19, 0, 9, tzinfo=timezone.utc)
    assert (contact.opened_at, contact.updated_at) == (None, None)
    assert contact.identity_keys() == ("email:ada@engines.example", "phone:+12125550123")


@pytest.mark.parametrize(
    ("record", "replied"),
    [({}, None), ({"last_reply": None}, False), ({"last_reply": 5}, True), ({"stage": "Replied"}, None)],
)
def test_replied_has_three_values(
    record: Any, replied: bool | None, serve: Callable[..., str], read: Read
) -> None:
    [contact] = read(serve("mailstand", {"id": "1", **record}), {"campaign": "camp_spring"})
    assert contact.replied is replied
    # Without `campaign`, null does not mean never.
    [contact] = read(serve("mailstand", {"id": "1", **record}))
    assert contact.replied is (True if replied else None)
    assert {"opened_at", "clicked_at", "bounced_at"} <= set(contact.unknown_fields)


def test_unreadable_time_of_an_unsubscription_matches_nothing(serve: Callable[..., str], read: Read) -> None:
    records = {"id": "1", "last_unsubscribe": "2 days ago"}, {"id": "2", "last_unsubscribe": 1654715348}
    conn_id = serve("mailstand", *records)
    found = read(conn_id, {"campaign": "camp_spring"}, condition=Unsubscribed())
    assert [contact.contact_id for contact in found] == ["2"]


@pytest.mark.sandbox(contacts=4100)
def test_contact_removed_during_the_listing(sandbox: Sandbox) -> None:
    """A contact removed before the last page moves the others, so the listing is read again."""
    conn_id = sandbox.connect("mailstand", extra={"max_concurrency": 1})
    contacts = MailstandHook(conn_id).list_contacts(raw=False)
    first = next(contacts)
    table = sandbox.state.tables["mailstand"]
    table.remove(table.find(first.contact_id)[0])
    seen = {(contact.account_id, contact.contact_id) for contact in contacts}
    assert seen == sandbox.keys("mailstand")
    assert len(sandbox.requests("mailstand")) == 6
