"""Which request comes next.

A paging is what an API page says; a walk is one pass over a listing by that rule. A walk is asked for the
parameters of the next page and given the pages in the order in which it asked for them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from airflow_provider_contacts.errors import MalformedResponse

Item = TypeVar("Item")

# More contacts than any vendor can have, and more pages without one than any filter explains.
_MOST = 10**12
_MOST_BARREN_PAGES = 100


@dataclass(frozen=True, slots=True, repr=False)
class Page(Generic[Item]):
    """One page as a vendor's envelope gives it.

    :param items: the page's records.
    :param total: how many records the whole listing has, or None where the vendor does not say.
    :param has_more: whether a cursor listing goes on, or None where the answer does not say.
    :param next_cursor: where a cursor listing goes on.
    """

    items: list[Item]
    total: int | None = None
    has_more: bool | None = None
    next_cursor: str | None = None


class Walk(Protocol):
    """One pass over a listing."""

    done: bool

    def ask(self, waiting: int) -> dict[str, str] | None:
        """Return the next page's parameters, or None if nothing can be asked with ``waiting`` unanswered."""

    def take(self, page: Page[Item], new: int) -> None:
        """Learn from the next answer, in which ``new`` records had not been seen in this walk."""

    @property
    def total(self) -> int | None:
        """How many records the listing has, where the vendor says so."""

    def is_complete(self, seen: int) -> bool:
        """Tell whether ``seen`` distinct records are all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CursorPaging:
    """Every answer names where the next page starts.

    :param size_param: the parameter for the page size.
    :param max_size: the largest page that the vendor gives.
    :param cursor_param: the parameter that takes the cursor.
    """

    size_param: str
    max_size: int
    cursor_param: str

    @property
    def params(self) -> tuple[str, ...]:
        """The parameters that this paging sets itself."""
        return (self.cursor_param,)

    def walk(self, size: int) -> Walk:
        """Start a pass with ``size`` records per page."""
        return _CursorWalk(self, size)


class _CursorWalk:
    total: int | None = None

    def __init__(self, paging: CursorPaging, size: int) -> None:
        self._paging = paging
        self._size = size
        self._cursor: str | None = None
        self._used: set[str] = set()
        self._barren = 0
        self.done = False

    def ask(self, waiting: int) -> dict[str, str] | None:
        if self.done or waiting:
            return None
        params = {self._paging.size_param: str(self._size)}
        if self._cursor is not None:
            params[self._paging.cursor_param] = self._cursor
        return params

    def take(self, page: Page[Item], new: int) -> None:
        if page.has_more is None:
            raise MalformedResponse("a page does not say whether more follow (`has_more`)")
        if not page.has_more:
            self.done = True
            return
        if not page.next_cursor:
            raise MalformedResponse("a page says that more follow, but gives no cursor (`next_cursor`)")
        if page.next_cursor in self._used:
            raise MalformedResponse("a cursor came back a second time; the listing would never end")
        self._barren = 0 if new else self._barren + 1
        if self._barren == _MOST_BARREN_PAGES:
            raise MalformedResponse(f"{_MOST_BARREN_PAGES} pages in a row brought no new contact")
        self._used.add(page.next_cursor)
        self._cursor = page.next_cursor

    def is_complete(self, seen: int) -> bool:
        return self.done


@dataclass(frozen=True, slots=True, kw_only=True)
class PageNumberPaging:
    """Pages are numbered.

    :param size_param: the parameter for the page size.
    :param max_size: the largest page that the vendor gives, or that is sensible to ask for.
    :param page_param: the parameter that takes the number.
    :param first: number of the first page.
    :param first_may_repeat: page ``first + 1`` may be the same as page ``first``, since the API page does
        not say where counting starts.
    """

    size_param: str
    max_size: int
    page_param: str
    first: int = 1
    first_may_repeat: bool = False

    @property
    def params(self) -> tuple[str, ...]:
        """The parameters that this paging sets itself."""
        return (self.page_param,)

    def walk(self, size: int) -> Walk:
        """Start a pass with ``size`` records per page."""
        return _PageNumberWalk(self, size)


class _PageNumberWalk:
    def __init__(self, paging: PageNumberPaging, size: int) -> None:
        self._paging = paging
        self._size = size
        self._asked = 0
        self._taken = 0
        self._length: int | None = None
        self._pages: int | None = None
        self._total_moved = False
        self.total: int | None = None
        self.done = False

    def ask(self, waiting: int) -> dict[str, str] | None:
        if self.done or (self._pages is None and waiting) or self._asked == self._pages:
            return None
        params = {
            self._paging.size_param: str(self._size),
            self._paging.page_param: str(self._paging.first + self._asked),
        }
        self._asked += 1
        return params

    def take(self, page: Page[Item], new: int) -> None:
        length = len(page.items)
        index, self._taken = self._taken, self._taken + 1
        if self._length is None:
            self._start(length, page.total)
            return
        if page.total != self.total:
            self._total_moved = True
        if self._pages is not None:
            # A page that brings nothing new ends the walk, which is then found to be incomplete.
            self.done = not new or self._taken == self._pages
            return
        # Without a total only an empty page is the last: a vendor may give fewer records than were asked for,
        # or drop some of a page by a filter.
        self.done = not length
        if length and not new and not (index == 1 and self._paging.first_may_repeat):
            raise MalformedResponse(
                f"page {self._paging.first + index} holds only contacts of earlier pages; "
                f"the vendor seems to ignore `{self._paging.page_param}`"
            )

    def _start(self, length: int, total: int | None) -> None:
        self._length = length
        self.total = total
        if total is not None and not 0 <= total <= _MOST:
            raise MalformedResponse("the total of the listing is no number of contacts")
        if total is None or not length:
            # Where counting may start at 1, an empty page 0 says nothing yet.
            self.done = not length and not (total is None and self._paging.first_may_repeat)
            return
        self._pages = max(1, -(-total // length))
        self.done = self._pages == 1

    def is_complete(self, seen: int) -> bool:
        return self.total is None or (seen == self.total and not self._total_moved)
