"""Addresses and numbers that belong to no single person."""

from __future__ import annotations

import pytest

from airflow_provider_contacts.people.non_personal_keys import (
    ROLE_MAILBOXES,
    is_company_phone,
    is_placeholder_phone,
    is_placeholder_profile,
    is_role_mailbox,
)


@pytest.mark.parametrize(
    "email",
    [
        "info@a.example",
        "no-reply@a.example",
        "no_reply@a.example",
        "sales.2@a.example",
        "info+ada@a.example",
        "info.de@a.example",
        "sales-us@a.example",
        "büro@a.example",
    ],
)
def test_role_mailboxes(email: str) -> None:
    assert is_role_mailbox(email)


@pytest.mark.parametrize(
    "email",
    ["na.li@a.example", "ada@info.example", "infomaniac@a.example", "salesa@a.example", "123@a.example"],
)
def test_mailboxes_of_people(email: str) -> None:
    assert not is_role_mailbox(email)


def test_names_are_comparable() -> None:
    assert all(name.isascii() and name.isalpha() and name == name.lower() for name in ROLE_MAILBOXES)


@pytest.mark.parametrize(
    ("phone", "is_test"),
    [
        ("+12019999999", True),
        ("+12012345678", True),
        ("+12019876543", True),
        ("+12015550143", False),
        ("+12015551111", False),
        ("+442079460018", False),
    ],
)
def test_placeholder_phones(phone: str, is_test: bool) -> None:
    assert is_placeholder_phone(phone) is is_test


def test_placeholder_profiles() -> None:
    assert is_placeholder_profile("undefined")
    assert not is_placeholder_profile("ada")


def test_company_phones() -> None:
    assert is_company_phone("+18005550143")
    assert not is_company_phone("+12025550143")
    assert not is_company_phone("+12025550143;ext=12")
