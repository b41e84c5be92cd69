"""Read one vendor's contacts: filters, condition, paging, decoding and sending joined together."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Self

from airflow_provider_contacts.conditions import Condition
from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.core.filters import Filters, QueryParams, to_query, validate_filters
from airflow_provider_contacts.core.http.client import Transport
from airflow_provider_contacts.core.logs import Log, ProgressLog
from airflow_provider_contacts.core.matching.pushdown import Plan, Selection, plan_condition
from airflow_provider_contacts.core.paging.styles import Page, Paging, Params, split_paging
from airflow_provider_contacts.core.reading.decoding import PageDecoder
from airflow_provider_contacts.core.reading.listing import Listing
from airflow_provider_contacts.core.reading.prefetching import AsyncPages, read_pages
from airflow_provider_contacts.core.request import Request, Response
from airflow_provider_contacts.core.validation import is_int
from airflow_provider_contacts.core.vendor import ListingScope
from airflow_provider_contacts.errors import InvalidConnection, InvalidRequest


@dataclass(frozen=True, slots=True, repr=False)
class ListingRequest:
    """A checked listing. It has no repr, because filters contain personal data.

    :param filters: the filters of the author and of the condition.
    :param plan: how records are tested.
    :param query: the query parameters of every page.
    :param decode: decodes a page.
    :param listing: which page comes next.
    :param selection: which contacts are kept.
    """

    path: str
    filters: dict[str, object]
    plan: Plan
    query: QueryParams
    decode: PageDecoder
    listing: Listing
    selection: Selection

    def page_request(self, params: Params) -> Request:
        """Return the request for one page."""
        return Request("GET", self.path, (*self.query, *params.items()))


class ContactReader:
    """Reads the contacts of one vendor.

    :param transport: sends the requests.
    :param page_size: contacts per request, or None for the connection's, or the most that the
        vendor returns.
    """

    def __init__(self, transport: Transport, page_size: int | None = None) -> None:
        self._transport = transport
        self._vendor = transport.vendor
        self._settings = transport.settings
        self._page_size = page_size

    def prepare(
        self,
        filters: Filters | None,
        condition: Condition | None,
        limit: int | None,
        raw: bool,
        strict: bool = False,
        *,
        keys_only: bool = False,
    ) -> ListingRequest:
        """Check filters, condition and limit, and return the listing to read.

        :param keys_only: whether contacts need no other fields than their key and ``raw``.
        """
        endpoint = self._vendor.contacts
        title = self._vendor.title
        if limit is not None and (not is_int(limit) or limit < 1):
            raise InvalidRequest(f"{title}: limit must be a whole number of at least 1.")
        own_filters, plan = self._plan(filters, condition)
        try:
            defaults = endpoint.default_filters(own_filters, self._settings)
            given = {**own_filters, **validate_filters(defaults, endpoint.filters, title)}
        except InvalidRequest as error:
            raise InvalidConnection(f"Connection {self._settings.conn_id!r}: {error}") from None
        scope = ListingScope(endpoint.account_id(given, self._settings), given)
        decode = PageDecoder(
            endpoint,
            self._vendor.error_format,
            vendor=self._vendor.name,
            scope=scope,
            keep_raw=raw,
            keys_only=keys_only and raw and not plan.has_tests,
        )
        paging = split_paging(endpoint.paging, given)
        listing = self._listing(paging, plan, limit, strict)
        query = to_query({name: value for name, value in given.items() if name not in paging.reserved_params})
        if gap := endpoint.explain_gap(given):
            self._transport.warn_once(f"{title}: {gap}")
        return ListingRequest(
            endpoint.path, own_filters, plan, query, decode, listing, Selection(plan, limit)
        )

    def _plan(self, filters: Filters | None, condition: Condition | None) -> tuple[dict[str, object], Plan]:
        """Check filters and condition, and return the filters and the plan for the records."""
        title = self._vendor.title
        endpoint = self._vendor.contacts
        # Each source of filters is validated once, so that an error can name the source.
        given = validate_filters(filters, endpoint.filters, title, reserved=endpoint.paging.reserved_params)
        plan = plan_condition(condition, given, endpoint.conditions, title)
        given.update(validate_filters(plan.filters, endpoint.filters, title))
        return given, plan

    def probe_request(self) -> tuple[Request, Callable[[Response], object]]:
        """Return the cheapest request that needs the credentials, and its parser."""
        if (request := self._vendor.probe(self._settings)) is not None:
            return request, Response.json
        first_contact = self.prepare(None, None, limit=1, raw=False)
        return first_contact.page_request(first_contact.listing.next_params(0) or {}), first_contact.decode

    def read(self, request: ListingRequest) -> Iterator[list[Contact]]:
        """Yield the matching contacts, page by page. Pages are fetched ahead where possible."""
        stop = threading.Event()
        progress = _ListingProgress(self._transport, request)

        def fetch(params: Params) -> Page[Contact]:
            return self._transport.send(request.page_request(params), request.decode, stop)

        def prefetch(params: Params) -> Callable[[], Page[Contact]]:
            response = self._transport.send(request.page_request(params), _return_response, stop)
            return lambda: self._decode(request, params, response, stop)

        pages = read_pages(request.listing, fetch, prefetch, self._settings.max_concurrency)
        try:
            for contacts in pages:
                progress.update()
                yield request.selection.keep(contacts)
                del contacts  # so that memory holds one page
                if request.selection.has_reached_limit:
                    return
            progress.finish()
        finally:
            stop.set()

    def _decode(
        self, request: ListingRequest, params: Params, response: Response, stop: threading.Event
    ) -> Page[Contact]:
        """Decode a page in the caller's thread, which takes 10 % less CPU time than in others."""
        # If it is malformed, it is requested again.
        return self._transport.send(request.page_request(params), request.decode, stop, received=response)

    def aread(self, request: ListingRequest) -> AsyncReading:
        """Return an async reader of the contacts."""
        return AsyncReading(self._transport, request)

    def _listing(self, paging: Paging, plan: Plan, limit: int | None, strict: bool) -> Listing:
        endpoint = self._vendor.contacts
        size = self._checked_size()
        # If records are tested, it is unknown how many have to be read to find `limit` matches.
        read_limit = None if plan.has_tests else limit
        return Listing(
            paging,
            size if read_limit is None else min(size, read_limit),
            read_limit,
            f"{self._vendor.title}: GET {endpoint.path}",
            is_strict=strict,
            on_incomplete="fail" if strict else self._settings.on_incomplete,
            may_lower_size=self._page_size is None and self._settings.page_size is None,
        )

    def _checked_size(self) -> int:
        title = self._vendor.title
        max_size = self._vendor.contacts.paging.max_size
        if self._page_size is not None:
            if not is_int(self._page_size) or not 1 <= self._page_size <= max_size:
                raise InvalidRequest(f"{title}: page_size must be a whole number between 1 and {max_size}.")
            return self._page_size
        size = self._settings.page_size
        if size is not None and size > max_size:
            raise InvalidConnection(
                f"`page_size` in Extra of connection {self._settings.conn_id!r} must be at most {max_size} "
                f"for {title}."
            )
        return size or max_size


def _return_response(response: Response) -> Response:
    return response


class AsyncReading:
    """A listing that is read in an event loop, within an ``async with`` block."""

    def __init__(self, transport: Transport, request: ListingRequest) -> None:
        self._request = request
        self._progress = _ListingProgress(transport, request)
        self._pages = AsyncPages(
            request.listing,
            # Reading certificate files blocks.
            lambda: asyncio.to_thread(transport.open_backend),
            lambda params, backend: transport.asend(request.page_request(params), request.decode, backend),
            transport.settings.max_concurrency,
        )

    async def __aenter__(self) -> Self:
        await self._pages.__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._pages.__aexit__(*exc_info)

    async def next(self) -> list[Contact] | None:
        """Return the new matching contacts of the next page, or None after the last page."""
        if self._request.selection.has_reached_limit:
            return None
        contacts = await self._pages.next()
        if contacts is None:
            self._progress.finish()
            return None
        self._progress.update()
        return self._request.selection.keep(contacts)


class _ListingProgress:
    """Logs the progress of a listing and, at its end, what a reader of the log has to know."""

    def __init__(self, transport: Transport, request: ListingRequest) -> None:
        self._title = transport.vendor.title
        self._log: Log = transport.log
        self._path = request.path
        self._listing = request.listing
        self._selection = request.selection
        self._lines = ProgressLog(self._log, f"{self._title}: Read %d%s contacts, %.0f per second.")

    def update(self) -> None:
        self._lines.update(self._listing.returned, self._listing.total)

    def finish(self) -> None:
        if self._listing.warning:
            self._log.warning("%s", self._listing.warning)
        if self._selection.contradicted:
            self._log.warning(
                "%s: The records of %d contacts contradict the filter that returned them; they were "
                "excluded.",
                self._title,
                self._selection.contradicted,
            )
        if self._selection.unknown:
            self._log.info(
                "%s: %d contacts could not be evaluated against the condition and were excluded.",
                self._title,
                self._selection.unknown,
            )
        self._selection.require_answers(f"{self._title}: GET {self._path}")
