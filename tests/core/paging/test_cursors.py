"""Passes that follow cursors and links, also one cursor for each value of a filter; test_listing covers the rest."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.core.paging.cursors import CursorPass, LinkPass
from airflow_provider_contacts.core.paging.styles import CursorPaging, Page, Params, split_paging
from airflow_provider_contacts.core.reading.listing import Listing
from airflow_provider_contacts.errors import InvalidRequest, MalformedResponse
from tests.core.simulated import NUMBERED, Fetch, both_ways, cursored, sync_read

PAGING = CursorPaging(size_param="limit", max_size=25, cursor_param="cursor", split_param="account_id")

accounts_of = st.dictionaries(
    st.sampled_from(["1", "2", "3", "4", "5"]),
    st.lists(st.integers(0, 400), max_size=60),
    min_size=2,
).map(
    lambda accounts: {
        account: [int(account) * 1000 + number for number in dict.fromkeys(people)]
        for account, people in accounts.items()
    }
)


def by_account(accounts: dict[str, list[int]]) -> Fetch:
    return lambda params: cursored(accounts[params["account_id"]])(params)


@both_ways
@settings(max_examples=60)
@given(accounts=accounts_of, size=st.integers(1, 25), concurrency=st.integers(1, 6))
def test_every_contact_of_every_account_once(
    go: Callable[..., list[int]], accounts: dict[str, list[int]], size: int, concurrency: int
) -> None:
    found = go(Listing(PAGING.split(list(accounts)), size), by_account(accounts), concurrency)
    assert Counter(found) == Counter(number for people in accounts.values() for number in people)
    for people in accounts.values():
        assert [number for number in found if number in people] == people


@settings(max_examples=60)
@given(accounts=accounts_of, limit=st.integers(1, 50), concurrency=st.integers(1, 6))
def test_limit(accounts: dict[str, list[int]], limit: int, concurrency: int) -> None:
    found = sync_read(Listing(PAGING.split(list(accounts)), 5, limit), by_account(accounts), concurrency)
    people = {number for people in accounts.values() for number in people}
    assert len(found) == len(set(found)) == min(limit, len(people))
    assert set(found) <= people


def test_cursors_are_followed_at_the_same_time() -> None:
    # Each page arrives only when all accounts have requested theirs.
    together = threading.Barrier(3, timeout=10)
    accounts = {account: list(range(int(account) * 100, int(account) * 100 + 20)) for account in "123"}

    def fetch(params: Params) -> Page[Contact]:
        together.wait()
        return by_account(accounts)(params)

    assert len(sync_read(Listing(PAGING.split(list(accounts)), 5), fetch, 3)) == 60


@both_ways
@pytest.mark.parametrize("last", ["1", "2", "3"])
def test_an_error_of_one_account_fails_the_listing(go: Callable[..., list[int]], last: str) -> None:
    accounts = {account: list(range(int(account) * 100, int(account) * 100 + 20)) for account in "123"}

    def fetch(params: Params) -> Page[Contact]:
        page = by_account(accounts)(params)
        if params["account_id"] == last and "cursor" in params:
            return Page(page.items, has_more=True)
        return page

    with pytest.raises(MalformedResponse, match="no cursor"):
        go(Listing(PAGING.split(list(accounts)), 5), fetch, 4)


@both_ways
def test_equal_ids_without_an_account_are_an_error(go: Callable[..., list[int]]) -> None:
    accounts = {"1": [1, 2, 3], "2": [2, 3, 4]}
    with pytest.raises(MalformedResponse, match="same contact id twice, without an account"):
        go(Listing(PAGING.split(list(accounts)), 5), by_account(accounts), 4)


@both_ways
def test_page_size_is_lowered_for_all_accounts(go: Callable[..., list[int]]) -> None:
    paging = CursorPaging(size_param="limit", max_size=200, cursor_param="cursor", split_param="account_id")
    accounts = {account: list(range(int(account) * 1000, int(account) * 1000 + 120)) for account in "123"}

    def fetch(params: Params) -> Page[Contact]:
        if int(params["limit"]) > 50:
            raise InvalidRequest("too large", status=400)
        return by_account(accounts)(params)

    found = go(Listing(paging.split(list(accounts)), 200, may_lower_size=True), fetch, 4)
    assert sorted(found) == sorted(number for people in accounts.values() for number in people)


def test_when_a_listing_is_divided() -> None:
    divided = split_paging(PAGING, {"account_id": ["2", "1", "2"], "tag": "VIP"})
    assert divided == PAGING.split(["2", "1"])
    assert divided.reserved_params == ("cursor", "limit", "account_id")
    for filters in ({"account_id": ["1", "1"]}, {"account_id": ["1"]}, {"tag": "VIP"}):
        assert split_paging(PAGING, filters) is PAGING
    without = CursorPaging(size_param="limit", max_size=25, cursor_param="cursor")
    assert split_paging(without, {"account_id": ["1", "2"]}) is without
    assert split_paging(NUMBERED, {"account_id": ["1", "2"]}) is NUMBERED


def test_cursors_have_no_total() -> None:
    tested = CursorPass("limit", "cursor", 2)
    assert tested.next_params(0) == {"limit": "2"}
    tested.update(Page([1, 2], has_more=True, next_cursor="x"), 2)
    assert tested.next_params(1) is None
    assert tested.next_params(0) == {"limit": "2", "cursor": "x"}
    tested.update(Page([3], has_more=False), 1)
    assert tested.done
    assert not tested.has_steady_total
    assert tested.is_complete(3)


def test_links_without_a_total() -> None:
    tested = LinkPass("size", "page", 2)
    assert tested.next_params(0) == {"size": "2"}
    tested.update(Page([1, 2], next_link="/x?page=2"), 2)
    assert tested.next_params(0) == {"size": "2", "page": "2"}
    tested.update(Page([3]), 1)
    assert (tested.done, tested.rows, tested.total) == (True, 3, None)
    assert tested.is_complete(3)
    assert not tested.has_steady_total


@pytest.mark.parametrize(("first", "second"), [(None, 3), (3, None), (4, 3)])
def test_links_with_a_total_that_changes(first: int | None, second: int | None) -> None:
    tested = LinkPass("size", "page", 2)
    tested.update(Page([1, 2], total=first, next_link="/x?page=2"), 2)
    tested.update(Page([3], total=second), 1)
    assert tested.total == (first or second)
    assert not tested.is_complete(3)
    assert not tested.has_steady_total


def test_many_pages_with_new_contacts() -> None:
    linked = LinkPass("size", "page", 1)
    split = PAGING.split(["1", "2"]).start_pass(1)
    for number in range(200):
        linked.update(Page([number], next_link=f"?page={number + 2}"), 1)
        assert split.next_params(0) is not None
        split.update(Page([number], has_more=True, next_cursor=f"{number}"), 1)
    assert not linked.done


def test_link_that_repeats_is_an_error() -> None:
    tested = LinkPass("size", "page", 2)
    tested.update(Page([1, 2], next_link="/x?page=2"), 2)
    with pytest.raises(MalformedResponse):
        tested.update(Page([1, 2], next_link="/x?page=2"), 0)


def test_links_with_a_total() -> None:
    tested = LinkPass("size", "page", 2)
    tested.update(Page([1, 2], total=3, next_link="/x?page=2"), 2)
    assert not tested.has_steady_total
    tested.update(Page([2], total=3), 0)
    assert tested.has_steady_total
    assert not tested.is_complete(2)
