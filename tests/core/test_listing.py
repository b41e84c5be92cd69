"""Listings of simulated vendors; hypothesis varies sizes, contents and changes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.core.listing import Listing
from airflow_provider_contacts.core.paging import Page, Params
from airflow_provider_contacts.errors import IncompleteListing, MalformedResponse
from tests.core.simulated import (
    CURSOR,
    FROM_ZERO,
    NUMBERED,
    both_ways,
    contact,
    cursored,
    numbered,
    sync_read,
)

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
    # With first=1, page 0 and page 1 of the simulated vendor are equal.
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
    requested: list[Params] = []

    def fetch(params: Params) -> Page[Contact]:
        requested.append(params)
        return numbered(people)(params)

    assert go(Listing(NUMBERED, size, limit), fetch, concurrency) == people[:limit]
    assert len(requested) <= max(1, -(-min(limit, len(people)) // size)) + 1


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
    """Every contact that exists from the first request to the last is returned, or the listing fails.

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
        IncompleteListing, match=r"GET /x: The contacts changed during all 3 passes.* of 9[0-9]"
    ):
        sync_read(Listing(NUMBERED, 50, where="GET /x"), fetch)


@pytest.mark.parametrize("total", [5, 7, 1_000_000])
def test_wrong_total_is_an_error(total: int) -> None:
    def fetch(params: Params) -> Page[Contact]:
        return Page(numbered(list(range(6)), total=False)(params).items, total=total)

    with pytest.raises(IncompleteListing):
        sync_read(Listing(NUMBERED, 3), fetch)


def test_contacts_that_cannot_be_told_apart_are_an_error() -> None:
    same = Page([contact(1), contact(1)], has_more=False)
    with pytest.raises(MalformedResponse, match="the same contact id twice, without an account"):
        sync_read(Listing(CURSOR, 5), lambda _params: same)
    in_accounts = Page([Contact("test", "a", "1"), Contact("test", "b", "1")], has_more=False)
    assert sync_read(Listing(CURSOR, 5), lambda _params: in_accounts) == [1, 1]
    counted = Page([contact(1), contact(1)], total=1)
    assert sync_read(Listing(NUMBERED, 5), lambda _params: counted) == [1]
