"""What is special about TalkToHumans."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import pytest

from airflow_provider_contacts.errors import (
    MalformedResponse,
)
from airflow_provider_contacts.hooks.talktohumans import TalkToHumansHook
from tests.conftest import Read, Sandbox
from tests.scripted import ReceivedRequest, Reply, ScriptedServer
from tests.vendors import CASES

TIMES = datetime(2023, 11, 7, 5, 31, 56, tzinfo=timezone.utc)


def test_bearer_and_paging(serve: Callable[..., str], scripted: ScriptedServer, read: Read) -> None:
    read(serve("talktohumans", {"contact_id": "1"}))
    assert scripted.received[0].headers["authorization"] == "Bearer secret-of-the-test"
    assert scripted.received[0].params == {"limit": ["25"]}


def test_filters_go_with_every_cursor(sandbox: Sandbox, read: Read) -> None:
    contacts = read("talktohumans_default", {"account_id": "101"}, page_size=5)
    assert {contact.account_id for contact in contacts} == {"101"}
    assert all("account_id" in entry["params"] for entry in sandbox.requests("talktohumans"))


def test_several_accounts_are_listed_one_by_one(sandbox: Sandbox, read: Read) -> None:
    filters = {"account_id": ["101", "102", "101"]}
    contacts = read("talktohumans_default", filters, page_size=5)
    assert {(contact.account_id, contact.contact_id) for contact in contacts} == sandbox.keys("talktohumans")
    assert len(contacts) == len(sandbox.keys("talktohumans"))
    # One listing starts for each account.
    starts = [
        entry["params"] for entry in sandbox.requests("talktohumans") if "cursor" not in entry["params"]
    ]
    assert starts == [["account_id", "limit"]] * 2
    assert len(read("talktohumans_default", filters, limit=3)) == 3


def test_person_in_two_accounts_is_two_contacts(sandbox: Sandbox, read: Read) -> None:
    contacts = read("talktohumans_default")
    ids = [contact.contact_id for contact in contacts]
    assert len(set(ids)) < len(ids) == 60


def test_mapping(serve: Callable[..., str], read: Read) -> None:
    record = {
        "contact_id": "7",
        "account": {"account_id": "42"},
        "name": "Ada L.",
        "tags": [{"name": "Hot lead"}, {"name": "VIP"}],
        "locations": [{"city": "Bath"}, {"is_primary": True, "city": "London", "country_full": "UK"}],
        "primary_role_title": "Countess",
        "primary_company_name": "",
        "company": {"name": "Engines"},
        "linkedin_url": "https://linkedin.com/in/ada",
        "connection_invitation": {"invite_state": "pending", "received_at": "2023-11-07T05:31:56Z"},
        "last_interaction_at": "2023-11-07T05:31:56Z",
        "sequence": {"status": "Replied"},
        "app_url": "https://talktohumans.app/c/7",
    }
    [contact] = read(serve("talktohumans", record))
    assert (contact.account_id, contact.contact_id, contact.tags) == ("42", "7", ("Hot lead", "VIP"))
    assert (contact.city, contact.country, contact.company) == ("London", "UK", "Engines")
    assert (contact.invitation_state, contact.invited_at) == ("pending", TIMES)
    assert (contact.replied, contact.last_interaction_at) == (True, TIMES)
    assert contact.url == "https://talktohumans.app/c/7"


@pytest.mark.parametrize(("sequence", "replied"), [(None, None), ({}, None), ({"status": "active"}, False)])
def test_replied_has_three_values(
    sequence: Any, replied: bool | None, serve: Callable[..., str], read: Read
) -> None:
    [contact] = read(serve("talktohumans", {"contact_id": "7", "sequence": sequence}))
    assert contact.replied is replied


def test_accounts(sandbox: Sandbox) -> None:
    assert [account["account_id"] for account in TalkToHumansHook().list_accounts()] == ["101", "102"]


@pytest.mark.parametrize("wrap", [lambda items: {"data": items}, lambda items: {"data": {"accounts": items}}])
def test_accounts_in_either_shape(
    wrap: Callable[[Any], Any], connect: Callable[..., str], scripted: ScriptedServer
) -> None:
    scripted.replies = [Reply(body=wrap([{"account_id": "1"}]))]
    conn_id = connect("scripted", **{**CASES["talktohumans"].parts, "host": scripted.url})
    assert TalkToHumansHook(conn_id).list_accounts() == [{"account_id": "1"}]


def test_accounts_on_several_pages(connect: Callable[..., str], scripted: ScriptedServer) -> None:
    def respond(request: ReceivedRequest) -> Reply:
        number = int(request.params.get("cursor", ["1"])[0])
        pagination = {"has_more": number < 3, "next_cursor": str(number + 1)}
        return Reply(body={"data": {"accounts": [{"account_id": str(number)}], "pagination": pagination}})

    scripted.respond = respond
    conn_id = connect("scripted", **{**CASES["talktohumans"].parts, "host": scripted.url})
    assert [one["account_id"] for one in TalkToHumansHook(conn_id).list_accounts()] == ["1", "2", "3"]


@pytest.mark.parametrize("body", [{}, {"data": None}, {"data": {"accounts": "x"}}, {"data": ["x"]}])
def test_accounts_in_an_unknown_shape(
    body: Any, connect: Callable[..., str], scripted: ScriptedServer
) -> None:
    scripted.replies = [Reply(body=body)]
    conn_id = connect("scripted", **{**CASES["talktohumans"].parts, "host": scripted.url})
    with pytest.raises(MalformedResponse, match="GET /v1/accounts: The response has no list of accounts"):
        TalkToHumansHook(conn_id).list_accounts()


@pytest.mark.parametrize("place", ["data", "body"])
def test_accounts_without_has_more_are_an_error(
    place: str, connect: Callable[..., str], scripted: ScriptedServer
) -> None:
    pagination = {"next_cursor": "2"}
    accounts = [{"account_id": "1"}]
    scripted.replies = [
        Reply(
            body={"data": {"accounts": accounts, "pagination": pagination}}
            if place == "data"
            else {"data": accounts, "pagination": pagination}
        )
    ]
    conn_id = connect("scripted", **{**CASES["talktohumans"].parts, "host": scripted.url})
    with pytest.raises(MalformedResponse, match="whether more pages follow"):
        TalkToHumansHook(conn_id).list_accounts()


def test_update_that_shows_another_account_is_an_error(
    connect: Callable[..., str], scripted: ScriptedServer
) -> None:
    contact = {
        "contact_id": "5",
        "account": {"account_id": "999"},
        "tags": [{"name": "x"}, {"name": "theirs"}],
    }
    scripted.replies = [Reply(body={"data": {"contact": contact}})]
    conn_id = connect("scripted", **{**CASES["talktohumans"].parts, "host": scripted.url})
    with pytest.raises(MalformedResponse, match="a different contact"):
        TalkToHumansHook(conn_id).update_tags("5", account_id="1", replace=["x"])
    assert len(scripted.received) == 1
