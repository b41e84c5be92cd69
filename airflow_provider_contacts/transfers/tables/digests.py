"""Digests of contacts, by which a table recognizes what has changed.

A digest covers the fields of a contact except ``raw``, which contains text such as "47 minutes ago"
for some vendors. It starts with the version of its rules.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

import msgspec

from airflow_provider_contacts.contact import FIELDS, Contact

DIGEST_BYTES = 24

_VERSION = "1"
_ENCODER = msgspec.json.Encoder()


def digest_contact(contact: Contact, encoded: bytes) -> bytes:
    """Return the digest of a contact, without the version.

    :param encoded: the contact as JSON, with ``raw``, which a caller needs for other purposes too.
    """
    tags = contact.tags
    unknown_fields = contact.unknown_fields
    # The order of these lists has no meaning. Most contacts have one tag at most, and vendors
    # report unknown fields in order.
    if len(tags) > 1 or unknown_fields != _sort_unknown_fields(unknown_fields):
        encoded = _ENCODER.encode(
            msgspec.structs.replace(
                contact, tags=tuple(sorted(tags)), unknown_fields=_sort_unknown_fields(unknown_fields)
            )
        )
    # Cut off `,"raw":…}`: it is the last field, and is encoded unchanged.
    end = len(encoded) - len(bytes(contact.raw)) - len(b',"raw":}')  # type: ignore[arg-type]
    return hashlib.blake2b(encoded[:end], digest_size=DIGEST_BYTES).digest()


def format_digest(digest: bytes) -> str:
    """Return a digest as tables store it."""
    return f"{_VERSION}:{digest.hex()}"


@lru_cache(maxsize=1000)
def _sort_unknown_fields(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(
        sorted(names, key=lambda name: (FIELDS.index(name) if name in FIELDS else len(FIELDS), name))
    )
