"""The logic of one listing: requesting pages, deduplication, completeness, reading again.

:class:`Listing` sends nothing; ``prefetching`` connects it to something that fetches pages.
"""

from __future__ import annotations

from typing import Literal

from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.core.paging.styles import Page, Paging, Params, SplitPaging
from airflow_provider_contacts.errors import (
    ContactsError,
    IncompleteListing,
    InvalidRequest,
    MalformedResponse,
    NotFound,
)

OnIncomplete = Literal["fail", "warn"]

_MAX_PASSES = 3
# One record of this many may be counted but not shown.
_HIDDEN_FRACTION = 100
# Requested if the vendor rejects a larger page; vendors that allow large pages allow this one.
_FALLBACK_PAGE_SIZE = 50
_STATUSES_OF_REJECTED_SIZE = (400, 422)


class Listing:
    """A listing in progress.

    Every contact is returned once, however often the listing is read. A listing is complete
    (docs/adr/0007) when

    1. the vendor reports that no page follows, or an empty page follows and there is no total,
    2. one pass returned as many distinct contacts as a total that did not change, and its last page
       was not full,
    3. two passes in a row returned the same contacts in the same order, and the same total, and
       hardly fewer records than that, or
    4. all passes together returned as many contacts as a total that never changed.

    Otherwise it is read again.

    :param paging: the vendor's paging.
    :param size: records per page to request.
    :param limit: stop after this many contacts, or None for all. A listing that a limit ends is not
        checked for completeness.
    :param where: vendor and request, for messages.
    :param is_strict: whether rule 3, which rests on probability, is not enough.
    :param on_incomplete: whether a listing that could not be proven complete is an error or a
        warning.
    :param may_lower_size: whether to retry with smaller pages if the vendor rejects the size.
    """

    def __init__(
        self,
        paging: Paging,
        size: int,
        limit: int | None = None,
        where: str = "Listing",
        *,
        is_strict: bool = False,
        on_incomplete: OnIncomplete = "fail",
        may_lower_size: bool = False,
    ) -> None:
        self._where = where
        self._paging = paging
        self._size = size
        self._limit = limit
        self._is_strict = is_strict
        self._on_incomplete = on_incomplete
        self._may_lower_size = may_lower_size and size > _FALLBACK_PAGE_SIZE
        self._pass = paging.start_pass(size)
        self._seen = SeenContacts()
        # During the first pass these are the same set, which halves the memory of the usual
        # listing.
        self._seen_in_pass = self._seen
        self._order = 0
        self._previous_pass: tuple[int, int, int | None] | None = None
        self._first_total: int | None = None
        # Whether all pages of all passes reported the first total.
        self._totals_agree = True
        # Whether the total was steady in every finished pass.
        self._had_steady_totals = True
        self._has_pages = False
        self.passes = 1
        # Pages that were requested in an earlier generation must be dropped.
        self.generation = 1
        self.returned = 0
        self.done = False
        self.warning = ""

    @property
    def total(self) -> int | None:
        """How many contacts there are, or None if the vendor does not report it."""
        return None if self._pass.has_wrong_total else self._pass.total

    def next_params(self, in_flight: int) -> Params | None:
        """Return the parameters of the next page, or None if it has to wait for a page in flight.

        :param in_flight: how many requested pages have not arrived yet.
        """
        # Pages in flight are expected to be full. If they are not, more are requested when they
        # have arrived.
        requested_enough = self._limit is not None and self.returned + in_flight * self._size >= self._limit
        if self.done or requested_enough:
            return None
        return self._pass.next_params(in_flight)

    def recover(self, error: ContactsError) -> bool:
        """Handle a failed request, and return whether the listing goes on.

        :param error: why the request for the next page failed.
        """
        if self._pass.is_beyond_total and isinstance(error, InvalidRequest | NotFound):
            # The page after the last one was only requested to prove that there is none.
            self.update(Page([], total=self._pass.total))
            return True
        return self._lower_size(error)

    def _lower_size(self, error: ContactsError) -> bool:
        """Lower the page size if the vendor rejected it, and return whether it was lowered."""
        is_rejected = isinstance(error, InvalidRequest) and error.status in _STATUSES_OF_REJECTED_SIZE
        if not is_rejected or not self._may_lower_size or self._has_pages:
            return False
        self._may_lower_size = False
        self._size = _FALLBACK_PAGE_SIZE
        self._pass = self._paging.start_pass(self._size)
        self.generation += 1
        return True

    def update(self, page: Page[Contact]) -> list[Contact]:
        """Return the contacts of the next page that were not on earlier pages.

        Pages must arrive in the order in which they were requested. Pages that are still in flight
        when ``done`` is set, or when ``generation`` increases, must be dropped.

        :raises IncompleteListing: if contacts kept moving between pages.
        :raises MalformedResponse: if pages contradict each other, or contacts cannot be
            distinguished.
        """
        new = self._add_new(page)
        try:
            self._pass.update(page, self._new_in_pass)
        except MalformedResponse as error:
            raise error.at(self._where) from None
        self._compare_total(page)
        self.returned += len(new)
        if self._limit is not None and self.returned >= self._limit:
            new = new[: len(new) - (self.returned - self._limit)]
            self.returned = self._limit
            self.done = True
        elif self._pass.done:
            self._end_pass()
        elif self.passes > 1 and self._is_union_complete():
            self.done = True
        return new

    def _compare_total(self, page: Page[Contact]) -> None:
        if not self._has_pages:
            self._has_pages = True
            self._first_total = page.total
        self._totals_agree = self._totals_agree and page.total in (None, self._first_total)

    def _add_new(self, page: Page[Contact]) -> list[Contact]:
        before = len(self._seen_in_pass)
        new = self._seen.add(page.items)
        if self._seen_in_pass is not self._seen:
            # From the second pass on, `seen` keeps contacts from being returned again, and
            # `seen_in_pass` counts.
            self._seen_in_pass.add(page.items)
        if page.total is None and len(new) < len(page.items):
            self._require_distinct(page.items, new)
        self._new_in_pass = len(self._seen_in_pass) - before
        self._order = hash((self._order, *[contact.contact_id for contact in page.items]))
        return new

    def _require_distinct(self, contacts: list[Contact], new: list[Contact]) -> None:
        # Contacts of two accounts could look like this. Without a total, the lost one would not be
        # missed.
        new_ids = {contact.contact_id for contact in new if not contact.account_id}
        ids = [contact.contact_id for contact in contacts if not contact.account_id]
        # Contacts of two accounts are on different pages if each account has its own.
        repeated = ids if isinstance(self._paging, SplitPaging) else [one for one in ids if one in new_ids]
        if len(repeated) > len(new_ids):
            raise MalformedResponse(
                f"{self._where}: The listing contains the same contact id twice, without an account to "
                "distinguish them."
            )

    def _end_pass(self) -> None:
        # Another pass is cheaper than an error; contacts often move during a long listing.
        self._had_steady_totals = self._had_steady_totals and self._pass.has_steady_total
        if self._pass.is_complete(len(self._seen_in_pass)):
            self.done = True
            if self._pass.has_wrong_total:
                self.warning = (
                    f"{self._where}: The vendor reports a total of {self._pass.total} but returned "
                    f"{len(self._seen)} contacts. The total was ignored, and pages were read until an empty "
                    "one."
                )
        elif self._is_union_complete():
            self.done = True
        elif self._is_unchanged():
            self.done = True
            self.warning = (
                f"{self._where}: {len(self._seen)} distinct contacts were read, but the vendor reports "
                f"{self._pass.total}. Two passes in a row returned the same contacts, so the listing is "
                "taken as complete. The total probably counts something else, such as duplicates."
            )
        elif self.passes == _MAX_PASSES:
            self._give_up()
        else:
            self._start_next_pass()

    def _is_union_complete(self) -> bool:
        # Only passes that read on after a full last page prove that the total is not too low.
        return self._totals_agree and self._had_steady_totals and len(self._seen) == self._first_total

    def _is_unchanged(self) -> bool:
        # A few records may be hidden. If more are missing, the vendor has answered with a part of
        # them.
        total = self._pass.total or 0
        has_enough_rows = self._pass.rows >= total - max(1, total // _HIDDEN_FRACTION)
        is_steady = self._pass.has_steady_total and self._previous_pass == self._summary()
        return is_steady and has_enough_rows and not self._is_strict

    def _summary(self) -> tuple[int, int, int | None]:
        return (self._order, len(self._seen_in_pass), self._pass.total)

    def _give_up(self) -> None:
        message = (
            f"{self._where}: The listing could not be proven complete in {_MAX_PASSES} passes: the vendor "
            f"reports {self._pass.total} contacts, the last pass returned {len(self._seen_in_pass)}, all "
            f"passes together {len(self._seen)}. Contacts may have been added, removed or reordered, or the "
            "vendor left some out."
        )
        if self._on_incomplete == "fail":
            raise IncompleteListing(
                f"{message} Retry later, or narrow the filters. To use incomplete listings anyway, set "
                "`on_incomplete` to `warn` in Extra of the connection."
            )
        self.done = True
        self.warning = f"{message} The listing may be incomplete (on_incomplete is `warn`)."

    def _start_next_pass(self) -> None:
        self._previous_pass = self._summary()
        self.passes += 1
        self.generation += 1
        self._pass = self._paging.start_pass(self._size)
        self._seen_in_pass = SeenContacts()
        self._order = 0


class SeenContacts:
    """Contacts that have been seen, by account id and contact id."""

    def __init__(self) -> None:
        # A set for each account, because a tuple for each contact would take twice the memory.
        # Bytes take less than text.
        self._ids: dict[str, set[bytes]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, contacts: list[Contact]) -> list[Contact]:
        """Add contacts.

        :return: those that had not been added before, in their order, each once.
        """
        accounts = {contact.account_id for contact in contacts}
        if len(accounts) == 1:
            # The usual page: one account, and no contact twice.
            known = self._ids.setdefault(accounts.pop(), set())
            ids = {_encode(contact) for contact in contacts}
            if len(ids) == len(contacts) and known.isdisjoint(ids):
                known |= ids
                self._count += len(ids)
                return contacts
        return [contact for contact in contacts if self._add_one(contact)]

    def _add_one(self, contact: Contact) -> bool:
        known = self._ids.setdefault(contact.account_id, set())
        before = len(known)
        known.add(_encode(contact))
        self._count += len(known) - before
        return len(known) > before


def _encode(contact: Contact) -> bytes:
    return contact.contact_id.encode(errors="surrogatepass")
