"""Digests, and tables that an earlier version wrote."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
import pytest
from hypothesis import given

from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.hooks.base import ContactsHook
from airflow_provider_contacts.transfers.digests import (
    compute_digest,
    format_digest,
    matches_earlier_version,
    parse_digest,
)
from tests.conftest import Sandbox
from tests.strategies import contacts
from tests.transfers.database import Database, counts, load
from tests.vendors import VENDORS


def digest_of_version_1(contact: Contact) -> str:
    """Return the digest that the first tables contain."""
    fields = msgspec.structs.replace(contact, raw=msgspec.UNSET)
    return hashlib.sha256(msgspec.json.encode(fields)).hexdigest()


@given(contact=contacts)
def test_stored_digests_are_read_back(contact: Contact) -> None:
    digest = compute_digest(contact)
    stored = format_digest(digest)
    assert parse_digest(stored) == digest
    assert len(stored) <= 64
    assert matches_earlier_version(parse_digest(digest_of_version_1(contact)), contact)


@given(one=contacts, other=contacts)
def test_different_contacts_have_different_digests(one: Contact, other: Contact) -> None:
    def fields(contact: Contact) -> dict[str, Any]:
        found = contact.to_dict()
        return {**found, "tags": sorted(contact.tags), "unknown_fields": sorted(contact.unknown_fields)}

    assert (compute_digest(one) == compute_digest(other)) == (fields(one) == fields(other))


def test_order_of_lists_does_not_matter() -> None:
    one = Contact("v", "a", "1", tags=("x", "y"), unknown_fields=("phone", "stage"))
    other = Contact("v", "a", "1", tags=("y", "x"), unknown_fields=("stage", "phone"))
    assert compute_digest(one) == compute_digest(other)


@pytest.mark.parametrize("stored", ["", "x", "2:", "3:" + "ab" * 24, "ab" * 24, "2:zz"])
def test_unknown_digest_matches_nothing(stored: str) -> None:
    contact = Contact("v", "a", "1")
    digest = parse_digest(stored)
    assert digest != compute_digest(contact)
    assert not matches_earlier_version(digest, contact)


@pytest.mark.parametrize("vendor", VENDORS)
def test_table_that_an_earlier_version_wrote(vendor: str, sandbox: Sandbox, database: Database) -> None:
    load(database, vendor)
    hook = ContactsHook.for_connection(f"{vendor}_default")
    for contact in hook.list_contacts():
        database.run(
            f"UPDATE contacts SET digest = '{digest_of_version_1(contact)}' WHERE contact_id = '{contact.contact_id}' "
            f"AND account_id = '{contact.account_id}'"
        )
    before = database.rows()
    assert counts(load(database, vendor)) == (60, 0, 0, 60, 0)
    assert database.rows() == before
    row = sandbox.state.tables[vendor].rows[3]
    sandbox.state.tables[vendor].remove(row)
    assert counts(load(database, vendor, mark_removed=True)) == (59, 0, 0, 59, 1)
