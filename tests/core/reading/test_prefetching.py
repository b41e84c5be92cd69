"""Fetching pages ahead, in threads and in an event loop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.core.paging.styles import Page, Params
from airflow_provider_contacts.core.reading.listing import Listing
from airflow_provider_contacts.errors import (
    InvalidRequest,
    MalformedResponse,
)
from airflow_provider_contacts.hooks.base import ContactsHook
from tests.core.simulated import (
    NUMBERED,
    async_read,
    numbered,
    pages_of,
    sync_read,
)
from tests.scripted import ReceivedRequest, Reply, ScriptedServer
from tests.tether import page


def test_failed_listing_sends_nothing_more(tether: Callable[..., str], scripted: ScriptedServer) -> None:
    slow = threading.Event()

    def respond(request: ReceivedRequest) -> Reply:
        number = int(request.params["page"][0])
        if number == 1:
            return Reply(body=page(*[{"_id": f"1-{n}"} for n in range(5)], total=40))
        if number == 2:
            slow.wait(5)
            return Reply(status=400, body={"message": "no"})
        return Reply(status=503, headers={"Retry-After": "60"})

    scripted.respond = respond
    hook = ContactsHook.for_connection(tether(scripted.url), page_size=5)
    contacts = hook.list_contacts()
    for _ in range(5):
        next(contacts)
    threading.Timer(0.5, slow.set).start()
    with pytest.raises(InvalidRequest):
        next(contacts)
    threads = [thread for thread in threading.enumerate() if thread.name == "contacts-page"]
    for thread in threads:
        thread.join(5)
        assert not thread.is_alive()
    assert len(scripted.received) == 5


def test_reads_ahead_in_order_within_the_limit() -> None:
    under_way = most = 0
    lock = threading.Lock()
    together = threading.Barrier(3, timeout=5)

    def fetch(params: Params) -> Page[Contact]:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        if params["page"] in ("2", "3", "4"):
            together.wait()
        page = numbered(list(range(40)))(params)
        with lock:
            under_way -= 1
        return page

    assert sync_read(Listing(NUMBERED, 10), fetch, 3) == list(range(40))
    assert most == 3


def test_closing_early_stops_requests() -> None:
    requested: list[str] = []

    def fetch(params: Params) -> Page[Contact]:
        requested.append(params["page"])
        return numbered(list(range(1000)))(params)

    pages = pages_of(Listing(NUMBERED, 10), fetch, 2)
    for _ in range(5):
        next(pages)
    pages.close()  # type: ignore[attr-defined]
    time.sleep(0.1)
    assert len(requested) <= 7


def test_error_on_a_later_page_ends_the_listing() -> None:
    def fetch(params: Params) -> Page[Contact]:
        if params["page"] == "3":
            raise MalformedResponse("page 3 is broken")
        return numbered(list(range(100)))(params)

    for go in (sync_read, async_read):
        with pytest.raises(MalformedResponse, match="page 3"):
            go(Listing(NUMBERED, 10), fetch, 4)
