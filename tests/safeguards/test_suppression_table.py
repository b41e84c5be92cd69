"""The rows of the table of suppressions."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from airflow_provider_contacts.errors import InvalidRequest
from airflow_provider_contacts.safeguards.suppression_table import Suppression, define_suppressions

NOW = datetime(2026, 3, 1, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("until", "expected"), [(None, True), (NOW + timedelta(seconds=1), True), (NOW, False)]
)
def test_a_suppression_ends_at_its_time(until: datetime | None, expected: bool) -> None:
    row = Suppression("hash", "email", "all", "person", NOW, until, "unsubscribed", None)
    assert row.is_active(NOW) == expected


def test_a_key_has_a_row_for_each_person() -> None:
    table = define_suppressions("crm.contact_suppressions")
    assert (table.schema, table.name) == ("crm", "contact_suppressions")
    assert {column.name for column in table.primary_key} == {"key_hash", "scope", "person", "since"}
    with pytest.raises(InvalidRequest):
        define_suppressions("a.b.c")
