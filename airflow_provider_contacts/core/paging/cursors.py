"""Passes in which each page leads to the next one, by a cursor or by a link."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from urllib.parse import parse_qs, urlsplit

from airflow_provider_contacts.core.paging.page import Item, Page, Params, Pass
from airflow_provider_contacts.errors import MalformedResponse

# Sanity limit: no filter leaves this many pages empty. Without it, a vendor that sends nonsense
# would keep a worker busy forever.
_MAX_PAGES_WITHOUT_NEW_RECORDS = 100


class CursorPass(Pass):
    """A pass in which each response contains the cursor of the next page."""

    def __init__(self, size_param: str, cursor_param: str, size: int) -> None:
        self._size_param = size_param
        self._cursor_param = cursor_param
        self._size = size
        self._cursor: str | None = None
        self._used: set[str] = set()
        self._pages_without_new = 0

    def next_params(self, in_flight: int) -> Params | None:
        """Return the parameters of the next page, or None if it has to wait."""
        # Only the previous response knows the next cursor, so pages cannot be requested ahead.
        if self.done or in_flight:
            return None
        params = {self._size_param: str(self._size)}
        if self._cursor is not None:
            params[self._cursor_param] = self._cursor
        return params

    def update(self, page: Page[Item], new_records: int) -> None:
        """Process the next page."""
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


class LinkPass(CursorPass):
    """A pass in which each response links to the next page."""

    def __init__(self, size_param: str, page_param: str, size: int) -> None:
        super().__init__(size_param, page_param, size)
        self._received = 0
        self._total_changed = False

    def update(self, page: Page[Item], new_records: int) -> None:
        """Process the next page."""
        if self._received == 0:
            self.total = page.total
        elif page.total != self.total:
            # As with numbered pages: others may have moved across a page boundary that was read
            # already.
            self._total_changed = True
            self.total = self.total or page.total
        self._received += 1
        self.rows += len(page.items)
        if page.next_link is None:
            self.done = True
        else:
            self._continue_at(self._page_of(page.next_link), new_records)

    def _page_of(self, link: str) -> str:
        # Only this parameter of the link is used: host, path and other parameters stay those of the
        # first request.
        try:
            values = parse_qs(urlsplit(link).query).get(self._cursor_param, [])
        except ValueError:
            values = []
        if len(values) != 1:
            raise MalformedResponse(
                f"The link to the next page must contain `{self._cursor_param}` exactly once."
            )
        return values[0]

    @property
    def has_steady_total(self) -> bool:
        """Whether the last page was read, and all pages reported the same total."""
        # Fewer pages than the total needs mean that a link was lost.
        has_expected_pages = self.total is not None and (self._received - 1) * self._size < self.total <= (
            self._received * self._size
        )
        return self.done and has_expected_pages and not self._total_changed

    def is_complete(self, seen: int) -> bool:
        """Return whether ``seen`` distinct records are all of them."""
        # A total, where there is one, proves that no link was lost.
        return not self._total_changed and self.total in (None, seen)


class SplitPass(Pass):
    """A pass with one cursor for each value of a filter.

    The next page of a cursor cannot be requested ahead, but the pages of different cursors can.

    :param param: the filter.
    :param passes: a pass for each of its values.
    """

    def __init__(self, param: str, passes: Mapping[str, CursorPass]) -> None:
        self._param = param
        self._idle = deque(passes.items())
        self._in_flight: deque[tuple[str, CursorPass]] = deque()

    def next_params(self, in_flight: int) -> Params | None:
        """Return the parameters of the next page, or None if it has to wait."""
        if not self._idle:
            return None
        value, cursor = self._idle.popleft()
        self._in_flight.append((value, cursor))
        return {self._param: value, **(cursor.next_params(0) or {})}

    def update(self, page: Page[Item], new_records: int) -> None:
        """Process the next page. Pages arrive in the order in which they were requested."""
        value, cursor = self._in_flight.popleft()
        cursor.update(page, new_records)
        if not cursor.done:
            self._idle.append((value, cursor))
        self.done = not self._idle and not self._in_flight
