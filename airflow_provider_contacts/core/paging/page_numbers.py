"""A pass through numbered pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from airflow_provider_contacts.core.paging.page import Item, Page, Params, Pass
from airflow_provider_contacts.errors import MalformedResponse

if TYPE_CHECKING:
    from airflow_provider_contacts.core.paging.styles import PageNumberPaging

# Sanity limit: no vendor has this many contacts. Without it, a vendor that sends nonsense would
# keep a worker busy forever.
_MAX_TOTAL_CONTACTS = 10**12
# The maximum lengths of pages that vendors usually choose.
_COMMON_MAX_PAGE_SIZES = frozenset({10, 20, 25, 50, 100, 200, 250, 500, 1000})


class PageNumberPass(Pass):
    """A pass through numbered pages.

    With a total, as many pages are requested as it needs. It may be too low, such as one that a
    search index caps: when a page reaches beyond it, the rest of the pass goes on until an empty
    page, as without a total.
    """

    def __init__(self, paging: PageNumberPaging, size: int) -> None:
        self._paging = paging
        self._size = size
        self._requested = 0
        self._received = 0
        self._first_length = 0
        # Known after the first page, if the vendor reports a total: how many pages the total needs,
        # and how many are requested.
        self._needed_pages = 0
        self._pages_to_request: int | None = None
        self._previous: Sequence[object] = ()
        self._must_recheck_first = False
        self._total_changed = False
        self._reached_last_page = False
        self._is_rechecking = False

    def next_params(self, in_flight: int) -> Params | None:
        """Return the parameters of the next page, or None if it has to wait."""
        # Until the first page has arrived, or without a total, it is unknown whether there is
        # another page.
        if (
            self.done
            or (self._pages_to_request is None and in_flight)
            or self._requested == self._pages_to_request
        ):
            return None
        number = self._paging.first if self._is_rechecking else self._paging.first + self._requested
        self._requested += 1
        return {self._paging.size_param: str(self._size), self._paging.page_param: str(number)}

    def update(self, page: Page[Item], new_records: int) -> None:
        """Process the next page."""
        index = self._received
        self._received += 1
        if self._is_rechecking:
            self._recheck_first_page(page)
            return
        if index == 0:
            self._process_first_page(page)
        elif page.total not in (None, self.total):
            # A contact was added or removed, so others may have moved across a page boundary that
            # was read already.
            self._total_changed = True
        self.rows += len(page.items)
        # Some vendors return the last page again for every later number; that proves nothing about
        # the total.
        if new_records and not self.has_wrong_total and self._exceeds_total(index, page):
            self.has_wrong_total = True
            self._pages_to_request = None
        if self._pages_to_request is None:
            self._update_without_total(index, page, new_records)
        else:
            self._update_with_total(index, page, new_records)
        self._previous = page.items

    def _process_first_page(self, page: Page[Item]) -> None:
        self.total = page.total
        if page.total is not None and not 0 <= page.total <= _MAX_TOTAL_CONTACTS:
            raise MalformedResponse("The vendor reported a total that is not plausible.")
        self._first_length = len(page.items)
        if page.total is not None and page.items:
            # The vendor may return smaller pages than requested, so count in pages of the length it
            # returned.
            self._needed_pages = max(1, -(-page.total // self._first_length))
            self._pages_to_request = max(self._needed_pages, page.page_count or 0)

    def _exceeds_total(self, index: int, page: Page[Item]) -> bool:
        """Return whether a page shows that there are more records than its total."""
        if self.total is None:
            return False
        total = self.total if page.total is None else page.total
        return index * self._first_length + len(page.items) > total

    def _update_with_total(self, index: int, page: Page[Item], new_records: int) -> None:
        assert self._pages_to_request is not None
        is_last = self._received == self._pages_to_request
        is_short_of_total = self.total is not None and self.rows < self.total and not self._total_changed
        if is_last and new_records and (is_short_of_total or self._may_be_full(index, page)):
            # A total that is too low looks the same, and so do pages that are shorter than the
            # first one. One more page proves it either way.
            self._pages_to_request += 1
            return
        # If the same page comes again, the vendor may ignore the page number.
        is_repeated = bool(page.items) and not new_records and self._is_previous(page)
        self._reached_last_page = self._received >= self._needed_pages and not is_repeated
        # An empty or a repeated page ends the pass, which is then found to be incomplete.
        self.done = is_last or is_repeated or not page.items

    def _may_be_full(self, index: int, page: Page[Item]) -> bool:
        """Return whether a page is as long as the vendor lets it be."""
        length = len(page.items)
        if index or length >= self._size:
            return 0 < self._first_length <= length
        # The vendor may limit the length of a page to less than requested.
        return length in _COMMON_MAX_PAGE_SIZES

    def _update_without_total(self, index: int, page: Page[Item], new_records: int) -> None:
        # Only an empty page proves the end: a vendor may return fewer records than requested, or
        # drop some of a page by a filter.
        length = len(page.items)
        if not length:
            # An empty first page ends the listing, unless counting may start at the next number.
            is_ambiguous = index == 0 and self.total is None and self._paging.first_page_may_repeat
            self._end(is_over=not is_ambiguous)
            return
        may_repeat = index == 1 and self._paging.first_page_may_repeat
        self._must_recheck_first = self._must_recheck_first or (may_repeat and not self._first_length)
        if new_records or may_repeat:
            return
        # Some vendors return the last page again for every later number. If it is full, the vendor
        # may as well ignore large numbers, or all of them, and there may be more contacts.
        if length < self._size and length not in _COMMON_MAX_PAGE_SIZES:
            self._end(is_over=True)
            return
        raise MalformedResponse(
            f"Page {self._paging.first + index} contains only contacts of earlier pages. The vendor seems "
            f"to ignore `{self._paging.page_param}`. If these are all contacts, set a different page_size."
        )

    def _end(self, *, is_over: bool) -> None:
        # If the first page was empty and the second was not, counting starts at the second, or the
        # first answer was wrong.
        self.done = is_over and not self._must_recheck_first
        self._is_rechecking = is_over and self._must_recheck_first

    def _recheck_first_page(self, page: Page[Item]) -> None:
        if page.items:
            raise MalformedResponse(
                f"Page {self._paging.first} was empty at first but contains contacts now, so the listing is "
                "inconsistent. Run the task again."
            )
        self.done = True

    def _is_previous(self, page: Page[Item]) -> bool:
        return [_identity(item) for item in page.items] == [_identity(item) for item in self._previous]

    @property
    def is_beyond_total(self) -> bool:
        """Whether all pages that the total needs have arrived, and the next one should be empty."""
        return self._pages_to_request is not None and self._received >= self._needed_pages > 0

    @property
    def has_steady_total(self) -> bool:
        """Whether all pages up to the last one were read, and all reported the same total."""
        return self._reached_last_page and not self._total_changed and not self.has_wrong_total

    def is_complete(self, seen: int) -> bool:
        """Return whether ``seen`` distinct records are all of them."""
        if self.total is None or self.has_wrong_total:
            return True
        return seen == self.total and not self._total_changed


def _identity(item: object) -> object:
    return (getattr(item, "account_id", None), getattr(item, "contact_id", item))
