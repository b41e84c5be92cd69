"""Digests, and tables that an earlier version wrote."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given

from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.hooks.base import ContactsHook
from airflow_provider_contacts.transfers.columns import FIRST_COLUMNS
from airflow_provider_contacts.transfers.tables.digests import (
    compute_digest,
    format_digest,
    has_other_version,
    matches_earlier_version,
)
from tests.conftest import Sandbox
from tests.database import Database, counts, load
from tests.strategies import contacts
from tests.vendors import VENDORS


def digest_of_version_1(contact: Contact) -> str:
    """Return the digest that the first tables contain."""
    fields = {name: getattr(contact, name) for name in FIRST_COLUMNS if name != "raw"}
    return hashlib.sha256(msgspec.json.encode(fields)).hexdigest()


def digest_of_version_2(contact: Contact) -> str:
    fields = {name: value for name, value in contact.to_dict().items() if value or value is False}
    for name in ("tags", "unknown_fields"):
        if name in fields:
            fields[name] = sorted(getattr(contact, name))
    return f"2:{hashlib.blake2b(msgspec.json.encode(fields), digest_size=24).hexdigest()}"


def digest_of(contact: Contact, raw: bytes = b"{}") -> bytes:
    contact = msgspec.structs.replace(contact, raw=msgspec.Raw(raw))
    return compute_digest(contact, msgspec.json.encode(contact))


@given(contact=contacts)
def test_stored_digests_are_recognized(contact: Contact) -> None:
    stored = format_digest(digest_of(contact))
    assert len(stored) <= 64
    assert not has_other_version(stored)
    for earlier in (digest_of_version_1(contact), digest_of_version_2(contact)):
        assert has_other_version(earlier)
        assert matches_earlier_version(earlier, contact)


@given(contact=contacts)
def test_raw_does_not_matter(contact: Contact) -> None:
    assert digest_of(contact) == digest_of(contact, b'{"raw": {"tags":[]}, "seen": "47 minutes ago"}')


@given(one=contacts, other=contacts)
def test_different_contacts_have_different_digests(one: Contact, other: Contact) -> None:
    def fields(contact: Contact) -> dict[str, Any]:
        found = contact.to_dict()
        return {**found, "tags": sorted(contact.tags), "unknown_fields": sorted(contact.unknown_fields)}

    assert (digest_of(one) == digest_of(other)) == (fields(one) == fields(other))


def test_order_of_lists_does_not_matter() -> None:
    one = Contact("v", "a", "1", tags=("x", "y"), unknown_fields=("phone", "stage"))
    other = Contact("v", "a", "1", tags=("y", "x"), unknown_fields=("stage", "phone"))
    assert digest_of(one) == digest_of(other)


@pytest.mark.parametrize(
    "stored", ["", "x", "2:", "3:", "3:" + "ab" * 24, "ab" * 24, "2:zz", "4:" + "ab" * 24]
)
def test_unknown_digest_matches_nothing(stored: str) -> None:
    contact = Contact("v", "a", "1")
    assert stored != format_digest(digest_of(contact))
    assert not matches_earlier_version(stored, contact)


@pytest.mark.parametrize("digest_of_version", [digest_of_version_1, digest_of_version_2])
@pytest.mark.parametrize("vendor", VENDORS)
def test_table_that_an_earlier_version_wrote(
    vendor: str, digest_of_version: Callable[[Contact], str], sandbox: Sandbox, database: Database
) -> None:
    load(database, vendor)
    hook = ContactsHook.for_connection(f"{vendor}_default")
    for contact in hook.list_contacts():
        database.run(
            f"UPDATE contacts SET digest = '{digest_of_version(contact)}' WHERE contact_id = '{contact.contact_id}' "
            f"AND account_id = '{contact.account_id}'"
        )
    before = database.rows()
    assert counts(load(database, vendor)) == (60, 0, 0, 60, 0)
    assert database.rows() == before
    row = sandbox.state.tables[vendor].rows[3]
    sandbox.state.tables[vendor].remove(row)
    assert counts(load(database, vendor, mark_removed=True)) == (59, 0, 0, 59, 1)
