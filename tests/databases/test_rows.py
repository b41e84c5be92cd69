"""Reading rows."""

from __future__ import annotations

from airflow_provider_contacts.databases.rows import parse_lists


def test_lists() -> None:
    row = {"tags": '["VIP"]', "unknown_fields": "[]", "stage": '["no list"]'}
    assert parse_lists(row) == {"tags": ["VIP"], "unknown_fields": [], "stage": '["no list"]'}
    assert parse_lists({"tags": "VIP", "unknown_fields": ["stage"]}) == {"unknown_fields": ["stage"]}
    assert parse_lists({"tags": None}) == {"tags": None}
