"""What is special about Thoughtly."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import pytest

from airflow_provider_contacts.errors import (
    InvalidConnection,
)
from airflow_provider_contacts.hooks.thoughtly import ThoughtlyHook
from tests.conftest import Read, Sandbox
from tests.scripted import ReceivedRequest, Reply, ScriptedServer
from tests.vendors import CASES


@pytest.mark.parametrize("lengths", [(50, 49, 50), (0, 50, 3), (50, 50)])
def test_thoughtly_pages_of_any_length(
    lengths: tuple[int, ...], connect: Callable[..., str], scripted: ScriptedServer, read: Read
) -> None:
    def respond(request: ReceivedRequest) -> Reply:
        number = int(request.params["page"][0])
        length = lengths[number] if number < len(lengths) else 0
        return Reply(body={"data": {"contacts": [{"id": f"{number}-{n}"} for n in range(length)]}})

    scripted.respond = respond
    conn_id = connect("t", **{**CASES["thoughtly"].parts, "host": scripted.url})
    assert len(read(conn_id)) == sum(lengths)


TIMES = datetime(2023, 11, 7, 5, 31, 56, tzinfo=timezone.utc)


def test_headers_and_paging(serve: Callable[..., str], scripted: ScriptedServer, read: Read) -> None:
    read(serve("thoughtly", {"id": "1"}), {"tags": ["a", "b"], "phone_numbers_only": "True"})
    assert scripted.received[0].headers["x-api-token"] == "secret-of-the-test"
    assert scripted.received[0].headers["team_id"] == "team-of-the-test"
    assert "authorization" not in scripted.received[0].headers
    assert scripted.received[0].params == {
        "tags": ["a", "b"],
        "phone_numbers_only": ["true"],
        "limit": ["50"],
        "page": ["0"],
    }


@pytest.mark.parametrize("team_id", ["", None, "  "])
def test_team_id_is_required(team_id: Any, sandbox: Sandbox, read: Read) -> None:
    with pytest.raises(InvalidConnection, match=r"no Team ID. Enter it in the field Team ID \(login"):
        read(sandbox.connect("thoughtly", login="", extra={"team_id": team_id}))
    assert not sandbox.requests("thoughtly")


def test_invalid_team(sandbox: Sandbox) -> None:
    worked, message = ThoughtlyHook(sandbox.connect("thoughtly", login="other")).test_connection()
    assert not worked
    assert "Team ID (login)" in message


def test_pages_counted_from_one(connect: Callable[..., str], scripted: ScriptedServer, read: Read) -> None:
    people = [{"id": str(number)} for number in range(120)]

    def respond(request: ReceivedRequest) -> Reply:
        page = max(1, int(request.params["page"][0]))
        return Reply(body=CASES["thoughtly"].page(*people[(page - 1) * 50 : page * 50]))

    scripted.respond = respond
    conn_id = connect("scripted", **{**CASES["thoughtly"].parts, "host": scripted.url})
    assert [contact.contact_id for contact in read(conn_id)] == [one["id"] for one in people]


def test_shorter_pages_than_requested(
    connect: Callable[..., str], scripted: ScriptedServer, read: Read
) -> None:
    def respond(request: ReceivedRequest) -> Reply:
        page = int(request.params["page"][0])
        return Reply(
            body=CASES["thoughtly"].page(*[{"id": str(n)} for n in range(page * 20, min(45, page * 20 + 20))])
        )

    scripted.respond = respond
    conn_id = connect("scripted", **{**CASES["thoughtly"].parts, "host": scripted.url})
    assert len(read(conn_id)) == 45


def test_published_rate_is_kept(sandbox: Sandbox) -> None:
    hook = ThoughtlyHook()
    limiter = hook._get_transport(hook.settings)._limiter
    assert limiter is not None
    assert limiter.rates == ((100, 60.0),)


def test_mapping(serve: Callable[..., str], read: Read) -> None:
    record = {
        "id": "c1",
        "name": "Ada L.",
        "email": "",
        "phone_number": "+12125550123",
        "country_code": "US",
        "tags": ["called"],
        "attributes": {"first_name": "Ada", "company": "Engines", "title": 5},
        "created_at": "2023-11-07T05:31:56Z",
    }
    [contact] = read(serve("thoughtly", record))
    assert (contact.account_id, contact.first_name, contact.company) == (
        "team-of-the-test",
        "Ada",
        "Engines",
    )
    assert (contact.email, contact.title, contact.replied) == (None, None, None)
    assert contact.created_at == TIMES
    assert contact.identity_keys() == ("phone:+12125550123",)


def test_team_id_as_login(connect: Callable[..., str], scripted: ScriptedServer, read: Read) -> None:
    scripted.replies = [Reply(body={"data": {"contacts": []}})]
    parts = {"conn_type": "thoughtly", "host": scripted.url, "password": "x", "login": "team-1"}
    assert read(connect("thoughtly_login", **parts)) == []
    assert scripted.received[0].headers["team_id"] == "team-1"
    assert read(connect("thoughtly_login", **parts, extra={"team_id": "team-1"})) == []
    with pytest.raises(InvalidConnection, match="has two Team IDs"):
        read(connect("thoughtly_login", **parts, extra={"team_id": "team-2"}))
