"""How many requests of a connection are in flight."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

import pytest

from airflow_provider_contacts.core.http.concurrency import RequestSlots, get_slots
from airflow_provider_contacts.hooks.base import ContactsHook
from tests.scripted import ReceivedRequest, Reply, ScriptedServer
from tests.vendors import CASES


class Gauge:
    """Counts the requests that a server is answering at the same time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now = 0
        self.most = 0

    def respond(self, _request: ReceivedRequest) -> Reply:
        return Reply(body=CASES["talktohumans"].page(), wait=self._wait)

    def _wait(self) -> None:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        time.sleep(0.05)
        with self._lock:
            self._now -= 1


@pytest.fixture
def gauge(scripted: ScriptedServer) -> Gauge:
    found = Gauge()
    scripted.respond = found.respond
    return found


@pytest.fixture
def conn_id(connect: Callable[..., str], scripted: ScriptedServer) -> str:
    return connect(
        "limited", **{**CASES["talktohumans"].parts, "host": scripted.url, "extra": {"max_concurrency": 2}}
    )


def test_hooks_of_all_threads_share_the_slots(gauge: Gauge, conn_id: str) -> None:
    threads = [
        threading.Thread(target=lambda: list(ContactsHook.for_connection(conn_id).list_contacts()))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert gauge.most == 2


def test_listings_of_an_event_loop_share_the_slots(gauge: Gauge, conn_id: str) -> None:
    async def read() -> None:
        hook = await ContactsHook.afor_connection(conn_id)
        assert [contact async for contact in hook.alist_contacts()] == []

    async def run() -> None:
        await asyncio.gather(*(read() for _ in range(8)))

    asyncio.run(run())
    assert gauge.most == 2


def test_waiting_for_a_slot_ends_when_it_is_cancelled() -> None:
    slots = RequestSlots(1)
    stop = threading.Event()
    with slots.hold(stop) as held:
        assert held
        stop.set()
        with slots.hold(stop) as held:
            assert not held


def test_slots_belong_to_a_connection() -> None:
    assert get_slots(("a", "url"), 2) is get_slots(("a", "url"), 2)
    assert get_slots(("a", "url"), 2) is not get_slots(("b", "url"), 2)
    assert get_slots(("a", "url"), 2) is not get_slots(("a", "url"), 3)
