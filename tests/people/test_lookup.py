"""Looking people up by references."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from airflow_provider_contacts.contact import Reference
from airflow_provider_contacts.people.lookup import compute_backlog_age, find_people
from tests.conftest import Sandbox
from tests.database import Database
from tests.people.conftest import load_all, reading, resolve


@pytest.fixture
def people(sandbox: Sandbox, database: Database) -> Database:
    load_all(database)
    resolve(database)
    return database


def references(database: Database) -> dict[str, list[Reference]]:
    """Return the references of the contacts of each person."""
    found: dict[str, list[Reference]] = {}
    for row in database.rows("contact_people"):
        reference: Reference = {
            "vendor": row["vendor"],
            "account_id": row["account_id"],
            "contact_id": row["contact_id"],
        }
        found.setdefault(row["person_id"], []).append(reference)
    return found


def test_people_are_found_with_all_their_contacts(people: Database) -> None:
    expected = references(people)
    with reading(people) as (connection, tables):
        found, unmatched = find_people(connection, tables, [one[0] for one in expected.values()])
    assert unmatched == []
    assert [one.person_id for one in found] == sorted(expected)
    for person in found:
        assert [one.reference() for one in person.contacts] == expected[person.person_id]
        assert [one.reference() for one in person.found_by] == expected[person.person_id][:1]
    contact = next(one for person in found for one in person.contacts if one.vendor == "thoughtly")
    assert isinstance(contact.fields["tags"], list)
    assert contact.is_present
    assert "@" not in repr(found)


def test_a_reference_without_an_account_stands_for_all(people: Database) -> None:
    linkedin = [
        [one for one in ones if one["vendor"] == "talktohumans"] for ones in references(people).values()
    ]
    twins = next(ones for ones in linkedin if len(ones) == 2)
    bare: Reference = {"vendor": "talktohumans", "account_id": "", "contact_id": twins[0]["contact_id"]}
    other: Reference = {**bare, "account_id": "999"}
    with reading(people) as (connection, tables):
        [person], unmatched = find_people(connection, tables, [bare, other])
    # It is unknown which of them is meant.
    assert person.found_by == []
    assert unmatched == [other]
    lead = next(one for ones in references(people).values() for one in ones if one["vendor"] == "tether")
    with reading(people) as (connection, tables):
        [person], unmatched = find_people(connection, tables, [{**lead, "account_id": ""}])
    assert [one.reference() for one in person.found_by] == [lead]
    assert unmatched == []


def test_a_bare_reference_that_several_people_have_belongs_to_none(people: Database) -> None:
    leads = [one for ones in references(people).values() for one in ones if one["vendor"] == "tether"]
    first, second = leads[0]["contact_id"], leads[1]["contact_id"]
    for table in ("contacts", "contact_people"):
        people.run(
            f"UPDATE {table} SET account_id = 'another', contact_id = '{first}' WHERE contact_id = '{second}'"
        )
    bare: Reference = {"vendor": "tether", "account_id": "", "contact_id": first}
    with reading(people) as (connection, tables):
        assert find_people(connection, tables, [bare]) == ([], [bare])
        [person], unmatched = find_people(connection, tables, [bare, {**bare, "account_id": "another"}])
    assert [one.account_id for one in person.found_by] == ["another"]
    assert unmatched == [bare]


def age(database: Database) -> timedelta | None:
    with reading(database) as (connection, tables):
        return compute_backlog_age(connection, tables)


def test_age_is_that_of_the_first_change_that_was_not_resolved(people: Database) -> None:
    assert age(people) == timedelta()
    first, second, *_ = people.rows()
    for row, time in ((first, "2020-01-01 00:00:00.000000"), (second, "2021-01-01 00:00:00.000000")):
        people.run(f"UPDATE contacts SET changed_at = '{time}' WHERE contact_id = '{row['contact_id']}'")
    found = age(people)
    assert found is not None
    assert abs(found - (datetime.now(timezone.utc) - datetime(2020, 1, 1, tzinfo=timezone.utc))) < timedelta(
        minutes=1
    )


def test_removals_do_not_count_as_changes(people: Database) -> None:
    """They change no key."""
    people.run("UPDATE contacts SET removed_at = changed_at WHERE vendor = 'tether'")
    assert age(people) == timedelta()


def test_a_change_counts_whatever_clock_wrote_it(people: Database) -> None:
    people.run("UPDATE contacts SET changed_at = '2126-01-01 00:00:00.000000' WHERE vendor = 'tether'")
    assert age(people) is None
    resolve(people)
    assert age(people) == timedelta()
    people.run("UPDATE contacts SET changed_at = '2020-01-01 00:00:00.000000' WHERE vendor = 'tether'")
    found = age(people)
    assert found is not None
    assert found > timedelta(days=365)


def test_a_row_that_an_export_under_way_has_written_counts(people: Database) -> None:
    people.run(
        "DELETE FROM contact_people WHERE vendor = 'tether'",
        "UPDATE contacts SET changed_at = '2020-01-01 00:00:00.000000' WHERE vendor = 'tether'",
    )
    found = age(people)
    assert found is not None
    assert found > timedelta(days=365)


def test_people_that_were_never_resolved_have_no_age(people: Database) -> None:
    people.run("DELETE FROM contact_people")
    assert age(people) is None
    people.run("DELETE FROM contacts")
    assert age(people) == timedelta()
