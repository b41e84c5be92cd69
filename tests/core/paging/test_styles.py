"""Which page comes next, and when a listing ends."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.core.paging.styles import LinkPaging, Page, Params
from airflow_provider_contacts.core.reading.listing import Listing
from airflow_provider_contacts.errors import (
    IncompleteListing,
    MalformedResponse,
)
from tests.conftest import Read
from tests.core.simulated import (
    CURSOR,
    FROM_ZERO,
    Fetch,
    both_ways,
    contact,
    sync_read,
)
from tests.scripted import Reply, ScriptedServer
from tests.tether import page
from tests.vendors import CASES


def test_vendor_that_ignores_the_page_but_reports_a_total(
    tether: Callable[..., str], scripted: ScriptedServer, read: Read
) -> None:
    scripted.replies = [Reply(body=page(*[{"_id": str(n)} for n in range(200)], total=40_000))]
    with pytest.raises(IncompleteListing):
        read(tether(scripted.url))
    assert len(scripted.received) < 30


@pytest.mark.parametrize("total", [10**400, -5])
def test_implausible_total(
    total: int, tether: Callable[..., str], scripted: ScriptedServer, read: Read
) -> None:
    body = json.dumps(page({"_id": "1"})).replace('"contacts"', f'"total": {total}, "contacts"').encode()
    scripted.replies = [Reply(body=body)]
    with pytest.raises(MalformedResponse):
        read(tether(scripted.url))
    assert len(scripted.received) < 5


def test_endless_cursors(connect: Callable[..., str], scripted: ScriptedServer, read: Read) -> None:
    def cursors() -> Iterator[int]:
        yield from range(10_000)

    numbers = cursors()
    scripted.respond = lambda _request: Reply(
        body={
            "data": {
                "contacts": [{"contact_id": "1"}],
                "pagination": {"has_more": True, "next_cursor": str(next(numbers))},
            }
        }
    )
    conn_id = connect("t", **{**CASES["talktohumans"].parts, "host": scripted.url})
    with pytest.raises(MalformedResponse, match="100 pages in a row contained no new contact"):
        read(conn_id)


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


LINKS = LinkPaging(size_param="size", max_size=50, page_param="page")


def linked(*pages: tuple[str, int | None, str | None]) -> Fetch:
    """Simulate a vendor with links: the contacts, the total and the next link of each page."""

    def fetch(params: Params) -> Page[Contact]:
        ids, total, link = pages[int(params.get("page", 1)) - 1]
        return Page([contact(int(one)) for one in ids], total=total, next_link=link)

    return fetch


@both_ways
def test_links_are_followed_to_the_last_page(go: Callable[..., list[int]]) -> None:
    pages = (("12", 5, "/x?page=2&size=9"), ("34", 5, "https://elsewhere.example/?page=3"), ("5", 5, None))
    assert go(Listing(LINKS, 2), linked(*pages)) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    "pages",
    [
        # A contact was removed, and another one moved to a page that was read already.
        (("12", 4, "?page=2"), ("4", 3, None)),
        # The last page does not repeat the total.
        (("12", 4, "?page=2"), ("3", None, None)),
        # A link is missing.
        (("12", 4, None),),
        (("12", None, "?page=2"), ("3", 4, None)),
    ],
)
@both_ways
def test_links_that_lose_a_contact(go: Callable[..., list[int]], pages: Any) -> None:
    with pytest.raises(IncompleteListing):
        go(Listing(LINKS, 2), linked(*pages))


@pytest.mark.parametrize(
    "link",
    [
        "",
        "/x",
        "?page=",
        "?page=2&page=3",
        "?Page=2",
        "http://[bad/?page=2",
        "//bob\u2100smithson/?page=2",
        "?page=1",
    ],
)
@both_ways
def test_bad_links(go: Callable[..., list[int]], link: str) -> None:
    with pytest.raises(MalformedResponse):
        go(Listing(LINKS, 2), lambda _params: Page([contact(1)], next_link=link))
