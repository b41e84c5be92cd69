"""Simulated vendors, and reading from them sync and async."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest

from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.core.paging.styles import CursorPaging, Page, PageNumberPaging, Params
from airflow_provider_contacts.core.reading.listing import Listing
from airflow_provider_contacts.core.reading.prefetching import AsyncPages, read_pages

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
    """Simulate a vendor with numbered pages."""

    def fetch(params: Params) -> Page[Contact]:
        size = min(int(params["size"]), clamp)
        start = (int(params["page"]) - first) * size
        found = [contact(number) for number in people[max(start, 0) : max(start, 0) + size]]
        return Page(found, total=len(people) if total else None)

    return fetch


def cursored(people: list[int], *, clamp: int = 1000) -> Fetch:
    """Simulate a vendor with cursors."""

    def fetch(params: Params) -> Page[Contact]:
        start, size = int(params.get("cursor", 0)), min(int(params["limit"]), clamp)
        more = start + size < len(people)
        found = [contact(number) for number in people[start : start + size]]
        return Page(found, has_more=more, next_cursor=str(start + size) if more else None)

    return fetch


def sync_read(listing: Listing, fetch: Fetch, concurrency: int = 1) -> list[int]:
    return [number for page in pages_of(listing, fetch, concurrency) for number in numbers(page)]


def pages_of(listing: Listing, fetch: Fetch, concurrency: int) -> Iterator[list[Contact]]:
    def prefetch(params: Params) -> Callable[[], Page[Contact]]:
        page = fetch(params)
        return lambda: page

    return read_pages(listing, fetch, prefetch, concurrency)


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
