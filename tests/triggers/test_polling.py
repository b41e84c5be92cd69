"""The poll loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given

from airflow_provider_contacts.conditions import Replied, Tagged
from airflow_provider_contacts.core.waiting import Pace
from airflow_provider_contacts.errors import AuthenticationError, InvalidConnection, InvalidRequest
from airflow_provider_contacts.triggers.polling import Poll, fingerprint, poll_forever
from tests.scripted import Reply, ScriptedServer
from tests.strategies import anything
from tests.vendors import CASES

CASE = CASES["talktohumans"]
VIP = Tagged("VIP").to_dict()
PACE = Pace(0.01, first=0.0)


def polls(count: int, conn_id: str, filters: Any = None, condition: Any = VIP) -> list[Poll]:
    async def collect() -> list[Poll]:
        found: list[Poll] = []
        stream = poll_forever(conn_id, filters, condition, PACE)
        async for poll in stream:
            found.append(poll)
            if len(found) == count:
                break
        await stream.aclose()
        return found

    return asyncio.run(asyncio.wait_for(collect(), 30))


@pytest.fixture
def conn_id(connect: Callable[..., str], scripted: ScriptedServer) -> str:
    return connect("scripted", **{**CASE.parts, "host": scripted.url, "extra": {"retry_limit": 0}})


def test_every_poll_is_yielded_whatever_happens(conn_id: str, scripted: ScriptedServer) -> None:
    match = {**CASE.record(1), "tags": [{"name": "VIP"}]}
    scripted.replies = [
        Reply(body=CASE.page()),
        Reply(status=401),
        Reply(body=b"{"),
        Reply(body=CASE.page(match, {**CASE.record(2), "tags": []})),
    ]
    found = polls(4, conn_id)
    assert [type(poll.error).__name__ for poll in found] == [
        "NoneType",
        "AuthenticationError",
        "MalformedResponse",
        "NoneType",
    ]
    assert [len(poll.matches.references) for poll in found] == [0, 0, 0, 1]
    assert isinstance(found[1].error, AuthenticationError)


@pytest.mark.parametrize(
    ("filters", "condition", "error"),
    [
        ({"tagg": "x"}, VIP, InvalidRequest),
        (None, None, InvalidRequest),
        (None, {"condition": "replyed"}, InvalidRequest),
        ([], VIP, InvalidRequest),
    ],
)
def test_invalid_arguments_are_a_poll_error(
    filters: Any, condition: Any, error: type, conn_id: str, scripted: ScriptedServer
) -> None:
    scripted.replies = [Reply(body=CASE.page())]
    [poll] = polls(1, conn_id, filters, condition)
    assert isinstance(poll.error, error)
    assert not scripted.received


def test_connection_may_appear_later(
    connect: Callable[..., str], scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted.replies = [Reply(body=CASE.page())]

    async def go() -> list[Poll]:
        stream = poll_forever("late", None, VIP, PACE)
        first = await anext(stream)
        connect("late", **{**CASE.parts, "host": scripted.url})
        second = await anext(stream)
        await stream.aclose()
        return [first, second]

    first, second = asyncio.run(asyncio.wait_for(go(), 30))
    assert isinstance(first.error, InvalidConnection)
    assert second.error is None


def test_login_is_kept_from_poll_to_poll(connect: Callable[..., str], scripted: ScriptedServer) -> None:
    tether = CASES["tether"]
    scripted.respond = lambda request: Reply(
        body={"token": "t-o-k-e-n"} if request.method == "POST" else tether.page()
    )
    conn_id = connect(
        "t", conn_type="tether", host=scripted.url, login="a@b.example", password="secret-of-the-test"
    )
    polls(3, conn_id, {"messageStatus": "replied"}, Replied().to_dict())
    assert [request.method for request in scripted.received] == ["POST", "GET", "GET", "GET"]


@given(anything)
def test_fingerprint_is_the_same_for_the_same_question_only(value: Any) -> None:
    assert fingerprint("c", {"a": value}, VIP) == fingerprint("c", {"a": value}, dict(VIP))
    assert fingerprint("c", {"a": value}, VIP) != fingerprint("c", {"a": [value]}, VIP)
    assert fingerprint("c", {"a": value}, VIP) != fingerprint("d", {"a": value}, VIP)


def test_fingerprint_ignores_order_and_missing_filters() -> None:
    assert fingerprint("c", {"a": 1, "b": 2}, VIP) == fingerprint("c", {"b": 2, "a": 1}, VIP)
    assert fingerprint("c", None, VIP) == fingerprint("c", {}, VIP)
    with pytest.raises(TypeError):
        fingerprint("c", {"a": {1}}, VIP)
