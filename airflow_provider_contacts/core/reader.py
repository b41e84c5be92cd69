"""Lists one vendor's contacts with one connection's settings: filters, paging, decoding and sending, joined."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self

from airflow_provider_contacts.conditions import Condition
from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.core.decoding import PageDecoder, json_of
from airflow_provider_contacts.core.filters import Plan, QueryParams, plan, to_query, validate_filters
from airflow_provider_contacts.core.listing import AsyncPages, Listing, Params, read
from airflow_provider_contacts.core.paging import Page
from airflow_provider_contacts.core.request import Request
from airflow_provider_contacts.core.settings import Settings
from airflow_provider_contacts.core.transport import Transport
from airflow_provider_contacts.core.vendor import Vendor
from airflow_provider_contacts.errors import ContactsError, InvalidConnection, InvalidRequest

CHECK_TIMEOUT = 10.0
_PROGRESS_EVERY = 10.0


class _Question:
    """A checked listing: what every request carries, how a page is read, what is kept, where it stands."""

    def __init__(
        self,
        path: str,
        params: QueryParams,
        decode: PageDecoder[Any],
        listing: Listing,
        plan: Plan,
        limit: int | None,
    ) -> None:
        self.decode = decode
        self.listing = listing
        self._path = path
        self._params = params
        self._plan = plan
        self._left = limit
        self.untold = 0

    def request(self, page: Params) -> Request:
        return Request("GET", self._path, (*self._params, *page.items()))

    def pick(self, contacts: list[Contact]) -> list[Contact]:
        """Return those contacts that were asked for, until there are enough."""
        if self._plan.tests:
            held = [(contact, self._plan.holds(contact)) for contact in contacts]
            contacts = [contact for contact, value in held if value]
            self.untold += sum(value is None for _, value in held)
        if self._left is not None:
            contacts = contacts[: self._left]
            self._left -= len(contacts)
        return contacts

    @property
    def enough(self) -> bool:
        """Whether the limit is reached."""
        return self._left == 0


class ContactReader:
    """Reads the contacts of one vendor.

    :param vendor: what the vendor's API pages say.
    :param settings: the connection's settings.
    :param transport: what sends.
    :param log: takes the progress of long listings.
    :param page_size: contacts per request, or None for the most that the vendor gives.
    """

    def __init__(
        self,
        vendor: Vendor,
        settings: Settings,
        transport: Transport,
        log: logging.Logger | Any,
        page_size: int | None = None,
    ) -> None:
        self._vendor = vendor
        self._settings = settings
        self._transport = transport
        self._log = log
        self._page_size = page_size

    def list(
        self,
        filters: Mapping[str, Any] | None,
        condition: Condition | None,
        limit: int | None,
        raw: bool,
    ) -> Iterator[Contact]:
        """Check filters and condition now, and give the contacts as they are asked for."""
        return self._read(self._question(filters, condition, limit, raw))

    def _read(self, question: _Question) -> Iterator[Contact]:
        progress, stop = _Progress(self._vendor.title, question.listing, self._log), threading.Event()

        def fetch(page: Params) -> Page[Contact]:
            return self._transport.send(question.request(page), question.decode, stop)

        try:
            for contacts in read(question.listing, fetch, self._settings.max_concurrency):
                progress.update()
                yield from question.pick(contacts)
                if question.enough:
                    return
            progress.end(question)
        finally:
            stop.set()

    def alist(
        self,
        filters: Mapping[str, Any] | None,
        condition: Condition | None,
        limit: int | None,
        raw: bool,
    ) -> AsyncReading:
        """Check filters and condition now, and return what reads in an event loop."""
        question = self._question(filters, condition, limit, raw)
        return AsyncReading(question, self._vendor, self._settings, self._transport, self._log)

    def cheapest(self) -> tuple[Request, Callable[[bytes], Any]]:
        """Return the cheapest request that needs the credentials, and what reads its answer."""
        if (request := self._vendor.check(self._settings)) is not None:
            return request, json_of
        question = self._question(None, None, limit=1, raw=False)
        return question.request(question.listing.ask(0) or {}), question.decode

    def _question(
        self,
        filters: Mapping[str, Any] | None,
        condition: Condition | None,
        limit: int | None,
        raw: bool,
    ) -> _Question:
        contacts, title = self._vendor.contacts, self._vendor.title
        reserved = (*contacts.paging.params, contacts.paging.size_param)
        given = validate_filters(filters, contacts.filters, title, reserved=reserved)
        # What the connection adds is checked like what the author gives.
        planned = plan(condition, given, contacts.answers, title)
        given = validate_filters(planned.filters, contacts.filters, title)
        try:
            complete = validate_filters(contacts.complete(given, self._settings), contacts.filters, title)
        except InvalidRequest as error:
            raise InvalidConnection(f"connection {self._settings.conn_id!r}: {error}") from None
        decode: PageDecoder[Any] = PageDecoder(
            envelope=contacts.envelope,
            record=contacts.record,
            unpack=contacts.unpack,
            to_contact=contacts.to_contact,
            account_id=contacts.account_id(complete, self._settings),
            keep_raw=raw,
        )
        size = contacts.paging.max_size if self._page_size is None else self._page_size
        if not _is_whole(size) or not 1 <= size <= contacts.paging.max_size:
            raise InvalidRequest(
                f"{title}: page_size must be a whole number between 1 and {contacts.paging.max_size}"
            )
        if limit is not None and (not _is_whole(limit) or limit < 1):
            raise InvalidRequest(f"{title}: limit must be a whole number of at least 1")
        # Which of the vendor's contacts are asked for shows only on the records, if a condition is tested there.
        at_most = None if planned.tests else limit
        size = size if at_most is None else min(size, at_most)
        listing = Listing(contacts.paging, size, at_most, f"{title}: GET {contacts.path}")
        return _Question(contacts.path, to_query(complete), decode, listing, planned, limit)


class AsyncReading:
    """A listing that is read in an event loop, as long as its ``async with`` block lasts."""

    def __init__(
        self,
        question: _Question,
        vendor: Vendor,
        settings: Settings,
        transport: Transport,
        log: logging.Logger | Any,
    ) -> None:
        self._question = question
        self._transport = transport
        self._client: Any = None
        self._pages = AsyncPages(question.listing, self._fetch, settings.max_concurrency)
        self._progress = _Progress(vendor.title, question.listing, log)

    async def _fetch(self, page: Params) -> Page[Contact]:
        return await self._transport.asend(self._question.request(page), self._question.decode, self._client)

    async def __aenter__(self) -> Self:
        # Reading the environment's certificates takes a while.
        self._client = await asyncio.to_thread(self._transport.client)
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            await self._pages.close()
        finally:
            await self._client.aclose()

    async def next(self) -> list[Contact] | None:
        """Return the new contacts of the next page, or None after the last."""
        if self._question.enough:
            return None
        contacts = await self._pages.next()
        if contacts is None:
            self._progress.end(self._question)
            return None
        self._progress.update()
        return self._question.pick(contacts)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


class _Progress:
    """Logs now and then how far a listing is, so that a long one is visibly alive."""

    def __init__(self, title: str, listing: Listing, log: logging.Logger | Any) -> None:
        self._title = title
        self._listing = listing
        self._log = log
        self._started = self._logged = time.monotonic()

    def update(self) -> None:
        now = time.monotonic()
        if now - self._logged >= _PROGRESS_EVERY:
            self._logged = now
            given, total = self._listing.given, self._listing.total
            of_total = "" if total is None else f" of {total}"
            rate = given / (now - self._started)
            self._log.info("%s: read %d%s contacts, %.0f per second.", self._title, given, of_total, rate)

    def end(self, question: _Question) -> None:
        if question.untold:
            self._log.info(
                "%s: of %d contact(s) the records do not tell whether they meet the condition; they are left out.",
                self._title,
                question.untold,
            )


def check(
    vendor: Vendor, settings: Settings, *, log: logging.Logger | Any, on_secret: Callable[[str], None]
) -> tuple[bool, str]:
    """Tell whether the vendor accepts the connection, within 10 s.

    :return: whether it does, and a sentence that after a failure names the form field to mend.
    """
    quick = dataclasses.replace(settings, timeout=min(settings.timeout, CHECK_TIMEOUT), retry_limit=0)
    outcome: list[tuple[bool, str]] = []

    def run() -> None:
        try:
            transport = Transport(vendor, quick, log=log, on_secret=on_secret)
            request, parse = ContactReader(vendor, quick, transport, log).cheapest()
            try:
                transport.send(request, parse)
            finally:
                transport.close()
        except ContactsError as error:
            outcome.append((False, str(error)))
        except Exception as error:  # nobody would see it in a thread
            outcome.append((False, f"{vendor.title} could not be asked ({type(error).__name__})"))
        else:
            accepted = f"{vendor.title} accepts the credentials at {settings.base_url}."
            try:
                vendor.contacts.complete({}, settings)
            except ContactsError as error:
                accepted += f" Still missing: {error}."
            outcome.append((True, accepted))

    # The time-outs of an HTTP library bound each silence of the server, the join bounds the whole.
    thread = threading.Thread(target=run, name="contacts-check", daemon=True)
    thread.start()
    thread.join(CHECK_TIMEOUT)
    late = (
        f"{vendor.title} gave no whole answer within {CHECK_TIMEOUT:g} s; check Host of connection "
        f"{settings.conn_id!r}"
    )
    return outcome[0] if outcome else (False, late)
