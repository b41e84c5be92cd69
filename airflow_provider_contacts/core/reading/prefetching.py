"""Fetch the pages of a listing, in order and ahead of time: with threads, or with asyncio tasks."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from functools import partial
from typing import Protocol, Self, TypeVar

from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.core.paging.styles import Page, Params
from airflow_provider_contacts.core.reading.listing import Listing
from airflow_provider_contacts.core.workers import submit
from airflow_provider_contacts.errors import InvalidRequest, NotFound


class AsyncClient(Protocol):
    """Something that is closed when a listing ends, such as an HTTP client."""

    async def aclose(self) -> None:
        """Close the client."""


Client = TypeVar("Client", bound=AsyncClient)


def read_pages(
    listing: Listing,
    fetch: Callable[[Params], Page[Contact]],
    prefetch: Callable[[Params], Callable[[], Page[Contact]]],
    max_concurrency: int,
) -> Iterator[list[Contact]]:
    """Yield the new contacts of each page, in order. Pages are fetched ahead where possible.

    :param listing: decides which page comes next.
    :param fetch: fetches one page, in the caller's thread.
    :param prefetch: sends the request for one page, in a worker thread, and returns a function that
        decodes the response, in the caller's thread.
    :param max_concurrency: how many pages may be in flight.
    """
    # Each entry remembers its generation: when the listing starts again, pages of the previous one
    # are dropped.
    in_flight: deque[tuple[int, Future[Callable[[], Page[Contact]]]]] = deque()

    def request(params_of_pages: list[Params]) -> None:
        for params in params_of_pages:
            in_flight.append((listing.generation, submit(partial(prefetch, params), "contacts-page")))

    while not listing.done:
        to_request = _take_params(listing, len(in_flight), max_concurrency)
        if len(to_request) == 1 and not in_flight:
            # The usual case with one cursor: pages come one at a time, so a thread would only add
            # overhead.
            receive: Callable[[], Page[Contact]] = partial(fetch, to_request[0])
        else:
            request(to_request)
            requested_in, future = in_flight.popleft()
            if requested_in != listing.generation:
                continue
            receive = partial(_decode_result, future)
        try:
            page = receive()
        except (InvalidRequest, NotFound) as error:
            if not listing.recover(error):
                raise
        else:
            new = listing.update(page)
            if in_flight:
                # Requested now, so that they arrive while the caller processes this page. If
                # nothing is in flight, a single next page needs no thread.
                request(_take_params(listing, len(in_flight), max_concurrency))
            yield new
            # So that memory holds one page.
            del page, new


def _decode_result(future: Future[Callable[[], Page[Contact]]]) -> Page[Contact]:
    return future.result()()


def _take_params(listing: Listing, in_flight: int, max_concurrency: int) -> list[Params]:
    """Take the parameters of every page that can be requested now."""
    pages: list[Params] = []
    while in_flight + len(pages) < max_concurrency:
        if (params := listing.next_params(in_flight + len(pages))) is None:
            break
        pages.append(params)
    return pages


class AsyncPages:
    """Async version of :func:`read_pages`, for use in an ``async with`` block.

    This is a class because generators inside generators cannot be closed in order when an event
    loop ends.

    :param open_client: opens the HTTP client that the whole listing uses.
    :param fetch: fetches one page with the client.
    :param max_concurrency: how many pages may be in flight.
    """

    def __init__(
        self,
        listing: Listing,
        open_client: Callable[[], Awaitable[Client]],
        fetch: Callable[[Params, Client], Awaitable[Page[Contact]]],
        max_concurrency: int,
    ) -> None:
        self._listing = listing
        self._open_client = open_client
        self._fetch = fetch
        self._max_concurrency = max_concurrency
        self._in_flight: deque[tuple[int, asyncio.Future[Page[Contact]]]] = deque()

    async def __aenter__(self) -> Self:
        self._client = await self._open_client()
        return self

    async def __aexit__(self, *_: object) -> None:
        futures = [future for _, future in self._in_flight]
        for future in futures:
            future.cancel()
        try:
            await asyncio.gather(*futures, return_exceptions=True)
        finally:
            await self._client.aclose()

    async def next(self) -> list[Contact] | None:
        """Return the new contacts of the next page, or None after the last page."""
        listing = self._listing
        in_flight = self._in_flight
        while not listing.done:
            self._request_pages()
            requested_in, future = in_flight[0]
            if requested_in == listing.generation:
                # Popped only after it has arrived, so that closing meanwhile cancels it.
                try:
                    arrived = await future
                except (InvalidRequest, NotFound) as error:
                    if not listing.recover(error):
                        raise
                    in_flight.popleft()
                    continue
                in_flight.popleft()
                new = listing.update(arrived)
                if in_flight:
                    self._request_pages()
                return new
            in_flight.popleft()
            future.cancel()
        return None

    def _request_pages(self) -> None:
        listing = self._listing
        for params in _take_params(listing, len(self._in_flight), self._max_concurrency):
            page = asyncio.ensure_future(self._fetch(params, self._client))
            self._in_flight.append((listing.generation, page))
