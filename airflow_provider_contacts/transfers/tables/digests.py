"""Digests of contacts, by which a table recognizes what has changed.

A digest covers the fields of a contact except ``raw``, which contains text such as "47 minutes ago" for some vendors.
It starts with the version of its rules, so that new rules do not make every row look changed: a row is compared by
the rules that wrote it.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Any

import msgspec

from airflow_provider_contacts.contact import FIELDS, Contact
from airflow_provider_contacts.transfers.columns import FIRST_COLUMNS

DIGEST_BYTES = 24

_VERSION = "3"
_ENCODER = msgspec.json.Encoder()
# Cut off from the end, so that a field that a later version adds changes the digests of the contacts that have it, and no others.
_EMPTY_LATER_FIELDS = [f',"{name}":null'.encode() for name in reversed(FIELDS) if name not in FIRST_COLUMNS]
_UNORDERED_FIELDS = ("tags", "unknown_fields")
# Version 2 covers the fields that are not empty, version 1 those of the first version. Its digests have no prefix.
_FIELDS_OF_VERSION_1 = tuple(name for name in FIRST_COLUMNS if name != "raw")


def compute_digest(contact: Contact, encoded: bytes) -> bytes:
    """Return the digest of a contact by the current rules, without the version.

    :param encoded: the contact as JSON, with ``raw``, which a caller needs for other purposes too.
    """
    tags, unknown_fields = contact.tags, contact.unknown_fields
    # The order of these lists has no meaning. Most contacts have one tag at most, and vendors report unknown fields in order.
    if len(tags) > 1 or unknown_fields != _sort_unknown_fields(unknown_fields):
        encoded = _ENCODER.encode(
            msgspec.structs.replace(
                contact, tags=tuple(sorted(tags)), unknown_fields=_sort_unknown_fields(unknown_fields)
            )
        )
    # Cut off `,"raw":…}`: it is the last field, and is encoded unchanged.
    end = len(encoded) - len(bytes(contact.raw)) - len(b',"raw":}')  # type: ignore[arg-type]
    fields = encoded[:end]
    for empty_field in _EMPTY_LATER_FIELDS:
        fields = fields.removesuffix(empty_field)
    return hashlib.blake2b(fields, digest_size=DIGEST_BYTES).digest()


def format_digest(digest: bytes) -> str:
    """Return a digest as tables store it."""
    return f"{_VERSION}:{digest.hex()}"


def has_other_version(stored: str) -> bool:
    """Return whether other rules made a stored digest, so that comparing it takes the whole contact."""
    return not stored.startswith(f"{_VERSION}:")


def matches_earlier_version(stored: str, contact: Contact) -> bool:
    """Return whether a contact is unchanged since an earlier version stored its digest."""
    if stored.startswith("2:"):
        return stored == f"2:{_digest_of_version_2(contact)}"
    fields = {name: getattr(contact, name) for name in _FIELDS_OF_VERSION_1}
    return stored == hashlib.sha256(_ENCODER.encode(fields)).hexdigest()


def _digest_of_version_2(contact: Contact) -> str:
    values: dict[str, Any] = {name: getattr(contact, name) for name in FIELDS}
    fields: dict[str, Any] = {name: value for name, value in values.items() if value or value is False}
    for name in _UNORDERED_FIELDS:
        if name in fields:
            fields[name] = sorted(fields[name])
    return hashlib.blake2b(_ENCODER.encode(fields), digest_size=DIGEST_BYTES).hexdigest()


@lru_cache(maxsize=1000)
def _sort_unknown_fields(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(
        sorted(names, key=lambda name: (FIELDS.index(name) if name in FIELDS else len(FIELDS), name))
    )
