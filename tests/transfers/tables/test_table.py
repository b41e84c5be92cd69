"""The columns of the contacts table."""

from __future__ import annotations

import pytest

from airflow_provider_contacts.contact import REFERENCE_FIELDS
from airflow_provider_contacts.errors import InvalidRequest
from airflow_provider_contacts.transfers.columns import COLUMNS
from airflow_provider_contacts.transfers.tables.table import BOOKKEEPING_COLUMNS, define_table


def test_columns() -> None:
    table = define_table("crm.contacts")
    assert (table.schema, table.name) == ("crm", "contacts")
    assert [column.name for column in table.columns] == [
        *(column.name for column in COLUMNS),
        *BOOKKEEPING_COLUMNS,
    ]
    assert tuple(column.name for column in table.primary_key.columns) == REFERENCE_FIELDS


@pytest.mark.parametrize("name", ["", "a.b.c", ".a", "a.", None, 5, "a\nb"])
def test_invalid_names(name: object) -> None:
    with pytest.raises(InvalidRequest, match="`table` must be `table` or `schema.table`"):
        define_table(name)
