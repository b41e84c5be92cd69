"""Check and adapt the vendor's JSON of a batch of contacts, which is faster than one by one."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.errors import MalformedRecord


def raw_bytes(contact: Contact) -> bytes:
    """Return the vendor's JSON of a contact, or no bytes if the listing did not keep it."""
    return bytes(contact.raw) if isinstance(contact.raw, msgspec.Raw) else b""


def raw_text(contact: Contact) -> str:
    """Return the vendor's JSON of a contact as text.

    :raises MalformedRecord: if it is not UTF-8; ``content="raw"`` writes it byte for byte.
    """
    raw = raw_bytes(contact)
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise MalformedRecord(
            'A record is not UTF-8, so it cannot be written to the column `raw`. Use content="raw" to keep '
            "it.",
            raw,
        ) from None


def remove_line_breaks(contacts: Sequence[Contact], *, require_utf8: bool) -> Sequence[Contact]:
    """Return the contacts with spaces instead of the line breaks in ``raw``.

    :param require_utf8: whether ``raw`` has to be UTF-8.
    :raises MalformedRecord: if it is not.
    """
    joined = b"".join([contact.raw for contact in contacts if contact.raw is not msgspec.UNSET])
    if require_utf8 and not _is_utf8(joined):
        for contact in contacts:
            raw_text(contact)  # raises for the first one that is not UTF-8
    if b"\n" not in joined and b"\r" not in joined:
        return contacts
    # Between the parts of JSON, line breaks have no meaning; inside text they are escaped.
    return [
        msgspec.structs.replace(
            contact, raw=msgspec.Raw(raw_bytes(contact).replace(b"\r", b" ").replace(b"\n", b" "))
        )
        for contact in contacts
    ]


def _is_utf8(raw: bytes) -> bool:
    if raw.isascii():
        return True
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True
