"""Which numbered page comes next, and what a pass knows about its total; test_listing covers whole listings."""

from __future__ import annotations

import pytest

from airflow_provider_contacts.core.paging.page import Page
from airflow_provider_contacts.core.paging.page_numbers import PageNumberPass
from airflow_provider_contacts.core.paging.styles import PageNumberPaging
from airflow_provider_contacts.errors import MalformedResponse


def numbered(size: int = 3) -> PageNumberPass:
    return PageNumberPaging(size_param="size", max_size=size, page_param="page").start_pass(size)


def test_pages_are_requested_ahead_up_to_the_total() -> None:
    tested = numbered()
    assert tested.next_params(0) == {"size": "3", "page": "1"}
    assert tested.next_params(1) is None
    tested.update(Page([1, 2, 3], total=7), 3)
    assert [tested.next_params(0), tested.next_params(1), tested.next_params(2)] == [
        {"size": "3", "page": "2"},
        {"size": "3", "page": "3"},
        None,
    ]
    tested.update(Page([4, 5, 6], total=7), 3)
    tested.update(Page([7], total=7), 1)
    assert tested.done
    assert tested.has_steady_total
    assert tested.is_complete(7)
    assert not tested.is_complete(6)


def test_full_last_page_is_followed_by_one_more_request() -> None:
    tested = numbered()
    tested.next_params(0)
    tested.update(Page([1, 2, 3], total=3), 3)
    assert not tested.done
    assert tested.next_params(0) == {"size": "3", "page": "2"}
    tested.update(Page([], total=3), 0)
    assert tested.done
    assert not tested.has_wrong_total


@pytest.mark.parametrize("count", [1, 7, 60, 199])
def test_short_first_page_costs_no_other_request(count: int) -> None:
    tested = numbered(200)
    tested.update(Page(list(range(count)), total=count), count)
    assert tested.done


def test_page_beyond_the_total_ends_the_use_of_the_total() -> None:
    tested = numbered()
    for number in range(3):
        tested.next_params(0)
        tested.update(Page([number, number + 10, number + 20], total=3), 3)
    assert tested.has_wrong_total
    assert not tested.done
    tested.update(Page([], total=3), 0)
    assert tested.done
    assert tested.is_complete(9)
    assert not tested.has_steady_total


def test_total_that_changes_is_not_steady() -> None:
    tested = numbered()
    tested.update(Page([1, 2, 3], total=5), 3)
    tested.update(Page([4], total=4), 1)
    assert tested.done
    assert not tested.has_steady_total
    assert not tested.is_complete(4)


def first_page_may_repeat() -> PageNumberPass:
    paging = PageNumberPaging(
        size_param="size", max_size=3, page_param="page", first=0, first_page_may_repeat=True
    )
    return paging.start_pass(3)


@pytest.mark.parametrize("is_still_empty", [True, False])
def test_empty_first_page_before_others_is_requested_again(is_still_empty: bool) -> None:
    tested = first_page_may_repeat()
    for items in ([], [1, 2, 3], [4]):
        assert tested.next_params(0) is not None
        tested.update(Page(items), len(items))
    assert tested.next_params(0) == {"size": "3", "page": "3"}
    tested.update(Page([]), 0)
    assert not tested.done
    assert tested.next_params(0) == {"size": "3", "page": "0"}
    if is_still_empty:
        tested.update(Page([]), 0)
        assert tested.done
    else:
        with pytest.raises(MalformedResponse, match="Page 0 was empty at first"):
            tested.update(Page([0]), 1)


def test_empty_listing_needs_two_requests_if_the_first_number_is_unknown() -> None:
    tested = first_page_may_repeat()
    tested.update(Page([]), 0)
    assert not tested.done
    tested.update(Page([]), 0)
    assert tested.done
