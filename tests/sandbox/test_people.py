"""Fictional people."""

from __future__ import annotations

from airflow_provider_contacts.sandbox.app import create_state


def test_people_depend_on_the_seed_and_overlap() -> None:
    one, other = create_state(100, 7), create_state(100, 8)
    again = create_state(100, 7)
    numbers = {}
    for vendor, table in one.tables.items():
        assert [row.json() for row in table.rows] == [row.json() for row in again.tables[vendor].rows]
        assert [row.json() for row in table.rows] != [row.json() for row in other.tables[vendor].rows]
        numbers[vendor] = {row.person.number for row in table.rows}
    assert set.intersection(*numbers.values())
