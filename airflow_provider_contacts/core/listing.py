"""One listing: asking for pages, de-duplication, completeness, walking again.

:class:`Listing` is the logic and does no I/O; :func:`read` and :class:`AsyncPages` connect it to something that
fetches pages, with threads or with tasks.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from typing import Protocol

from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.core.paging import Page, Walk
from airflow_provider_contacts.errors import IncompleteListing, MalformedResponse

_MAX_WALKS = 3

Params = dict[str, str]


class Paging(Protocol):
    """What :class:`Listing` needs of a paging."""

    def walk(self, size: int) -> Walk:
        """Start a pass."""


class Listing:
    """A listing in progress.

    :param paging: the vendor's paging.
    :param size: records per page to ask for.
    :param limit: stop after this many contacts, or None for all. A listing that a limit ends is not
        checked for completeness.
    :param where: vendor and request, for messages.
    """

    def __init__(self, paging: Paging, size: int, limit: int | None = None, where: str = "listing") -> None:
        self._where = where
        self._paging = paging
        self._size = size
        self._limit = limit
        self._walk = paging.walk(size)
        self._walks = 1
        self._known: set[tuple[str, str]] = set()
        self._in_walk = self._known
        self.given = 0
        self.done = False

    @property
    def total(self) -> int | None:
        """How many contacts there are to come in all, where the vendor says so."""
        return self._walk.total

    def ask(self, waiting: int) -> Params | None:
        """Return the parameters of the next page, or None if it has to wait for an answer.

        :param waiting: how many answers are outstanding.
        """
        if self.done or (self._limit is not None and self.given + waiting * self._size >= self._limit):
            return None
        return self._walk.ask(waiting)

    def take(self, page: Page[Contact]) -> list[Contact]:
        """Return the contacts of the next page that had not been seen before.

        :param page: the answers must come in the order in which they were asked for. Those that are still
            outstanding once ``done`` is set, or after a walk starts again, are not wanted any more.
        :raises IncompleteListing: if contacts kept moving between pages.
        :raises MalformedResponse: if the pages contradict each other.
        """
        known, in_walk = self._known, self._in_walk
        fresh = []
        before = len(in_walk)
        for contact in page.items:
            key = (contact.account_id, contact.contact_id)
            if key not in known:
                known.add(key)
                fresh.append(contact)
            if in_walk is not known:
                in_walk.add(key)
        new = len(fresh) if in_walk is known else len(in_walk) - before
        try:
            self._walk.take(page, new)
        except MalformedResponse as error:
            raise MalformedResponse(f"{self._where}: {error}") from None
        if self._limit is not None and self.given + len(fresh) >= self._limit:
            fresh = fresh[: self._limit - self.given]
            self.done = True
        elif self._walk.done:
            self._end_walk()
        self.given += len(fresh)
        return fresh

    def _end_walk(self) -> None:
        if self._walk.is_complete(len(self._in_walk)):
            self.done = True
        elif self._walks == _MAX_WALKS:
            raise IncompleteListing(
                f"{self._where}: the listing was read {_MAX_WALKS} times and never held still: the last time it gave "
                f"{len(self._in_walk)} distinct contacts of {self._walk.total}. Contacts are being added or "
                "removed while it is read; read it at a quieter time, or with a filter that makes it shorter"
            )
        else:
            self._walks += 1
            self._walk = self._paging.walk(self._size)
            self._in_walk = set()

    @property
    def walks(self) -> int:
        """How many times the listing has been started; more than one after contacts moved."""
        return self._walks


def read(
    listing: Listing, fetch: Callable[[Params], Page[Contact]], max_concurrency: int
) -> Iterator[list[Contact]]:
    """Yield the new contacts of every page, in order, fetching ahead where the paging allows it.

    :param fetch: gets one page; it is called from other threads as soon as several pages can be asked for.
    :param max_concurrency: how many pages may be asked for at once.
    """
    waiting: deque[tuple[int, Future[Page[Contact]]]] = deque()
    while not listing.done:
        asks: list[Params] = []
        while (outstanding := len(waiting) + len(asks)) < max_concurrency:
            if (params := listing.ask(outstanding)) is None:
                break
            asks.append(params)
        if len(asks) == 1 and not waiting:
            yield listing.take(fetch(asks[0]))
            continue
        waiting.extend((listing.walks, _in_thread(fetch, params)) for params in asks)
        walk, future = waiting.popleft()
        if walk == listing.walks:
            yield listing.take(future.result())


def _in_thread(fetch: Callable[[Params], Page[Contact]], params: Params) -> Future[Page[Contact]]:
    """Fetch a page in a daemon thread: those of a pool would keep the interpreter from ending."""
    future: Future[Page[Contact]] = Future()

    def run() -> None:
        try:
            future.set_result(fetch(params))
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name="contacts-page", daemon=True).start()
    return future


class AsyncPages:
    """Does what :func:`read` does, with tasks in place of threads.

    It is no generator: generators inside generators cannot be closed in order when an event loop ends.

    :param fetch: gets one page.
    :param max_concurrency: how many pages may be asked for at once.
    """

    def __init__(
        self, listing: Listing, fetch: Callable[[Params], Awaitable[Page[Contact]]], max_concurrency: int
    ) -> None:
        self._listing = listing
        self._fetch = fetch
        self._most = max_concurrency
        self._waiting: deque[tuple[int, asyncio.Future[Page[Contact]]]] = deque()

    async def close(self) -> None:
        """Stop asking for pages."""
        futures = [future for _, future in self._waiting]
        for future in futures:
            future.cancel()
        await asyncio.gather(*futures, return_exceptions=True)

    async def next(self) -> list[Contact] | None:
        """Return the new contacts of the next page, or None after the last."""
        listing, waiting = self._listing, self._waiting
        while not listing.done:
            while len(waiting) < self._most and (params := listing.ask(len(waiting))) is not None:
                waiting.append((listing.walks, asyncio.ensure_future(self._fetch(params))))
            walk, future = waiting[0]
            if walk == listing.walks:
                page = await future
                waiting.popleft()
                return listing.take(page)
            waiting.popleft()
            future.cancel()
        return None
