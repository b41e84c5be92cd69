"""Numbers of people."""

from __future__ import annotations

from collections import Counter

from airflow_provider_contacts.people.summary import find_person_rows, summarize_people
from tests.conftest import Sandbox
from tests.database import Database
from tests.people.conftest import load_all, reading, resolve


def test_summary(sandbox: Sandbox, database: Database) -> None:
    load_all(database)
    result = resolve(database)
    with reading(database) as (connection, tables):
        summary = summarize_people(connection, tables.people)
    by_channels: Counter[str] = Counter()
    for vendors, count in summary.people.items():
        assert list(vendors) == sorted(vendors)
        by_channels[str(len(vendors))] += count
    assert by_channels == result.by_channels
    assert sum(summary.contacts.values()) == result.contacts
    assert summary.contacts.keys() == summary.people.keys()
    assert {f"{kind}:{reason}" for kind, reason in summary.set_aside} == set(result.set_aside)


def test_an_empty_table(sandbox: Sandbox, database: Database) -> None:
    load_all(database)
    database.run("DELETE FROM contacts")
    resolve(database)
    with reading(database) as (connection, tables):
        summary = summarize_people(connection, tables.people)
    assert (summary.people, summary.contacts, summary.set_aside) == ({}, {}, {})


def test_rows_of_a_person(sandbox: Sandbox, database: Database) -> None:
    load_all(database)
    resolve(database)
    rows = database.rows("contact_people")
    contacts = Counter(row["person_id"] for row in rows)
    one = next(row for row in rows if contacts[row["person_id"]] > 1)
    key = (one["vendor"], one["account_id"], one["contact_id"])
    with reading(database) as (connection, tables):
        found = find_person_rows(connection, tables.people, *key)
        assert found == find_person_rows(connection, tables.people, key[0], None, key[2])
        assert find_person_rows(connection, tables.people, key[0], "another", key[2]) == []
    assert len(found) == contacts[one["person_id"]]
    assert {row["person_id"] for row in found} == {one["person_id"]}
