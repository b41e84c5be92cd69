"""Which rate limits apply, who shares them, and how waiting for them ends."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_contacts.core.http.rate_limit import RateLimiter, compute_rates
from airflow_provider_contacts.hooks.base import ContactsHook
from tests.conftest import Read, Sandbox


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
