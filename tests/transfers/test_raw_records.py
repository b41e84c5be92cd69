"""The vendor's JSON of contacts, as text and on one line."""

from __future__ import annotations

import msgspec
import pytest

from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.errors import MalformedRecord
from airflow_provider_contacts.transfers.raw_records import raw_bytes, raw_text, remove_line_breaks


def test_raw_text() -> None:
    assert raw_text(Contact("v", "", "1", raw=msgspec.Raw('{"a":"é"}'.encode()))) == '{"a":"é"}'
    assert raw_text(Contact("v", "", "1")) == ""


def test_raw_that_is_not_utf8_names_the_alternative() -> None:
    contact = Contact("v", "", "1", raw=msgspec.Raw(b'{"a":"secret\xff"}'))
    with pytest.raises(MalformedRecord, match='content="raw"') as caught:
        raw_text(contact)
    assert "secret" not in str(caught.value)
    assert caught.value.raw == b'{"a":"secret\xff"}'


def make_contacts(*raws: bytes) -> list[Contact]:
    return [Contact("v", "", str(number), raw=msgspec.Raw(raw)) for number, raw in enumerate(raws)]


def test_line_breaks_become_spaces() -> None:
    contacts = make_contacts(b"{}", b'{\r\n"a":\n1}', '{\n"ä":1}'.encode())
    changed = remove_line_breaks(contacts, require_utf8=True)
    assert [raw_bytes(contact) for contact in changed] == [b"{}", b'{  "a": 1}', '{ "ä":1}'.encode()]
    assert [contact.contact_id for contact in changed] == ["0", "1", "2"]


def test_contacts_without_line_breaks_stay_the_same() -> None:
    contacts = [*make_contacts(b'{"a":"\\n"}'), Contact("v", "", "1")]
    assert remove_line_breaks(contacts, require_utf8=True) is contacts


def test_bytes_that_are_not_text() -> None:
    contacts = make_contacts(b"{}", b'{"a":"\xff"}')
    assert remove_line_breaks(contacts, require_utf8=False) is contacts
    with pytest.raises(MalformedRecord) as caught:
        remove_line_breaks(contacts, require_utf8=True)
    assert caught.value.raw == b'{"a":"\xff"}'
