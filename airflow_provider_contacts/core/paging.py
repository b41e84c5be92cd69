"""Which page to request next.

A paging describes how a vendor divides a listing into pages. A pass is one run through all pages: it returns the
parameters of the next request and receives the pages in order. Nothing here sends a request.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar
from urllib.parse import parse_qs, urlsplit

from airflow_provider_contacts.errors import MalformedResponse

Item = TypeVar("Item")
Params = dict[str, str]

# Sanity limits: no vendor has this many contacts, and no filter leaves this many pages empty. Without them, a vendor
# that sends nonsense would keep a worker busy forever.
_MAX_TOTAL_CONTACTS = 10**12
_MAX_PAGES_WITHOUT_NEW_RECORDS = 100


@dataclass(frozen=True, slots=True, repr=False)
class Page(Generic[Item]):
    """One page, as a vendor's envelope reports it.

    :param items: the page's records.
    :param total: number of records in the whole listing, or None if the vendor does not report it.
    :param has_more: whether a cursor listing continues, or None if the response does not report it.
    :param next_cursor: where a cursor listing continues.
    :param next_link: URL of the next page, or None on the last page of a listing with links.
    """

    items: list[Item]
    total: int | None = None
    has_more: bool | None = None
    next_cursor: str | None = None
    next_link: str | None = None


class Pass(Protocol):
    """One run through the pages of a listing."""

    done: bool

    def next_params(self, in_flight: int) -> Params | None:
        """Return the parameters of the next page, or None if it has to wait.

        :param in_flight: how many requested pages have not arrived yet.
        """

    def update(self, page: Page[Item], new_records: int) -> None:
        """Process the next page.

        :param new_records: how many of its records were not on earlier pages of this pass.
        :raises MalformedResponse: if the page contradicts earlier ones.
        """

    @property
    def total(self) -> int | None:
        """Number of records in the listing, or None if the vendor does not report it."""

    def is_complete(self, seen: int) -> bool:
        """Return whether ``seen`` distinct records are all of them."""


class Paging(Protocol):
    """How a vendor divides a listing into pages."""

    @property
    def size_param(self) -> str:
        """The query parameter for the page size."""

    @property
    def max_size(self) -> int:
        """The largest page size."""

    @property
    def reserved_params(self) -> tuple[str, ...]:
        """The query parameters that paging sets, so they cannot be filters."""

    def start_pass(self, size: int) -> Pass:
        """Start a pass with ``size`` records per page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CursorPaging:
    """Each response contains a cursor for the next page.

    :param size_param: the query parameter for the page size.
    :param max_size: the largest page that the vendor returns.
    :param cursor_param: the query parameter for the cursor.
    """

    size_param: str
    max_size: int
    cursor_param: str

    @property
    def reserved_params(self) -> tuple[str, ...]:
        """The query parameters that paging sets."""
        return (self.cursor_param, self.size_param)

    def start_pass(self, size: int) -> Pass:
        """Start a pass with ``size`` records per page."""
        return _CursorPass(self.size_param, self.cursor_param, size)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkPaging:
    """Each response links to the next page, in its body or in a ``Link`` header; the last one does not.

    Only the page parameter is taken from a link, so that no link can send a request, and its credentials, elsewhere.

    :param size_param: the query parameter for the page size.
    :param max_size: the largest page that the vendor returns.
    :param page_param: the query parameter, in links and in requests, that selects the page.
    """

    size_param: str
    max_size: int
    page_param: str

    @property
    def reserved_params(self) -> tuple[str, ...]:
        """The query parameters that paging sets."""
        return (self.page_param, self.size_param)

    def start_pass(self, size: int) -> Pass:
        """Start a pass with ``size`` records per page."""
        return _LinkPass(self.size_param, self.page_param, size)


@dataclass(frozen=True, slots=True, kw_only=True)
class PageNumberPaging:
    """Pages are numbered.

    :param size_param: the query parameter for the page size.
    :param max_size: the largest page that the vendor returns, or a sensible size if it documents none.
    :param page_param: the query parameter for the page number.
    :param first: number of the first page.
    :param first_page_may_repeat: whether page ``first + 1`` may equal page ``first``, for a vendor that does not
        document where counting starts. An empty first page then proves nothing, and the second page may hold only
        contacts of the first.
    """

    size_param: str
    max_size: int
    page_param: str
    first: int = 1
    first_page_may_repeat: bool = False

    @property
    def reserved_params(self) -> tuple[str, ...]:
        """The query parameters that paging sets."""
        return (self.page_param, self.size_param)

    def start_pass(self, size: int) -> Pass:
        """Start a pass with ``size`` records per page."""
        return _PageNumberPass(self, size)


class _CursorPass:
    total: int | None = None

    def __init__(self, size_param: str, cursor_param: str, size: int) -> None:
        self._size_param = size_param
        self._cursor_param = cursor_param
        self._size = size
        self._cursor: str | None = None
        self._used: set[str] = set()
        self._pages_without_new = 0
        self.done = False

    def next_params(self, in_flight: int) -> Params | None:
        # Only the previous response knows the next cursor, so pages cannot be requested ahead.
        if self.done or in_flight:
            return None
        params = {self._size_param: str(self._size)}
        if self._cursor is not None:
            params[self._cursor_param] = self._cursor
        return params

    def update(self, page: Page[Item], new_records: int) -> None:
        if page.has_more is None:
            raise MalformedResponse("A page does not report whether more pages follow (`has_more`).")
        if not page.has_more:
            # A cursor on the last page is ignored.
            self.done = True
        elif not page.next_cursor:
            raise MalformedResponse(
                "A page reports that more pages follow but has no cursor (`next_cursor`)."
            )
        else:
            self._continue_at(page.next_cursor, new_records)

    def _continue_at(self, cursor: str, new_records: int) -> None:
        # A page may have no new records if filters exclude them. A repeated cursor is an error.
        if cursor in self._used:
            raise MalformedResponse("A cursor was returned twice, so the listing would never end.")
        self._pages_without_new = 0 if new_records else self._pages_without_new + 1
        if self._pages_without_new == _MAX_PAGES_WITHOUT_NEW_RECORDS:
            raise MalformedResponse(
                f"{_MAX_PAGES_WITHOUT_NEW_RECORDS} pages in a row contained no new contact."
            )
        self._used.add(cursor)
        self._cursor = cursor

    def is_complete(self, seen: int) -> bool:
        return self.done


class _LinkPass(_CursorPass):
    _received = 0
    _total_changed = False

    def update(self, page: Page[Item], new_records: int) -> None:
        if self._received == 0:
            self.total = page.total
        elif page.total != self.total:
            # As with numbered pages: others may have moved across a page boundary that was read already.
            self._total_changed = True
            self.total = self.total or page.total
        self._received += 1
        if page.next_link is None:
            self.done = True
        else:
            self._continue_at(self._page_of(page.next_link), new_records)

    def _page_of(self, link: str) -> str:
        # Only this parameter of the link is used: host, path and other parameters stay those of the first request.
        try:
            values = parse_qs(urlsplit(link).query).get(self._cursor_param, [])
        except ValueError:
            values = []
        if len(values) != 1:
            raise MalformedResponse(
                f"The link to the next page must contain `{self._cursor_param}` exactly once."
            )
        return values[0]

    def is_complete(self, seen: int) -> bool:
        # A total, where there is one, proves that no link was lost.
        return not self._total_changed and self.total in (None, seen)


class _PageNumberPass:
    def __init__(self, paging: PageNumberPaging, size: int) -> None:
        self._paging = paging
        self._size = size
        self._requested = 0
        self._received = 0
        self._first_length: int | None = None
        self._page_count: int | None = None  # known after the first page, if the vendor reports a total
        self._total_changed = False
        self.total: int | None = None
        self.done = False

    def next_params(self, in_flight: int) -> Params | None:
        # Until the first page has arrived, or without a total, it is unknown whether there is another page.
        if self.done or (self._page_count is None and in_flight) or self._requested == self._page_count:
            return None
        params = {
            self._paging.size_param: str(self._size),
            self._paging.page_param: str(self._paging.first + self._requested),
        }
        self._requested += 1
        return params

    def update(self, page: Page[Item], new_records: int) -> None:
        length = len(page.items)
        index = self._received
        self._received += 1
        if self._first_length is None:
            self._process_first_page(length, page.total)
            return
        if page.total != self.total:
            # A contact was added or removed, so others may have moved across a page boundary that was read already.
            self._total_changed = True
        if self._page_count is not None:
            # A page without new records ends the pass, which `is_complete` then finds to be incomplete.
            self.done = not new_records or self._received == self._page_count
            return
        # Without a total, only an empty page proves the end: a vendor may return fewer records than requested, or
        # drop some of a page by a filter.
        self.done = not length
        may_repeat = index == 1 and self._paging.first_page_may_repeat
        if length and not new_records and not may_repeat:
            raise MalformedResponse(
                f"Page {self._paging.first + index} contains only contacts of earlier pages. "
                f"The vendor seems to ignore `{self._paging.page_param}`."
            )

    def _process_first_page(self, length: int, total: int | None) -> None:
        self._first_length = length
        self.total = total
        if total is not None and not 0 <= total <= _MAX_TOTAL_CONTACTS:
            raise MalformedResponse("The vendor reported an implausible total.")
        if total is None or not length:
            # An empty first page ends the listing, unless counting may start at the next number.
            self.done = not length and not (total is None and self._paging.first_page_may_repeat)
            return
        # The vendor may return smaller pages than requested, so count in pages of the length it returned.
        self._page_count = max(1, -(-total // length))
        self.done = self._page_count == 1

    def is_complete(self, seen: int) -> bool:
        return self.total is None or (seen == self.total and not self._total_changed)
