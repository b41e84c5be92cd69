from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_contacts.contact import Contact, parse_lists


def keys(**fields: Any) -> tuple[str, ...]:
    return Contact("v", "a", "1", **fields).identity_keys()


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"email": " Ada@Example.COM "}, ("email:ada@example.com",)),
        ({"email": "not an address"}, ()),
        ({"phone": "+1 (212) 555-0123"}, ("phone:+12125550123",)),
        ({"phone": "1 (212) 555-0123", "country": "USA"}, ("phone:+12125550123",)),
        ({"phone": "(212) 555-0123", "country": "us"}, ("phone:+12125550123",)),
        ({"phone": "(212) 555-0123"}, ()),
        ({"phone": "(212) 555-0123", "country": "Atlantis"}, ()),
        ({"phone": "12", "country": "US"}, ()),
        ({"phone": "020 7946 0018", "country": "UK"}, ("phone:+442079460018",)),
        ({"linkedin_url": "https://www.LinkedIn.com/in/Ada-Lovelace/?x=1"}, ("linkedin:ada-lovelace",)),
        ({"linkedin_url": "linkedin.com/in/J%C3%BCrgen"}, ("linkedin:jürgen",)),
        ({"linkedin_url": "https://linkedin.com/company/acme"}, ()),
        ({"linkedin_url": "https://notlinkedin.com/in/ada"}, ()),
        ({"linkedin_url": "https://linkedin.com/in/"}, ()),
        ({}, ()),
    ],
)
def test_identity_keys(fields: dict[str, Any], expected: tuple[str, ...]) -> None:
    assert keys(**fields) == expected


@given(st.text(), st.text(), st.text(), st.text())
def test_identity_keys_accept_any_text(email: str, phone: str, country: str, url: str) -> None:
    for key in keys(email=email, phone=phone, country=country, linkedin_url=url):
        assert key.split(":")[0] in ("email", "phone", "linkedin")


def test_reference() -> None:
    contact = Contact("mailstand", "space_1", "contact_1", email="a@b.example")
    assert contact.reference() == {"vendor": "mailstand", "account_id": "space_1", "contact_id": "contact_1"}
    assert "a@b" not in repr(contact)
    assert "a@b" not in f"{contact}"


def test_frozen() -> None:
    with pytest.raises(AttributeError):
        Contact("v", "a", "1").email = "x"  # type: ignore[misc]


def test_hashable() -> None:
    raw = msgspec.Raw(b"{}")
    assert len({Contact("v", "a", "1", raw=raw), Contact("v", "a", "2", raw=raw)}) == 2


def test_lists_of_rows() -> None:
    row = {"tags": '["VIP"]', "unknown_fields": "[]", "stage": '["no list"]'}
    assert parse_lists(row) == {"tags": ["VIP"], "unknown_fields": [], "stage": '["no list"]'}
    assert parse_lists({"tags": "VIP", "unknown_fields": ["stage"]}) == {"unknown_fields": ["stage"]}
    assert parse_lists({"tags": None}) == {"tags": None}
