"""Digests of contacts."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given

from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.databases.tables import DIGEST_LENGTH
from airflow_provider_contacts.transfers.tables.digests import (
    DIGEST_BYTES,
    digest_contact,
    format_digest,
)
from tests.conftest import Sandbox
from tests.database import Database, counts, load
from tests.strategies import contacts


def digest_of(contact: Contact, raw: bytes = b"{}") -> bytes:
    contact = msgspec.structs.replace(contact, raw=msgspec.Raw(raw))
    return digest_contact(contact, msgspec.json.encode(contact))


def test_stored_digests_have_a_version_and_fit_the_column() -> None:
    stored = format_digest(digest_of(Contact("v", "a", "1")))
    assert stored.startswith("1:")
    assert len(stored) == 2 + 2 * DIGEST_BYTES <= DIGEST_LENGTH


@given(contact=contacts)
def test_raw_does_not_matter(contact: Contact) -> None:
    assert digest_of(contact) == digest_of(contact, b'{"raw": {"tags":[]}, "seen": "47 minutes ago"}')


@given(one=contacts, other=contacts)
def test_different_contacts_have_different_digests(one: Contact, other: Contact) -> None:
    def fields(contact: Contact) -> dict[str, Any]:
        found = contact.to_dict()
        return {**found, "tags": sorted(contact.tags), "unknown_fields": sorted(contact.unknown_fields)}

    assert (digest_of(one) == digest_of(other)) == (fields(one) == fields(other))


@pytest.mark.parametrize("unknown_fields", [(), ("phone", "stage")])
@pytest.mark.parametrize("tags", [(), ("x", "y"), ("x", "y", "z")])
def test_order_of_lists_does_not_matter(tags: tuple[str, ...], unknown_fields: tuple[str, ...]) -> None:
    one = Contact("v", "a", "1", tags=tags, unknown_fields=unknown_fields)
    other = Contact("v", "a", "1", tags=tags[::-1], unknown_fields=unknown_fields[::-1])
    assert digest_of(one) == digest_of(other)
    assert digest_of(one) != digest_of(Contact("v", "a", "1", tags=("x", "a"), unknown_fields=unknown_fields))


def test_digest_of_other_rules_is_a_change(sandbox: Sandbox, database: Database) -> None:
    load(database, "tether")
    database.run("UPDATE contacts SET digest = REPLACE(digest, '1:', '0:')")
    assert counts(load(database, "tether")) == (60, 0, 60, 0, 0)
    assert counts(load(database, "tether")) == (60, 0, 0, 60, 0)
