"""Passes that follow cursors and links; test_listing covers whole listings."""

from __future__ import annotations

from airflow_provider_contacts.core.paging.cursors import CursorPass, LinkPass
from airflow_provider_contacts.core.paging.page import Page


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


def test_links_with_a_total() -> None:
    tested = LinkPass("size", "page", 2)
    tested.update(Page([1, 2], total=3, next_link="/x?page=2"), 2)
    assert not tested.has_steady_total
    tested.update(Page([2], total=3), 0)
    assert tested.has_steady_total
    assert not tested.is_complete(2)
