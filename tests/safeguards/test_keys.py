"""The keys of a person, and their hashes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from airflow_provider_contacts.errors import InvalidConnection, InvalidRequest
from airflow_provider_contacts.safeguards.keys import (
    KeyHasher,
    find_keys,
    find_keys_to_erase,
    find_keys_to_suppress,
    find_secret,
    list_unreadable_fields,
)


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
        ({"contact_id": " 7 ", "vendor": " tether "}, "", ["reference:tether/7"]),
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
    assert (
        find_secret(connect("has_one", conn_type="generic", password="a long random text"))
        == "a long random text"
    )
    with pytest.raises(InvalidConnection, match="'has_none' has no password. It is the secret"):
        find_secret(connect("has_none", conn_type="generic"))
    with pytest.raises(InvalidConnection, match="shorter than 16 characters"):
        find_secret(connect("short", conn_type="generic", password="short"))
    with pytest.raises(InvalidConnection, match="'missing' does not exist"):
        find_secret("missing")


def test_unreadable_fields() -> None:
    unreadable = {"email": "n/a", "phone": "12", "linkedin_url": "-"}
    assert list_unreadable_fields(unreadable, find_keys(unreadable)) == ["email", "phone", "linkedin_url"]
    readable = {"email": "a@b.example", "phone": None, "linkedin_url": ""}
    assert list_unreadable_fields(readable, find_keys(readable)) == []
    # A number without a country may be a stranger's.
    national = {"phone": "(203) 417-6848"}
    assert list_unreadable_fields(national, find_keys_to_suppress(national)) == ["phone"]
    assert list_unreadable_fields(national, find_keys_to_suppress(national, "US")) == []


@pytest.mark.parametrize(
    ("fields", "region", "keys"),
    [
        ({"phone": "(203) 417-6848"}, "", []),
        ({"phone": "1 (203) 417-6848"}, "", []),
        ({"phone": "2034176848"}, "", []),
        ({"phone": "(203) 417-6848", "country": "USA"}, "", ["+12034176848"]),
        ({"phone": "(203) 417-6848"}, "US", ["+12034176848"]),
        ({"phone": "+1 203 417 6848 ext. 12"}, "", ["+12034176848;ext=12", "+12034176848"]),
        ({"phone": "001 203 417 6848"}, "", ["+12034176848"]),
        ({"phone": "011 44 20 7946 0018"}, "", []),
        ({"phone": "+12034176848; +442079460018"}, "", ["+12034176848", "+442079460018"]),
        # What looks like a long extension is a second number.
        ({"phone": "61234567, 61234568", "country": "SG"}, "", ["+6561234567", "+6561234568"]),
        ({"phone": "912345678; 912345679", "country": "PT"}, "", ["+351912345678", "+351912345679"]),
        ({"phone": "+12034176848 or +442079460018"}, "", ["+12034176848", "+442079460018"]),
        ({"phone": "+12034176848 (mobile) +442079460018"}, "", ["+12034176848", "+442079460018"]),
    ],
)
def test_numbers_are_suppressed_only_if_their_country_is_known(
    fields: dict[str, object], region: str, keys: list[str]
) -> None:
    assert find_keys_to_suppress(fields, region) == [f"phone:{number}" for number in keys]
    # What is suppressed is found, whatever else the text may stand for.
    assert set(find_keys_to_suppress(fields, region)) <= {
        *find_keys(fields),
        *find_keys({**fields, "country": region}),
    }


def test_keys_to_erase_belong_to_one_person() -> None:
    fields = {
        "email": "Ada@stra\u00dfe.example",
        "phone": "+1 203 417 6848 ext. 12",
        "vendor": "tether",
        "contact_id": 1,
    }
    assert find_keys_to_erase(fields) == [
        "email:ada@xn--strae-oqa.example",
        "phone:+12034176848;ext=12",
        "reference:tether/1",
    ]
    assert find_keys_to_erase({"linkedin_url": "https://linkedin.com/in/ACoAAAbcdefghijkl"}) == [
        "linkedin:ACoAAAbcdefghijkl"
    ]


@pytest.mark.parametrize(
    "text",
    [
        "ADA@Example.com",
        " ada@example.com ",
        "mailto:ada@example.com",
        "Ada Lovelace <ada@example.com>",
        "\ufeffada@exam\u200bple.com",
    ],
)
def test_spellings_of_an_address(text: str) -> None:
    assert find_keys({"email": text}) == ["email:ada@example.com"]


def test_international_domains_and_composed_letters() -> None:
    assert find_keys({"email": "zo\u00eb@m\u00fcnchen.example"}) == find_keys(
        {"email": "zoe\u0308@xn--mnchen-3ya.example"}
    )


@pytest.mark.parametrize(
    "text",
    [
        "a@b.example; c@d.example",
        "a@b.example,c@d.example",
        "<a@b.example> c@d.example (private)",
        "a@b.example / c@d.example",
        "(a@b.example) email:c@d.example",
        "a@b.example(private) c@d.example/office",
        "a@b.example:c@d.example|",
    ],
)
def test_every_address_in_a_text_counts(text: str) -> None:
    assert find_keys({"email": text}) == ["email:a@b.example", "email:c@d.example"]


@pytest.mark.parametrize("text", ["a@b@c", "ada", "", "@", "a@;@b"])
def test_text_without_an_address(text: str) -> None:
    assert find_keys({"email": text}) == []


@pytest.mark.parametrize(
    ("phone", "country", "keys"),
    [
        ("1 (202) 555-0180", "Germany", ["phone:+12025550180"]),
        ("1 (202) 555-0180", None, ["phone:+12025550180"]),
        (12025550180, None, ["phone:+12025550180"]),
        ("(202) 555-0180", "United States", ["phone:+12025550180"]),
        ("(202) 555-0180", "USA", ["phone:+12025550180"]),
        ("020 7946 0958", "united kingdom", ["phone:+442079460958"]),
        ("+1 202 555 0180", "Germany", ["phone:+12025550180"]),
        ("(202) 555-0180", None, []),
    ],
)
def test_phone_numbers(phone: object, country: str | None, keys: list[str]) -> None:
    assert find_keys({"phone": phone, "country": country}) == keys


@pytest.mark.parametrize("value", [["a@b.example"], {"value": "a@b.example"}, 1.5, True])
def test_other_types_are_rejected(value: object) -> None:
    with pytest.raises(InvalidRequest, match="`email` of a contact is not text"):
        find_keys({"email": value})
    assert find_keys({"email": b"ada@example.com"}) == ["email:ada@example.com"]


@pytest.mark.parametrize(
    ("fields", "key"),
    [
        # Keys of tables that earlier versions have written.
        ({"linkedin_url": "https://www.linkedin.com/in/ACoAAB12345678901"}, "linkedin:acoaab12345678901"),
        ({"email": "ada@straße.example"}, "email:ada@strasse.example"),
        ({"email": "ada@i❤.example"}, "email:ada@xn--i-7iq.example"),
        ({"email": "ada@mü_x.example"}, "email:ada@xn--m_x-hoa.example"),
        ({"phone": "+1 202-555-0180 ext. 12"}, "phone:+12025550180"),
        ({"phone": "49 30 901820", "country": "Germany"}, "phone:+4930901820"),
    ],
)
def test_older_keys_are_still_found(fields: dict[str, object], key: str) -> None:
    assert key in find_keys(fields)
