"""Which limits apply, which hooks share them, and how waiting for them ends."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_contacts.core.http.limits import RateLimiter, RequestSlots, compute_rates, get_slots
from airflow_provider_contacts.hooks.base import ContactsHook
from tests.conftest import Read, Sandbox
from tests.scripted import ReceivedRequest, Reply, ScriptedServer
from tests.vendors import CASES


@pytest.mark.parametrize(
    ("published", "own", "kept"),
    [
        ((), None, ()),
        ((), 60, ((60, 60.0),)),
        (((100, 15.0),), None, ((100, 15.0),)),
        (((100, 15.0),), 60, ((60, 60.0),)),
        (((100, 15.0),), 200, ((100, 15.0), (200, 60.0))),
        (((100, 15.0),), 1000, ((1000, 60.0),)),
        (((100, 60.0),), 100, ((100, 60.0),)),
        (((100, 60.0),), 10, ((10, 60.0),)),
        (((10, 1.0), (600, 60.0)), None, ((10, 1.0), (600, 60.0))),
        (((100, 15.0), (500, 60.0)), None, ((100, 15.0),)),
    ],
)
def test_effective_rates(published: Any, own: int | None, kept: Any) -> None:
    assert compute_rates(published, own) == kept


@given(
    st.lists(st.tuples(st.integers(1, 500), st.sampled_from([1.0, 15.0, 60.0, 3600.0])), max_size=3),
    st.none() | st.integers(1, 5000),
)
def test_effective_rates_are_accepted_by_the_limiter(
    published: list[tuple[int, float]], own: int | None
) -> None:
    rates = compute_rates(tuple(published), own)
    if rates:
        assert RateLimiter(rates).acquire(threading.Event())
    if own is not None:
        assert any(limit / seconds <= own / 60 for limit, seconds in rates)


def test_limiter_is_shared_by_all_hooks_of_a_connection(sandbox: Sandbox, read: Read) -> None:
    conn_id = sandbox.connect("tether", extra={"requests_per_minute": 5}, login="", password="sandbox-token")
    for _ in range(5):
        read(conn_id)
    hook = ContactsHook.for_connection(conn_id)
    hook.list_contacts()
    limiter = hook._get_transport(hook.settings)._limiter
    assert limiter is not None
    stopped = threading.Event()
    stopped.set()
    assert limiter.acquire(stopped) is False
    assert len(sandbox.requests("tether")) == 5


def test_limiter_drops_expired_entries() -> None:
    limiter = RateLimiter(((1000, 0.05),))
    for _ in range(300):
        limiter.acquire(threading.Event())
        time.sleep(0.001)
    assert limiter._bucket.count() < 200


def test_limiter_drops_expired_entries_in_an_event_loop() -> None:
    async def run() -> int:
        limiter = RateLimiter(((1000, 0.05),))
        for _ in range(200):
            await limiter.aacquire()
            await asyncio.sleep(0.001)
        return limiter._bucket.count()

    assert asyncio.run(run()) < 150


def test_closing_releases_threads_that_wait_for_the_rate_limit(sandbox: Sandbox) -> None:
    conn_id = sandbox.connect(
        "tether", conn_id="slow", login="", password="sandbox-token", extra={"requests_per_minute": 2}
    )
    contacts = ContactsHook.for_connection(conn_id, page_size=5).list_contacts()
    for _ in range(6):
        next(contacts)
    contacts.close()  # type: ignore[attr-defined]
    for thread in [one for one in threading.enumerate() if one.name == "contacts-page"]:
        thread.join(5)
        assert not thread.is_alive()


@pytest.mark.parametrize("rates", [(), ((1000, 1.0),)])
def test_paused_limiter_lets_nothing_pass(rates: Any) -> None:
    limiter = RateLimiter(rates)
    limiter.pause(0.3)
    limiter.pause(0.1)
    started = time.monotonic()
    assert limiter.acquire(threading.Event())
    assert time.monotonic() - started >= 0.25
    limiter.pause(60)
    stop = threading.Event()
    threading.Timer(0.1, stop.set).start()
    assert limiter.acquire(stop) is False


def test_paused_limiter_in_an_event_loop() -> None:
    async def run() -> float:
        limiter = RateLimiter(((1000, 1.0),))
        limiter.pause(0.3)
        started = time.monotonic()
        await limiter.aacquire()
        return time.monotonic() - started

    assert asyncio.run(run()) >= 0.25


def test_throttled_request_pauses_the_connection(
    connect: Any, scripted: ScriptedServer, read: Read, capsys: pytest.CaptureFixture[str]
) -> None:
    """A 429 without Retry-After waits for the published window, and so do the other threads."""
    case = CASES["mailstand"]
    limited = Reply(status=429, body={"statusCode": 429, "error": "Rate Limited", "message": "slow down"})
    scripted.replies = [limited, Reply(body=case.page(case.record(1)))]
    conn_id = connect("limited", **{**case.parts, "host": scripted.url})
    hook = ContactsHook.for_connection(conn_id)
    limiter = hook._get_transport(hook.settings)._limiter
    assert limiter.window_seconds == 15
    # The wait itself is tested with a shorter window.
    short = RateLimiter(((100, 0.4),))
    hook._get_transport(hook.settings)._limiter = short
    started = time.monotonic()
    assert len(list(hook.list_contacts())) == 1
    assert time.monotonic() - started >= 0.4
    assert short._paused_until > started + 0.4
    assert "Trying again in" in capsys.readouterr().out


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
