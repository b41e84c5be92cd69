"""Listing, driven by simulated vendors, with hypothesis looking for the vendor that it gets wrong."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.core.listing import Listing
from airflow_provider_contacts.core.pages import AsyncPages, read_pages
from airflow_provider_contacts.core.paging import CursorPaging, Page, PageNumberPaging, Params
from airflow_provider_contacts.errors import IncompleteListing, MalformedResponse

NUMBERED = PageNumberPaging(size_param="size", max_size=50, page_param="page")
FROM_ZERO = PageNumberPaging(
    size_param="size", max_size=50, page_param="page", first=0, first_page_may_repeat=True
)
CURSOR = CursorPaging(size_param="limit", max_size=25, cursor_param="cursor")

Fetch = Callable[[Params], Page[Contact]]


def contact(number: int) -> Contact:
    return Contact("test", "", str(number))


def numbers(contacts: list[Contact]) -> list[int]:
    return [int(one.contact_id) for one in contacts]


def numbered(people: list[int], *, clamp: int = 1000, total: bool = True, first: int = 1) -> Fetch:
    """Simulate a vendor that counts pages."""

    def fetch(params: Params) -> Page[Contact]:
        size = min(int(params["size"]), clamp)
        start = (int(params["page"]) - first) * size
        found = [contact(number) for number in people[max(start, 0) : max(start, 0) + size]]
        return Page(found, total=len(people) if total else None)

    return fetch


def cursored(people: list[int], *, clamp: int = 1000) -> Fetch:
    """Simulate a vendor that hands out cursors."""

    def fetch(params: Params) -> Page[Contact]:
        start, size = int(params.get("cursor", 0)), min(int(params["limit"]), clamp)
        more = start + size < len(people)
        found = [contact(number) for number in people[start : start + size]]
        return Page(found, has_more=more, next_cursor=str(start + size) if more else None)

    return fetch


def sync_read(listing: Listing, fetch: Fetch, concurrency: int = 1) -> list[int]:
    return [number for page in read_pages(listing, fetch, concurrency) for number in numbers(page)]


class Client:
    async def aclose(self) -> None:
        pass


def async_read(listing: Listing, fetch: Fetch, concurrency: int = 1) -> list[int]:
    async def open_client() -> Client:
        return Client()

    async def fetch_later(params: Params, _client: Client) -> Page[Contact]:
        await asyncio.sleep(0)
        return fetch(params)

    async def run() -> list[int]:
        found: list[int] = []
        async with AsyncPages(listing, open_client, fetch_later, concurrency) as pages:
            while (page := await pages.next()) is not None:
                found += numbers(page)
        return found

    return asyncio.run(run())


both_ways = pytest.mark.parametrize("go", [sync_read, async_read])
people_of = st.lists(st.integers(0, 400), unique=True, max_size=120)


@both_ways
@settings(deadline=None, max_examples=60)
@given(people=people_of, size=st.integers(1, 50), clamp=st.integers(1, 60), concurrency=st.integers(1, 6))
def test_numbered_with_total(
    go: Callable[..., list[int]], people: list[int], size: int, clamp: int, concurrency: int
) -> None:
    assert go(Listing(NUMBERED, size), numbered(people, clamp=clamp), concurrency) == people


@both_ways
@settings(deadline=None, max_examples=60)
@given(people=people_of, size=st.integers(1, 50), clamp=st.integers(1, 60), first=st.sampled_from([0, 1]))
def test_numbered_without_total(
    go: Callable[..., list[int]], people: list[int], size: int, clamp: int, first: int
) -> None:
    # With first=1 the simulated vendor gives page 0 and page 1 alike.
    assert go(Listing(FROM_ZERO, size), numbered(people, clamp=clamp, total=False, first=first), 3) == people


@both_ways
@settings(deadline=None, max_examples=60)
@given(people=people_of, size=st.integers(1, 25), clamp=st.integers(1, 30))
def test_cursor(go: Callable[..., list[int]], people: list[int], size: int, clamp: int) -> None:
    assert go(Listing(CURSOR, size), cursored(people, clamp=clamp), 4) == people


@both_ways
@settings(deadline=None, max_examples=60)
@given(people=people_of, size=st.integers(1, 50), limit=st.integers(1, 130), concurrency=st.integers(1, 6))
def test_limit(
    go: Callable[..., list[int]], people: list[int], size: int, limit: int, concurrency: int
) -> None:
    asked: list[Params] = []

    def fetch(params: Params) -> Page[Contact]:
        asked.append(params)
        return numbered(people)(params)

    assert go(Listing(NUMBERED, size, limit), fetch, concurrency) == people[:limit]
    assert len(asked) <= max(1, -(-min(limit, len(people)) // size)) + 1


@settings(deadline=None, max_examples=150)
@given(
    people=st.lists(st.integers(0, 400), unique=True, min_size=2, max_size=60),
    size=st.integers(1, 20),
    changes=st.lists(
        st.tuples(st.integers(1, 30), st.sampled_from(["add", "remove"]), st.integers(0, 59)), max_size=3
    ),
)
def test_stable_contacts_are_never_lost(
    people: list[int], size: int, changes: list[tuple[int, str, int]]
) -> None:
    """Whoever is there from the first request to the last is read, or the listing is an error.

    A removal and an addition between the same two pages leave no trace in a total, so each change has a
    request of its own here.
    """
    there, always, requests = list(people), set(people), 0
    pending = {when: (kind, which) for when, kind, which in changes}

    def fetch(params: Params) -> Page[Contact]:
        nonlocal requests
        requests += 1
        kind, which = pending.pop(requests, ("", 0))
        if kind == "add":
            there.insert(which % (len(there) + 1), 1000 + requests)
        elif kind == "remove" and there:
            always.discard(there.pop(which % len(there)))
        return numbered(there)(params)

    try:
        seen = sync_read(Listing(NUMBERED, size), fetch)
    except IncompleteListing:
        return
    assert len(seen) == len(set(seen))
    assert always <= set(seen)


def test_second_pass_returns_only_new_contacts() -> None:
    there = list(range(10))

    def fetch(params: Params) -> Page[Contact]:
        page = numbered(there)(params)
        if params["page"] == "1" and 0 in there:
            there.remove(0)
        return page

    listing = Listing(NUMBERED, 3)
    assert sync_read(listing, fetch) == [0, 1, 2, 4, 5, 6, 7, 8, 9, 3]
    assert listing.passes == 2


def test_fails_after_three_passes() -> None:
    there = list(range(100))

    def fetch(params: Params) -> Page[Contact]:
        there.pop(0)
        return numbered(there)(params)

    with pytest.raises(
        IncompleteListing, match=r"GET /x: The listing changed during all 3 reads.* of 9[0-9]"
    ):
        sync_read(Listing(NUMBERED, 50, where="GET /x"), fetch)


@pytest.mark.parametrize("total", [5, 7, 1_000_000])
def test_wrong_total_is_an_error(total: int) -> None:
    def fetch(params: Params) -> Page[Contact]:
        return Page(numbered(list(range(6)), total=False)(params).items, total=total)

    with pytest.raises(IncompleteListing):
        sync_read(Listing(NUMBERED, 3), fetch)


@pytest.mark.parametrize(
    ("page", "match"),
    [
        (Page([contact(1)], has_more=True, next_cursor=None), "has no cursor"),
        (Page([contact(1)], has_more=True, next_cursor=""), "has no cursor"),
        (Page([contact(1)], has_more=True, next_cursor="same"), "returned twice"),
        (Page([], has_more=True, next_cursor="same"), "returned twice"),
        (Page([contact(1)], next_cursor="x"), "does not report whether more pages follow"),
    ],
)
@both_ways
def test_bad_cursors(go: Callable[..., list[int]], page: Page[Contact], match: str) -> None:
    with pytest.raises(MalformedResponse, match=match):
        go(Listing(CURSOR, 5), lambda _params: page)


def test_cursor_on_the_last_page_is_ignored() -> None:
    page = Page([contact(1)], has_more=False, next_cursor="left over")
    assert sync_read(Listing(CURSOR, 5), lambda _params: page) == [1]


def test_vendor_that_ignores_the_page_number() -> None:
    with pytest.raises(MalformedResponse, match="Page 2 contains only contacts of earlier pages"):
        sync_read(Listing(FROM_ZERO, 3), lambda _params: Page([contact(1), contact(2), contact(3)]))


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
    asked: list[str] = []

    def fetch(params: Params) -> Page[Contact]:
        asked.append(params["page"])
        return numbered(list(range(1000)))(params)

    pages = read_pages(Listing(NUMBERED, 10), fetch, 2)
    for _ in range(5):
        next(pages)
    pages.close()  # type: ignore[attr-defined]
    time.sleep(0.1)
    assert len(asked) <= 7


def test_error_on_a_later_page_ends_the_listing() -> None:
    def fetch(params: Params) -> Page[Contact]:
        if params["page"] == "3":
            raise MalformedResponse("page 3 is broken")
        return numbered(list(range(100)))(params)

    for go in (sync_read, async_read):
        with pytest.raises(MalformedResponse, match="page 3"):
            go(Listing(NUMBERED, 10), fetch, 4)
