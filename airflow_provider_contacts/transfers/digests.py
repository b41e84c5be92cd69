"""Digests of contacts, by which a table recognizes what has changed.

A digest covers the fields of a contact except ``raw``, which contains text such as "47 minutes ago" for some vendors.
It starts with the version of its rules, so that new rules do not make every row look changed: a row is compared by
the rules that wrote it.
"""

from __future__ import annotations

import hashlib
from operator import attrgetter
from typing import Any

import msgspec

from airflow_provider_contacts.contact import FIELDS, Contact
from airflow_provider_contacts.transfers.columns import FIRST_COLUMNS

_VERSION = "2"
_DIGEST_BYTES = 24
# Lists whose order has no meaning.
_UNORDERED_FIELDS = ("tags", "unknown_fields")
_values = attrgetter(*FIELDS)
# The fields of version 1, which has no prefix and covers empty fields and the order of lists too.
_FIELDS_OF_VERSION_1 = tuple(name for name in FIRST_COLUMNS if name != "raw")


def compute_digest(contact: Contact) -> bytes:
    """Return the digest of a contact by the current rules, without the version."""
    # Empty fields are left out, so that a field that a new version adds changes only the contacts that have it.
    values: dict[str, Any] = dict(zip(FIELDS, _values(contact), strict=True))
    fields: dict[str, Any] = {name: value for name, value in values.items() if value or value is False}
    for name in _UNORDERED_FIELDS:
        if name in fields:
            fields[name] = sorted(fields[name])
    return hashlib.blake2b(msgspec.json.encode(fields), digest_size=_DIGEST_BYTES).digest()


def format_digest(digest: bytes) -> str:
    """Return a digest as tables store it."""
    return f"{_VERSION}:{digest.hex()}"


def parse_digest(stored: str) -> bytes:
    """Return the bytes of a stored digest, or no bytes if it is invalid or of an unknown version."""
    version, colon, digits = stored.rpartition(":")
    try:
        digest = bytes.fromhex(digits)
    except ValueError:
        return b""
    is_known = version == _VERSION if colon else len(digest) == hashlib.sha256().digest_size
    return digest if is_known else b""


def needs_contact(stored: bytes) -> bool:
    """Return whether a parsed digest is of an earlier version, so that comparing it takes the whole contact."""
    return len(stored) != _DIGEST_BYTES


def matches_earlier_version(stored: bytes, contact: Contact) -> bool:
    """Return whether a contact is unchanged since an earlier version stored its digest."""
    fields = {name: getattr(contact, name) for name in _FIELDS_OF_VERSION_1}
    return hashlib.sha256(msgspec.json.encode(fields)).digest() == stored
