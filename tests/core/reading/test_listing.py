"""Listings of simulated vendors; hypothesis varies sizes, contents and changes."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.core.paging.styles import Page, Params
from airflow_provider_contacts.core.reading.listing import Listing, SeenContacts
from airflow_provider_contacts.errors import (
    ContactsError,
    IncompleteListing,
    InvalidRequest,
    MalformedResponse,
    NotFound,
)
from tests.core.simulated import (
    CURSOR,
    FROM_ZERO,
    NUMBERED,
    Fetch,
    both_ways,
    contact,
    cursored,
    numbered,
    sync_read,
)

people_of = st.lists(st.integers(0, 400), unique=True, max_size=120)


@both_ways
@settings(max_examples=60)
@given(people=people_of, size=st.integers(1, 50), clamp=st.integers(1, 60), concurrency=st.integers(1, 6))
def test_numbered_with_total(
    go: Callable[..., list[int]], people: list[int], size: int, clamp: int, concurrency: int
) -> None:
    assert go(Listing(NUMBERED, size), numbered(people, clamp=clamp), concurrency) == people


@both_ways
@settings(max_examples=60)
@given(people=people_of, size=st.integers(1, 50), clamp=st.integers(1, 60), first=st.sampled_from([0, 1]))
def test_numbered_without_total(
    go: Callable[..., list[int]], people: list[int], size: int, clamp: int, first: int
) -> None:
    # With first=1, page 0 and page 1 of the simulated vendor are equal.
    assert go(Listing(FROM_ZERO, size), numbered(people, clamp=clamp, total=False, first=first), 3) == people


@both_ways
@settings(max_examples=60)
@given(people=people_of, size=st.integers(1, 25), clamp=st.integers(1, 30))
def test_cursor(go: Callable[..., list[int]], people: list[int], size: int, clamp: int) -> None:
    assert go(Listing(CURSOR, size), cursored(people, clamp=clamp), 4) == people


@both_ways
@settings(max_examples=60)
@given(people=people_of, size=st.integers(1, 50), limit=st.integers(1, 130), concurrency=st.integers(1, 6))
def test_limit(
    go: Callable[..., list[int]], people: list[int], size: int, limit: int, concurrency: int
) -> None:
    requested: list[Params] = []

    def fetch(params: Params) -> Page[Contact]:
        requested.append(params)
        return numbered(people)(params)

    assert go(Listing(NUMBERED, size, limit), fetch, concurrency) == people[:limit]
    assert len(requested) <= max(1, -(-min(limit, len(people)) // size)) + 1
    if limit <= len(people):
        assert len(requested) == -(-limit // size)


@settings(max_examples=150)
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
    """Every contact that exists from the first request to the last is returned, or the listing fails.

    A removal and an addition between the same two pages leave no trace in a total, so each change
    has a request of its own here.
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
        IncompleteListing,
        match=r"GET /x: The listing could not be proven complete in 3 passes: the vendor reports 9[0-9]",
    ):
        sync_read(Listing(NUMBERED, 50, where="GET /x"), fetch)


def reporting(people: list[int], total: int, **options: Any) -> Fetch:
    """Simulate a vendor whose total is not the number of its contacts."""

    def fetch(params: Params) -> Page[Contact]:
        return Page(numbered(people, total=False, **options)(params).items, total=total)

    return fetch


@both_ways
@pytest.mark.parametrize(
    ("contacts", "size", "total"),
    [(2500, 100, 1000), (2000, 100, 1000), (230, 50, 50), (231, 50, 100), (6, 3, 5), (6, 3, 0), (40, 20, 20)],
)
def test_total_that_is_too_low_is_ignored(
    go: Callable[..., list[int]], contacts: int, size: int, total: int
) -> None:
    people = list(range(contacts))
    listing = Listing(NUMBERED, size)
    assert go(listing, reporting(people, total), 4) == people
    assert listing.passes == 1
    assert f"reports a total of {total} but returned {contacts} contacts" in listing.warning


def test_total_that_counts_the_page_of_a_vendor_with_a_maximum_size() -> None:
    assert sync_read(Listing(NUMBERED, 200), reporting(list(range(230)), 50, clamp=50)) == list(range(230))


def test_number_of_pages_proves_that_a_total_is_too_low() -> None:
    def fetch(params: Params) -> Page[Contact]:
        # The first page is short, so the total alone would end the listing.
        items = [[1, 2], [3, 4, 5]][int(params["page"]) - 1 :][:1]
        return Page([contact(number) for number in (items[0] if items else [])], total=2, page_count=2)

    assert sync_read(Listing(NUMBERED, 7), fetch) == [1, 2, 3, 4, 5]


@both_ways
def test_listing_that_stands_still_is_complete_after_two_passes(go: Callable[..., list[int]]) -> None:
    # A total that also counts a hidden record.
    listing = Listing(NUMBERED, 3)
    assert go(listing, reporting([0, 1, 2, 3, 4, 5], 7), 2) == [0, 1, 2, 3, 4, 5]
    assert listing.passes == 2
    assert "the vendor reports 7" in listing.warning
    with pytest.raises(IncompleteListing):
        go(Listing(NUMBERED, 3, is_strict=True), reporting([0, 1, 2, 3, 4, 5], 7), 2)


def partial(people: list[int], *lengths: int) -> Fetch:
    """Simulate a vendor whose pages have these lengths, the last for all later ones."""
    starts = [sum(lengths[:number]) for number in range(len(lengths))]

    def fetch(params: Params) -> Page[Contact]:
        index = int(params["page"]) - 1
        length = lengths[min(index, len(lengths) - 1)]
        start = starts[index] if index < len(starts) else starts[-1] + length * (index - len(starts) + 1)
        return Page([contact(number) for number in people[start : start + length]], total=len(people))

    return fetch


@both_ways
def test_pages_that_are_shorter_than_the_first_one(go: Callable[..., list[int]]) -> None:
    people = list(range(1020))
    assert go(Listing(NUMBERED, 51), partial(people, 51, 50), 4) == people


@both_ways
def test_same_part_of_the_contacts_twice_is_not_complete(go: Callable[..., list[int]]) -> None:
    people = list(range(1000))

    def fetch(params: Params) -> Page[Contact]:
        page = numbered(people)(params)
        return Page(page.items[:10], total=1000) if params["page"] == "3" else page

    with pytest.raises(IncompleteListing, match="the last pass returned 960"):
        go(Listing(NUMBERED, 50), fetch, 4)


@both_ways
def test_too_many_pages_are_reported(go: Callable[..., list[int]]) -> None:
    people = list(range(120))

    def fetch(params: Params) -> Page[Contact]:
        page = numbered(people)(params)
        return Page(page.items, total=120, page_count=9)

    listing = Listing(NUMBERED, 50)
    assert go(listing, fetch, 3) == people
    assert (listing.passes, listing.warning) == (1, "")


@both_ways
@pytest.mark.parametrize("error", [NotFound("no"), InvalidRequest("no", status=422)])
@pytest.mark.parametrize("contacts", [100, 20, 150])
def test_error_beyond_the_last_page_is_its_end(
    contacts: int, error: ContactsError, go: Callable[..., list[int]]
) -> None:
    people = list(range(contacts))

    def fetch(params: Params) -> Page[Contact]:
        page = numbered(people)(params)
        if not page.items:
            raise error
        return page

    assert go(Listing(NUMBERED, 50), fetch, 3) == people


@both_ways
def test_error_beyond_the_last_page_that_was_requested_ahead(go: Callable[..., list[int]]) -> None:
    people = list(range(120))

    def fetch(params: Params) -> Page[Contact]:
        page = numbered(people)(params)
        if not page.items:
            raise NotFound("no")
        return Page(page.items, total=120, page_count=9)

    assert go(Listing(NUMBERED, 50), fetch, 4) == people


def test_total_on_the_first_page_only() -> None:
    people = list(range(120))

    def fetch(params: Params) -> Page[Contact]:
        page = numbered(people)(params)
        return page if params["page"] == "1" else Page(page.items)

    listing = Listing(NUMBERED, 50)
    assert sync_read(listing, fetch) == people
    assert listing.passes == 1


def test_contacts_that_are_listed_twice() -> None:
    people = [0, 1, 2, 2, 3, 4, 4]
    listing = Listing(NUMBERED, 3)
    assert sync_read(listing, numbered(people)) == [0, 1, 2, 3, 4]
    assert (listing.passes, "duplicates" in listing.warning) == (2, True)


@pytest.mark.parametrize("total", [8, 13, 1_000_000])
def test_pages_that_are_missing_are_an_error(total: int) -> None:
    # A vendor that shows the first pages only, however often it is asked.
    with pytest.raises(IncompleteListing):
        sync_read(Listing(NUMBERED, 3), reporting(list(range(6)), total))


def test_incomplete_listing_can_be_a_warning() -> None:
    listing = Listing(NUMBERED, 3, where="GET /x", on_incomplete="warn")
    assert sync_read(listing, reporting(list(range(6)), 1_000)) == list(range(6))
    assert "GET /x: The listing could not be proven complete" in listing.warning
    assert "may be incomplete" in listing.warning


@both_ways
@settings(max_examples=40)
@given(contacts=st.integers(30, 300), size=st.integers(5, 40), seed=st.integers(0, 1000))
def test_listing_in_order_of_activity(
    go: Callable[..., list[int]], contacts: int, size: int, seed: int
) -> None:
    """One contact moves to the front before every request; all are returned nevertheless."""
    there = list(range(contacts))
    chosen = random.Random(seed)

    def fetch(params: Params) -> Page[Contact]:
        there.insert(0, there.pop(chosen.randrange(contacts)))
        return numbered(there)(params)

    try:
        seen = go(Listing(NUMBERED, size), fetch)
    except IncompleteListing:
        # Only if so many contacts move that a pass cannot keep up with them.
        assert contacts > size
        return
    assert sorted(seen) == list(range(contacts))


def test_one_contact_moves_to_the_front_per_request() -> None:
    chosen = random.Random(7)
    for _ in range(50):
        there = list(range(500))

        def fetch(params: Params, there: list[int] = there) -> Page[Contact]:
            there.insert(0, there.pop(chosen.randrange(500)))
            return numbered(there)(params)

        listing = Listing(NUMBERED, 50)
        assert sorted(sync_read(listing, fetch)) == list(range(500))


@both_ways
@settings(max_examples=60)
@given(contacts=st.integers(1, 130), size=st.integers(1, 50), total=st.booleans())
def test_last_page_that_is_returned_again_for_every_later_number(
    go: Callable[..., list[int]], contacts: int, size: int, total: bool
) -> None:
    people = list(range(contacts))

    def fetch(params: Params) -> Page[Contact]:
        page = min(int(params["page"]), (contacts - 1) // size)
        return numbered(people, total=total, first=0)({**params, "page": str(page)})

    listing = Listing(FROM_ZERO, size)
    last_length = (contacts - 1) % size + 1
    if not total and (last_length == size or last_length in (10, 20, 25, 50)):
        # It may be a full page, and the vendor may as well ignore the page number.
        with pytest.raises(MalformedResponse, match="seems to ignore `page`"):
            go(listing, fetch)
        return
    assert go(listing, fetch) == people
    assert not listing.warning


def rejecting(status: int, maximum: int, people: list[int]) -> Fetch:
    """Simulate a vendor that rejects large pages."""

    def fetch(params: Params) -> Page[Contact]:
        if int(params["size"]) > maximum:
            raise InvalidRequest("rejected", status=status)
        return numbered(people)(params)

    return fetch


@both_ways
@pytest.mark.parametrize("status", [400, 422])
def test_size_that_the_vendor_rejects_is_lowered_once(go: Callable[..., list[int]], status: int) -> None:
    people = list(range(120))
    assert go(Listing(NUMBERED, 200, may_lower_size=True), rejecting(status, 100, people), 3) == people
    with pytest.raises(InvalidRequest):
        go(Listing(NUMBERED, 200, may_lower_size=True), rejecting(status, 20, people), 3)
    with pytest.raises(InvalidRequest):
        go(Listing(NUMBERED, 200), rejecting(status, 100, people), 3)


@both_ways
def test_size_is_not_lowered_for_other_errors(go: Callable[..., list[int]]) -> None:
    with pytest.raises(InvalidRequest):
        go(Listing(NUMBERED, 200, may_lower_size=True), rejecting(403, 100, [1]))


def test_contacts_that_cannot_be_told_apart_are_an_error() -> None:
    same = Page([contact(1), contact(1)], has_more=False)
    with pytest.raises(MalformedResponse, match="the same contact id twice, without an account"):
        sync_read(Listing(CURSOR, 5), lambda _params: same)
    in_accounts = Page([Contact("test", "a", "1"), Contact("test", "b", "1")], has_more=False)
    assert sync_read(Listing(CURSOR, 5), lambda _params: in_accounts) == [1, 1]
    counted = Page([contact(1), contact(1)], total=1)
    assert sync_read(Listing(NUMBERED, 5), lambda _params: counted) == [1]


keys = st.tuples(
    st.sampled_from(["", "a", "b", "a\0"]), st.sampled_from(["1", "2", "\0001", "ä", "\ud800", "12"])
)


@given(st.lists(st.lists(keys, max_size=6), max_size=6))
def test_every_contact_is_new_once(pages: list[list[tuple[str, str]]]) -> None:
    seen = SeenContacts()
    expected: set[tuple[str, str]] = set()
    for page in pages:
        contacts = [Contact("v", *key) for key in page]
        distinct = list(dict.fromkeys(key for key in page if key not in expected))
        new = seen.add(contacts)
        assert [(contact.account_id, contact.contact_id) for contact in new] == distinct
        expected.update(distinct)
        assert len(seen) == len(expected)
