"""The logic of one listing: requesting pages, deduplication, completeness, reading again.

:class:`Listing` sends nothing; ``core.pages`` connects it to something that fetches pages.
"""

from __future__ import annotations

from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.core.paging import Page, Paging, Params
from airflow_provider_contacts.errors import IncompleteListing, MalformedResponse

_MAX_PASSES = 3


class Listing:
    """A listing in progress.

    Every contact is returned once, however often the listing is read. A listing is complete when one pass returned as
    many distinct contacts as the vendor's total. If not, contacts moved between pages while it was read, and it is
    read again.

    :param paging: the vendor's paging.
    :param size: records per page to request.
    :param limit: stop after this many contacts, or None for all. A listing that a limit ends is not checked for
        completeness.
    :param where: vendor and request, for messages.
    """

    def __init__(self, paging: Paging, size: int, limit: int | None = None, where: str = "Listing") -> None:
        self._where = where
        self._paging = paging
        self._size = size
        self._limit = limit
        self._pass = paging.start_pass(size)
        self._seen: set[tuple[str, str]] = set()
        # During the first pass these are the same set, which halves the memory of the usual listing.
        self._seen_in_pass = self._seen
        self.passes = 1
        self.returned = 0
        self.done = False

    @property
    def total(self) -> int | None:
        """How many contacts there are, or None if the vendor does not report it."""
        return self._pass.total

    def next_params(self, in_flight: int) -> Params | None:
        """Return the parameters of the next page, or None if it has to wait for a page in flight.

        :param in_flight: how many requested pages have not arrived yet.
        """
        # Pages in flight are expected to be full. If they are not, more are requested when they have arrived.
        requested_enough = self._limit is not None and self.returned + in_flight * self._size >= self._limit
        if self.done or requested_enough:
            return None
        return self._pass.next_params(in_flight)

    def update(self, page: Page[Contact]) -> list[Contact]:
        """Return the contacts of the next page that were not on earlier pages.

        Pages must arrive in the order in which they were requested. Pages that are still in flight when ``done`` is
        set, or when ``passes`` increases, must be dropped.

        :raises IncompleteListing: if contacts kept moving between pages.
        :raises MalformedResponse: if pages contradict each other, or contacts cannot be distinguished.
        """
        new = self._add_new(page)
        try:
            self._pass.update(page, self._new_in_pass)
        except MalformedResponse as error:
            raise error.at(self._where) from None
        if self._limit is not None and self.returned + len(new) >= self._limit:
            new = new[: self._limit - self.returned]
            self.done = True
        elif self._pass.done:
            self._end_pass()
        self.returned += len(new)
        return new

    def _add_new(self, page: Page[Contact]) -> list[Contact]:
        seen = self._seen
        seen_in_pass = self._seen_in_pass
        before = len(seen_in_pass)
        new = []
        for contact in page.items:
            key = (contact.account_id, contact.contact_id)
            if key not in seen:
                seen.add(key)
                new.append(contact)
            elif page.total is None and not contact.account_id and _contains(new, contact.contact_id):
                # Contacts of two accounts could look like this. Without a total, the lost one would not be missed.
                raise MalformedResponse(
                    f"{self._where}: A page contains the same contact id twice, without an account to distinguish them."
                )
            # From the second pass on, `seen` keeps contacts from being returned again, and `seen_in_pass` counts.
            if seen_in_pass is not seen:
                seen_in_pass.add(key)
        self._new_in_pass = len(seen_in_pass) - before
        return new

    def _end_pass(self) -> None:
        # Another pass is cheaper than an error; contacts often move during a long listing.
        if self._pass.is_complete(len(self._seen_in_pass)):
            self.done = True
        elif self.passes == _MAX_PASSES:
            raise IncompleteListing(
                f"{self._where}: The contacts changed during all {_MAX_PASSES} passes; the last pass returned "
                f"{len(self._seen_in_pass)} distinct contacts of {self._pass.total}. Contacts are being added or "
                "removed. Retry later, or narrow the filters."
            )
        else:
            self.passes += 1
            self._pass = self._paging.start_pass(self._size)
            self._seen_in_pass = set()


def _contains(contacts: list[Contact], contact_id: str) -> bool:
    return any(contact.contact_id == contact_id for contact in contacts)
