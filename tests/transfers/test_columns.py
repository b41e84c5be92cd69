"""The columns that files, tables and lineage share."""

from __future__ import annotations

import msgspec
import pytest

from airflow_provider_contacts.contact import FIELDS, Contact
from airflow_provider_contacts.errors import MalformedRecord
from airflow_provider_contacts.transfers.columns import COLUMNS, raw_text


def test_every_field_is_a_column_in_order() -> None:
    assert [column.name for column in COLUMNS] == [*FIELDS, "raw"]
    kinds = {column.name: (column.kind, column.nullable) for column in COLUMNS}
    assert kinds["contact_id"] == ("text", False)
    assert kinds["email"] == ("text", True)
    assert kinds["tags"] == ("texts", False)
    assert kinds["replied"] == ("flag", True)
    assert kinds["replied_at"] == ("time", True)


def test_raw_text() -> None:
    assert raw_text(Contact("v", "", "1", raw=msgspec.Raw('{"a":"é"}'.encode()))) == '{"a":"é"}'
    assert raw_text(Contact("v", "", "1")) == ""


def test_raw_that_is_not_utf8_names_the_alternative() -> None:
    contact = Contact("v", "", "1", raw=msgspec.Raw(b'{"a":"secret\xff"}'))
    with pytest.raises(MalformedRecord, match='content="raw"') as caught:
        raw_text(contact)
    assert "secret" not in str(caught.value)
    assert caught.value.raw == b'{"a":"secret\xff"}'
