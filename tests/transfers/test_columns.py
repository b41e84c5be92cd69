"""The columns that files, tables and lineage share."""

from __future__ import annotations

from airflow_provider_contacts.contact import FIELDS
from airflow_provider_contacts.transfers.columns import COLUMNS


def test_every_field_is_a_column_in_order() -> None:
    assert [column.name for column in COLUMNS] == [*FIELDS, "raw"]
    kinds = {column.name: (column.kind, column.nullable) for column in COLUMNS}
    assert kinds["contact_id"] == ("text", False)
    assert kinds["email"] == ("text", True)
    assert kinds["tags"] == ("texts", False)
    assert kinds["replied"] == ("flag", True)
    assert kinds["replied_at"] == ("time", True)
