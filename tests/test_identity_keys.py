"""One spelling for each address, number and profile."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from airflow_provider_contacts.identity_keys import (
    find_region,
    is_member_id,
    list_possible_phones,
    normalize_email,
    normalize_linkedin,
    normalize_phone,
)


@pytest.mark.parametrize(
    ("text", "email"),
    [
        (" ADA@Example.COM ", "ada@example.com"),
        ("mailto:ada@example.com", "ada@example.com"),
        ("Ada Lovelace <ada@example.com>", "ada@example.com"),
        ("ada\u200b@example.com", "ada@example.com"),
        ("ada@bücher.example", "ada@xn--bcher-kva.example"),
        ("ADA@BÜCHER.example", "ada@xn--bcher-kva.example"),
        ("a.da+x@example.com", "a.da+x@example.com"),
        ("MAILTO:Ada@example.com?subject=x", "ada@example.com"),
        ("'ada@example.com'", "ada@example.com"),
        ("Xada@example.com", "xada@example.com"),
        ("ada@example.com.", "ada@example.com"),
        ("ada@straße.example", "ada@xn--strae-oqa.example"),
        ("ada@\ud800.example", "ada@\ud800.example"),
        ("ada@example.com, grace@example.com", None),
        ("n/a", None),
        ("@example.com", None),
        ("", None),
        (None, None),
    ],
)
def test_emails(text: str | None, email: str | None) -> None:
    assert normalize_email(text) == email


@pytest.mark.parametrize(
    ("phone", "country", "number"),
    [
        ("+1 (202) 555-0180", None, "+12025550180"),
        ("1 (202) 555-0180", None, "+12025550180"),
        ("1 (202) 555-0180", "Germany", "+12025550180"),
        ("49 (30) 901820", None, "+4930901820"),
        ("(202) 555-0180", "USA", "+12025550180"),
        ("(202) 555-0180", None, None),
        ("202-555-0180", None, None),
        ("030 901820", "Germany", "+4930901820"),
        ("030 901820", "DE", "+4930901820"),
        ("12", "US", None),
        # +1, and not +12.
        ("12 (02) 555-0180", None, None),
        ("030 901820", "Deutschland", "+4930901820"),
        ("020 7946 0018", "England", "+442079460018"),
        ("+1 202-555-0180 ext. 12", None, "+12025550180;ext=12"),
        ("call me", "US", None),
        (None, "US", None),
    ],
)
def test_phones(phone: str | None, country: str | None, number: str | None) -> None:
    assert normalize_phone(phone, country) == number
    readings = list_possible_phones(phone, country)
    assert number is None or readings[0] == number


def test_a_text_can_be_read_as_several_numbers() -> None:
    assert list_possible_phones("33 1 42 68 53 00", "Germany") == ["+4933142685300", "+33142685300"]
    assert list_possible_phones("+1 202-555-0180 x12", None) == ["+12025550180;ext=12", "+12025550180"]
    assert list_possible_phones("(202) 555-0180", "USA") == ["+12025550180"]


def test_default_region_is_for_contacts_without_a_country() -> None:
    assert normalize_phone("030 901820", None, "DE") == "+4930901820"
    assert normalize_phone("030 901820", "Atlantis", "DE") is None
    assert normalize_phone("030 901820", " ", "DE") == "+4930901820"
    assert normalize_phone("(202) 555-0180", "US", "DE") == "+12025550180"


@pytest.mark.parametrize(
    "url",
    [
        "https://www.linkedin.com/in/Ada-L/",
        "linkedin.com/in/ada-l",
        "http://uk.linkedin.com/in/ada-l?trk=x",
        "https://www.linkedin.com/in/ada%2Dl/details/experience",
        "HTTPS://LINKEDIN.COM/IN/ADA-L",
        " https://www.linkedin.com/in/ada-l%20 ",
        "https://www.linkedin.com/in/ada-l\u200b",
    ],
)
def test_profiles(url: str) -> None:
    assert normalize_linkedin(url) == "ada-l"


@pytest.mark.parametrize(
    "url", ["https://linkedin.com/company/acme", "https://evil.example/in/ada", "[", "", None]
)
def test_other_addresses(url: str | None) -> None:
    assert normalize_linkedin(url) is None


def test_profiles_in_any_unicode_form() -> None:
    assert normalize_linkedin("linkedin.com/in/jos%C3%A9") == normalize_linkedin("linkedin.com/in/jose%CC%81")


def test_handles_keep_their_last_letter() -> None:
    assert normalize_linkedin("https://www.linkedin.com/in/AdaX/") == "adax"


def test_member_ids_keep_their_case() -> None:
    assert normalize_linkedin("https://www.linkedin.com/in/ACoAAB0b1x2cDeF") == "ACoAAB0b1x2cDeF"
    assert is_member_id("ACoAAB0b1x2cDeF")
    assert not is_member_id("acoaab0b1x2cdef")


def test_regions() -> None:
    assert [find_region(text) for text in ("us", "USA", "uk", "Germany", "Atlantis", "", None)] == [
        "US",
        "US",
        "GB",
        "DE",
        "",
        "",
        "",
    ]  # fmt: skip - a list of codes


@given(st.text(max_size=30))
@example("0@\u00b8")
def test_normalizing_again_changes_nothing(text: str) -> None:
    email = normalize_email(text)
    assert email is None or normalize_email(email) == email


@given(st.text(alphabet="0123456789+-() ", max_size=20), st.sampled_from(["US", "DE", None]))
def test_normalizing_a_phone_again_changes_nothing(text: str, country: str | None) -> None:
    number = normalize_phone(text, country)
    assert number is None or normalize_phone(number, None) == number
