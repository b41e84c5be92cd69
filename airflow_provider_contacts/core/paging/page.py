"""A page, and a pass: one run through the pages of a listing.

A pass returns the parameters of the next request and receives the pages in order. Nothing here
sends a request.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")
Params = dict[str, str]


@dataclass(frozen=True, slots=True, repr=False)
class Page(Generic[Item]):
    """One page, as a vendor's envelope reports it.

    :param items: the page's records.
    :param total: number of records in the whole listing, or None if the vendor does not report it.
    :param has_more: whether a cursor listing continues, or None if the response does not report it.
    :param next_cursor: where a cursor listing continues.
    :param next_link: URL of the next page, or None on the last page of a listing with links.
    :param page_count: number of pages of the listing, or None if the vendor does not report it.
    """

    items: list[Item]
    total: int | None = None
    has_more: bool | None = None
    next_cursor: str | None = None
    next_link: str | None = None
    page_count: int | None = None


class Pass(ABC):
    """One run through a listing: which page comes next, and when the last one has arrived.

    :param done: whether the last page has arrived.
    :param total: number of records in the listing, or None if the vendor does not report it.
    :param rows: how many records arrived, duplicates included.
    :param has_wrong_total: whether the listing went on after its total, so that the total counts
        something else.
    """

    done: bool = False
    total: int | None = None
    rows: int = 0
    has_wrong_total: bool = False

    @abstractmethod
    def next_params(self, in_flight: int) -> Params | None:
        """Return the parameters of the next page, or None if it has to wait.

        :param in_flight: how many requested pages have not arrived yet.
        """

    @abstractmethod
    def update(self, page: Page[Item], new_records: int) -> None:
        """Process the next page.

        :param new_records: how many of its records were not on earlier pages of this pass.
        :raises MalformedResponse: if the page contradicts earlier ones.
        """

    @property
    def has_steady_total(self) -> bool:
        """Whether all pages up to the last one were read, and all reported the same total."""
        return False

    @property
    def is_beyond_total(self) -> bool:
        """Whether all pages that the total needs have arrived, and the next one should be empty."""
        return False

    def is_complete(self, seen: int) -> bool:
        """Return whether ``seen`` distinct records are all of them."""
        return self.done
