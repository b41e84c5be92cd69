"""Check and adapt the vendor's JSON of many contacts together, because one by one takes longer than encoding them."""

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
            'A record is not UTF-8, so it cannot be written to the column `raw`. Use content="raw" to keep it.',
            raw,
        ) from None


def on_one_line(contacts: Sequence[Contact], *, is_text: bool) -> Sequence[Contact]:
    """Return contacts whose ``raw`` has no line breaks. Its length does not change.

    :param is_text: whether ``raw`` has to be UTF-8.
    :raises MalformedRecord: if it is not.
    """
    joined = b"".join([contact.raw for contact in contacts if contact.raw is not msgspec.UNSET])
    if is_text and not _is_utf8(joined):
        for contact in contacts:
            raw_text(contact)
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
    try:
        return raw.isascii() or bool(raw.decode())
    except UnicodeDecodeError:
        return False
