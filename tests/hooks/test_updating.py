"""Updating single contacts with a hook; tests/conformance covers every vendor."""

from __future__ import annotations

import pytest

from airflow_provider_contacts.errors import InvalidRequest, UnsupportedByVendor
from airflow_provider_contacts.hooks.base import ContactsHook
from airflow_provider_contacts.hooks.updating import ContactUpdates
from tests.conftest import Sandbox


def test_every_hook_can_be_asked_for_updates() -> None:
    assert issubclass(ContactsHook, ContactUpdates)


def test_one_contact_is_updated(sandbox: Sandbox) -> None:
    row = sandbox.state.tables["talktohumans"].rows[0]
    hook = ContactsHook.for_connection("talktohumans_default")
    contact = hook.update_tags(row.contact_id, account_id=row.account_id, add=["Hot"])
    assert contact is not None
    assert "Hot" in contact.tags
    assert "Hot" in row.tags


def test_unsupported_change_is_reported_before_anything_else(sandbox: Sandbox) -> None:
    hook = ContactsHook.for_connection("thoughtly_default")
    for kind in ("tags", "notes", "stage"):
        with pytest.raises(UnsupportedByVendor, match=f"cannot change the {kind}"):
            hook.require_update_support(kind)  # type: ignore[arg-type]
    with pytest.raises(UnsupportedByVendor):
        hook.update_stage("not an id", "Won")
    ContactsHook.for_connection("tether_default").require_update_support("stage")
    with pytest.raises(InvalidRequest):
        ContactsHook.for_connection("tether_default").update_stage("not an id", "Won")
