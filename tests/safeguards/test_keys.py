"""The keys of a person, and their hashes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from airflow_provider_contacts.errors import InvalidConnection
from airflow_provider_contacts.safeguards.keys import KeyHasher, find_keys, find_secret, has_identity


def test_keys_of_a_contact() -> None:
    fields = {
        "vendor": "mailstand",
        "account_id": "space_1",
        "contact_id": "contact_1",
        "email": " Ada@Example.com ",
        "phone": "020 7946 0958",
        "country": "GB",
        "linkedin_url": "https://www.linkedin.com/in/Ada-L/",
    }
    assert find_keys(fields) == [
        "email:ada@example.com",
        "phone:+442079460958",
        "linkedin:ada-l",
        "reference:mailstand/contact_1",
    ]


@pytest.mark.parametrize(
    ("fields", "vendor", "keys"),
    [
        ({"contact_id": 7}, "talktohumans", ["reference:talktohumans/7"]),
        ({"contact_id": "7", "account_id": "1", "vendor": "talktohumans"}, "", ["reference:talktohumans/7"]),
        ({"contact_id": "7"}, "", []),
        ({"contact_id": ""}, "tether", []),
        ({"contact_id": True}, "tether", []),
        ({"phone": "12345"}, "", []),
        ({"email": None, "phone": 5, "linkedin_url": "https://example.com"}, "", []),
        ({}, "tether", []),
    ],
)
def test_incomplete_fields(fields: dict[str, object], vendor: str, keys: list[str]) -> None:
    assert find_keys(fields, vendor) == keys


def test_hashes_depend_on_the_secret() -> None:
    one, other = KeyHasher("one secret"), KeyHasher("another secret")
    assert one.hash("email:ada@example.com") == KeyHasher("one secret").hash("email:ada@example.com")
    assert len({one.hash("a"), one.hash("b"), other.hash("a")}) == 3
    assert len(one.hash("lone surrogate \ud800")) == 64
    assert "secret" not in repr(one)


def test_secret_of_a_connection(connect: Callable[..., str]) -> None:
    assert find_secret(connect("has_one", conn_type="generic", password="a long text")) == "a long text"
    with pytest.raises(InvalidConnection, match="'has_none' has no password. It is the secret"):
        find_secret(connect("has_none", conn_type="generic"))
    with pytest.raises(InvalidConnection, match="'missing' does not exist"):
        find_secret("missing")


def test_has_identity() -> None:
    assert has_identity({"email": "a@b.example"})
    assert not has_identity({"contact_id": "1", "country": "US", "name": "Ada", "email": None})
