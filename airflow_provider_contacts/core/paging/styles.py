"""How vendors divide listings into pages. The passes of this folder run through them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from airflow_provider_contacts.core.paging.cursors import CursorPass, LinkPass, SplitPass
from airflow_provider_contacts.core.paging.page import Page, Params, Pass
from airflow_provider_contacts.core.paging.page_numbers import PageNumberPass

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Paging(ABC):
    """How a vendor divides a listing into pages.

    :param size_param: the query parameter for the page size.
    :param max_size: the largest page that the vendor returns, or a sensible size.
    """

    size_param: str
    max_size: int

    @property
    @abstractmethod
    def reserved_params(self) -> tuple[str, ...]:
        """The query parameters that paging sets, so they cannot be filters."""

    @abstractmethod
    def start_pass(self, size: int) -> Pass:
        """Start a pass with ``size`` records per page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CursorPaging(Paging):
    """Each response contains a cursor for the next page.

    :param cursor_param: the query parameter for the cursor.
    :param split_param: a filter whose values can be listed in parallel, or an empty string.
    """

    cursor_param: str
    split_param: str = ""

    @property
    def reserved_params(self) -> tuple[str, ...]:
        """The query parameters that paging sets."""
        return (self.cursor_param, self.size_param)

    def start_pass(self, size: int) -> CursorPass:
        """Start a pass with ``size`` records per page."""
        return CursorPass(self.size_param, self.cursor_param, size)

    def split(self, values: Sequence[str]) -> SplitPaging:
        """Return paging with one cursor for each of some values of ``split_param``."""
        return SplitPaging(size_param=self.size_param, max_size=self.max_size, paging=self, values=values)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SplitPaging(Paging):
    """Paging with one cursor for each value of a filter.

    :param paging: the paging of one value.
    :param values: the values of its ``split_param``.
    """

    paging: CursorPaging
    values: Sequence[str]

    @property
    def reserved_params(self) -> tuple[str, ...]:
        """The query parameters that paging sets."""
        return (*self.paging.reserved_params, self.paging.split_param)

    def start_pass(self, size: int) -> Pass:
        """Start a pass with ``size`` records per page."""
        cursors = {value: self.paging.start_pass(size) for value in self.values}
        return SplitPass(self.paging.split_param, cursors)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkPaging(Paging):
    """Each response except the last links to the next page, in its body or in a ``Link`` header.

    Only the page parameter is taken from a link, so that no link can send a request, and its
    credentials, elsewhere.

    :param page_param: the query parameter, in links and in requests, that selects the page.
    """

    page_param: str

    @property
    def reserved_params(self) -> tuple[str, ...]:
        """The query parameters that paging sets."""
        return (self.page_param, self.size_param)

    def start_pass(self, size: int) -> Pass:
        """Start a pass with ``size`` records per page."""
        return LinkPass(self.size_param, self.page_param, size)


@dataclass(frozen=True, slots=True, kw_only=True)
class PageNumberPaging(Paging):
    """Pages are numbered.

    :param page_param: the query parameter for the page number.
    :param first: number of the first page.
    :param first_page_may_repeat: whether page ``first + 1`` may equal page ``first``, for a vendor
        that does not document where counting starts. An empty first page then proves nothing, and
        the second page may hold only contacts of the first.
    """

    page_param: str
    first: int = 1
    first_page_may_repeat: bool = False

    @property
    def reserved_params(self) -> tuple[str, ...]:
        """The query parameters that paging sets."""
        return (self.page_param, self.size_param)

    def start_pass(self, size: int) -> PageNumberPass:
        """Start a pass with ``size`` records per page."""
        return PageNumberPass(self, size)


def split_paging(paging: Paging, filters: Mapping[str, object]) -> Paging:
    """Return paging with one cursor per value of the split filter, if it has several values.

    :param paging: the vendor's paging, which is returned otherwise.
    :param filters: the filters of the listing. Paging sends its ``reserved_params``.
    """
    if not isinstance(paging, CursorPaging):
        return paging
    values = filters.get(paging.split_param)
    distinct = list(dict.fromkeys(values)) if isinstance(values, list) else []
    return paging.split(distinct) if len(distinct) > 1 else paging
