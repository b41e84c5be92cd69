"""Remember which contacts a listing has returned, in little memory."""

from __future__ import annotations

from airflow_provider_contacts.contact import Contact


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
