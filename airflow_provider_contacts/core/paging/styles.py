"""How vendors divide listings into pages. The other modules of this folder run through them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from airflow_provider_contacts.core.paging.cursors import CursorPass, LinkPass
from airflow_provider_contacts.core.paging.page import Page, Params, Pass
from airflow_provider_contacts.core.paging.page_numbers import PageNumberPass
from airflow_provider_contacts.core.paging.split_pass import SplitPass

__all__ = [
    "CursorPaging",
    "LinkPaging",
    "Page",
    "PageNumberPaging",
    "Paging",
    "Params",
    "SplitPaging",
    "split_paging",
]


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
    :param split_param: a filter whose values can be listed separately and in parallel; empty if there is none.
    """

    size_param: str
    max_size: int
    cursor_param: str
    split_param: str = ""

    @property
    def reserved_params(self) -> tuple[str, ...]:
        """The query parameters that paging sets."""
        return (self.cursor_param, self.size_param)

    def start_pass(self, size: int) -> CursorPass:
        """Start a pass with ``size`` records per page."""
        return CursorPass(size_param=self.size_param, cursor_param=self.cursor_param, size=size)


@dataclass(frozen=True, slots=True, repr=False)
class SplitPaging:
    """Paging with one cursor for each value of a filter.

    :param paging: the paging of one value.
    :param values: the values of its ``split_param``.
    """

    paging: CursorPaging
    values: Sequence[str]

    @property
    def size_param(self) -> str:
        """The query parameter for the page size."""
        return self.paging.size_param

    @property
    def max_size(self) -> int:
        """The largest page size."""
        return self.paging.max_size

    @property
    def reserved_params(self) -> tuple[str, ...]:
        """The query parameters that paging sets."""
        return (*self.paging.reserved_params, self.paging.split_param)

    def start_pass(self, size: int) -> Pass:
        """Start a pass with ``size`` records per page."""
        cursors = {value: self.paging.start_pass(size) for value in self.values}
        return SplitPass(self.paging.split_param, cursors)


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
        return LinkPass(size_param=self.size_param, page_param=self.page_param, size=size)


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
        return PageNumberPass(
            size_param=self.size_param,
            page_param=self.page_param,
            size=size,
            first=self.first,
            first_page_may_repeat=self.first_page_may_repeat,
        )


def split_paging(paging: Paging, filters: Mapping[str, object]) -> Paging:
    """Return paging with one cursor per value of the split filter, or ``paging`` if there are fewer than two values.

    :param paging: the vendor's paging.
    :param filters: the filters of the listing. Those in the result's ``reserved_params`` are sent by paging.
    """
    if not isinstance(paging, CursorPaging):
        return paging
    values = filters.get(paging.split_param)
    distinct = list(dict.fromkeys(values)) if isinstance(values, list) else []
    return SplitPaging(paging, distinct) if len(distinct) > 1 else paging
