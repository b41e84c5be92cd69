"""The poll loop."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_contacts.conditions import InStage, Replied, Tagged
from airflow_provider_contacts.core.waiting import PollPace
from airflow_provider_contacts.errors import AuthenticationError, InvalidConnection, InvalidRequest
from airflow_provider_contacts.triggers import groups
from airflow_provider_contacts.triggers.groups import PollAnswer, PollGroup, Question
from airflow_provider_contacts.triggers.polling import poll_forever
from tests.scripted import Reply, ScriptedServer
from tests.vendors import CASES

CASE = CASES["talktohumans"]
VIP = Tagged("VIP").to_dict()
PACE = PollPace(0.01)


def polls(count: int, conn_id: str, filters: Any = None, condition: Any = VIP) -> list[PollAnswer]:
    async def collect() -> list[PollAnswer]:
        found: list[PollAnswer] = []
        group = PollGroup()
        question = Question.create(filters, condition)
        async with contextlib.aclosing(poll_forever(conn_id, group, PACE, min_pause=0.0)) as stream:
            with group.join(question, [time.time()]):
                async for poll in stream:
                    found.append(poll.answers[question.key])
                    if len(found) == count:
                        return found
        return found

    return asyncio.run(asyncio.wait_for(collect(), 30))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Poll again without waiting for others to join."""
    monkeypatch.setattr(groups, "JOIN_WINDOW_SECONDS", 0.0)


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

    async def go() -> list[PollAnswer]:
        group = PollGroup()
        question = Question.create(None, VIP)
        async with contextlib.aclosing(poll_forever("late", group, PACE, min_pause=0.0)) as stream:
            with group.join(question, [time.time()]):
                first = await anext(stream)
                connect("late", **{**CASE.parts, "host": scripted.url})
                second = await anext(stream)
        return [first.answers[question.key], second.answers[question.key]]

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


def test_each_poll_looks_the_connection_up_once(
    conn_id: str, scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.sdk import BaseHook

    looked_up: list[str] = []
    find = BaseHook.aget_connection

    async def count(_cls: Any, conn_id: str) -> Any:
        looked_up.append(conn_id)
        return await find(conn_id)

    monkeypatch.setattr(BaseHook, "aget_connection", classmethod(count))
    scripted.replies = [Reply(body=CASE.page())]
    polls(5, conn_id)
    assert len(looked_up) <= 6


def test_questions_with_the_same_query_cost_one_listing(conn_id: str, scripted: ScriptedServer) -> None:
    scripted.replies = [Reply(body=CASE.page({**CASE.record(1), "tags": [{"name": "VIP"}, {"name": "x"}]}))]
    questions = [
        Question.create(filters, condition.to_dict())
        for filters, condition in [
            ({"tag": "VIP"}, Tagged("VIP")),
            ({"tag": "VIP"}, Tagged("x")),
            (None, Tagged("VIP") & Tagged("y")),
            ({"tag": "VIP"}, Tagged("VIP") & ~Tagged("x")),
            ({"tagg": "VIP"}, Tagged("VIP")),
        ]
    ]

    async def go() -> Any:
        group = PollGroup()
        with contextlib.ExitStack() as stack:
            for question in questions:
                stack.enter_context(group.join(question, [time.time()]))
            async with contextlib.aclosing(poll_forever(conn_id, group, PACE, min_pause=0.0)) as stream:
                return (await anext(stream)).answers

    answers = asyncio.run(asyncio.wait_for(go(), 30))
    found = [answers[question.key] for question in questions]
    assert [len(answer.matches.references) for answer in found] == [1, 1, 0, 0, 0]
    assert isinstance(found[4].error, InvalidRequest)
    assert len(scripted.received) == 1


def test_incomplete_listing_keeps_its_matches(
    connect: Callable[..., str], scripted: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    case = CASES["mailstand"]
    totals = iter(range(100, 200))
    scripted.respond = lambda request: Reply(
        body={**case.page({**case.record(1), "stage": "Interested"}), "total_found": next(totals)}
    )
    conn_id = connect("m", **{**case.parts, "host": scripted.url})
    found = polls(2, conn_id, None, InStage("Interested").to_dict())
    assert [(len(one.matches.references), one.is_complete, one.error) for one in found] == [
        (1, False, None)
    ] * 2
    assert "The matches that were found are used" in caplog.text


def test_condition_that_no_record_reports_yet(
    conn_id: str, scripted: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    """A contact may enter a sequence later, so a wait goes on."""
    scripted.replies = [
        Reply(body=CASE.page(CASE.record(1))),
        Reply(body=CASE.page({**CASE.record(1), "sequence": {"status": "replied"}})),
    ]
    found = polls(2, conn_id, None, Replied().to_dict())
    assert [(len(one.matches.references), one.error) for one in found] == [(0, None), (1, None)]
    assert caplog.text.count("None of the 1 records reports the condition `replied`") == 1
