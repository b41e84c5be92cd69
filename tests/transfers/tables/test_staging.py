"""Contacts come back from the temporary file as they went in."""

from __future__ import annotations

import io
from datetime import datetime, timezone

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.errors import MalformedRecord
from airflow_provider_contacts.transfers.tables.digests import format_digest
from airflow_provider_contacts.transfers.tables.staging import VALUE_COLUMNS, Staging
from tests.strategies import contacts


def stage(*staged: Contact) -> Staging:
    staging = Staging(io.BytesIO())
    staging.add_all(staged)
    return staging


@given(
    st.lists(contacts, max_size=5),
    st.sampled_from([b"{}", b'{"raw":\n{"a":"\\n"}}', '{"ä":"\u2028"}'.encode()]),
)
def test_rows_have_the_values_of_contacts(found: list[Contact], raw: bytes) -> None:
    found = [
        msgspec.structs.replace(contact, contact_id=str(number), raw=msgspec.Raw(raw))
        for number, contact in enumerate(found)
    ]
    staging = stage(*found)
    entries = staging.accounts.get("", {})
    assert list(entries) == [contact.contact_id for contact in found]
    # In any order, because changed contacts are found in the order of the table.
    for contact, (values, staged_raw) in zip(
        reversed(found), staging.read_rows(reversed(entries.values())), strict=True
    ):
        assert staged_raw == raw.replace(b"\n", b" ")
        *fields, digest = values
        assert staging.is_unchanged(entries[contact.contact_id], str(digest))
        assert not staging.is_unchanged(entries[contact.contact_id], format_digest(b"x" * 24))
        for column, value in zip(VALUE_COLUMNS, fields, strict=True):
            expected = getattr(contact, column.name)
            if column.kind == "texts":
                assert msgspec.json.decode(str(value)) == list(expected)
            elif column.kind == "time" and value is not None:
                assert datetime.fromisoformat(str(value)) == expected
            else:
                assert value == expected


def test_accounts_and_later_contacts() -> None:
    staging = Staging(io.BytesIO())
    raw = msgspec.Raw(b"{}")
    staging.add_all([Contact("v", "a", "1", raw=raw), Contact("v", "b", "1", raw=raw)])
    staging.add_all([Contact("v", "a", "2", name="Later", raw=raw)])
    assert {account: list(entries) for account, entries in staging.accounts.items()} == {
        "a": ["1", "2"],
        "b": ["1"],
    }
    [(values, _)] = staging.read_rows([staging.accounts["a"]["2"]])
    assert values[:4] == ["v", "a", "2", "Later"]


def test_microseconds_survive() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=timezone.utc)
    staging = stage(Contact("v", "", "1", created_at=moment, raw=msgspec.Raw(b"{}")))
    [(values, _)] = staging.read_rows(staging.accounts[""].values())
    place = [column.name for column in VALUE_COLUMNS].index("created_at")
    assert datetime.fromisoformat(str(values[place])) == moment


def test_text_that_cannot_be_encoded() -> None:
    with pytest.raises(MalformedRecord, match="cannot be encoded") as caught:
        stage(Contact("v", "", "1", name="Ada\ud800", raw=msgspec.Raw(b"{}")))
    assert "Ada" not in str(caught.value)
