"""Resolving the people of a table of contacts."""

from __future__ import annotations

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa

from airflow_provider_contacts.core.validation import TableLocation
from airflow_provider_contacts.databases.tables import ERASED
from airflow_provider_contacts.people.tables import open_people_tables
from tests.conftest import Sandbox
from tests.database import Database, load
from tests.people.conftest import load_all, resolve

Key = tuple[str, str, str]


def groups(database: Database) -> set[frozenset[Key]]:
    found: dict[str, set[Key]] = defaultdict(set)
    for row in database.rows("contact_people"):
        found[row["person_id"]].add((row["vendor"], row["account_id"], row["contact_id"]))
    return {frozenset(keys) for keys in found.values()}


def ids(database: Database) -> dict[Key, str]:
    rows = database.rows("contact_people")
    return {(row["vendor"], row["account_id"], row["contact_id"]): row["person_id"] for row in rows}


def true_groups(sandbox: Sandbox) -> set[frozenset[Key]]:
    """Return the contacts of each person of the sandbox, as far as contacts share something that is only this person's."""
    people: dict[int, dict[Key, set[str]]] = defaultdict(dict)
    shared_by: dict[str, set[int]] = defaultdict(set)
    for vendor, table in sandbox.state.tables.items():
        for row in table.rows:
            keys = known_keys(vendor, row)
            people[row.person.number][vendor, row.account_id, row.contact_id] = keys
            for key in keys:
                shared_by[key].add(row.person.number)
    found: set[frozenset[Key]] = set()
    for contacts in people.values():
        own = {name: {key for key in keys if len(shared_by[key]) == 1} for name, keys in contacts.items()}
        found |= connected(own)
    return found


def known_keys(vendor: str, row: Any) -> set[str]:
    """Return what the sandbox knows of a contact, with one spelling of each value."""
    person = row.person
    if vendor == "talktohumans":
        return {person.handle}
    if vendor == "thoughtly":
        return {person.email, *([person.phone] if row.has_phone else [])} - {None}
    if vendor == "tether":
        return {person.email, row.phone} - {None}
    email = {person.email} if row.has_email else set()
    return {person.handle, *email, *([person.phone] if row.phone_field else [])}


def connected(own: dict[Key, set[str]]) -> set[frozenset[Key]]:
    found: list[tuple[set[Key], set[str]]] = []
    for name, keys in own.items():
        touching = [one for one in found if one[1] & keys]
        merged = (
            {name}.union(*(names for names, _ in touching)),
            keys.union(*(values for _, values in touching)),
        )
        found = [one for one in found if one not in touching] + [merged]
    return {frozenset(names) for names, _ in found}


@pytest.mark.sandbox(contacts=250, rate_limits=False)
class TestSandboxPopulation:
    def test_exactly_the_overlaps_are_found(self, sandbox: Sandbox, database: Database) -> None:
        load_all(database)
        result = resolve(database)
        expected = true_groups(sandbox)
        found = groups(database)
        assert found == expected
        assert result.contacts == 1000
        assert result.people == len(expected)
        by_channels: dict[str, int] = defaultdict(int)
        for keys in expected:
            by_channels[str(len({vendor for vendor, *_ in keys}))] += 1
        assert result.by_channels == by_channels
        assert by_channels["4"] > 40
        # The near-misses of the population are there, and were reported.
        assert result.set_aside["email:role_mailbox"] > 5
        assert result.set_aside["phone:conflict"] > 10

    def test_an_unchanged_run_writes_nothing(self, sandbox: Sandbox, database: Database) -> None:
        load_all(database)
        first = resolve(database)
        assert first.written == 1000
        before = database.rows("contact_people")
        again = resolve(database)
        assert (again.written, again.merged, again.split) == (0, 0, 0)
        assert database.rows("contact_people") == before
        assert (again.people, again.set_aside) == (first.people, first.set_aside)


@pytest.mark.sandbox(contacts=60, rate_limits=False)
class TestChanges:
    def test_erased_contacts_are_not_people(self, sandbox: Sandbox, database: Database) -> None:
        load_all(database)
        resolve(database)
        before = ids(database)
        erased = min(key for key in before if key[0] == "mailstand")
        database.run(f"UPDATE contacts SET digest = '{ERASED}' WHERE contact_id = '{erased[2]}'")
        result = resolve(database)
        after = ids(database)
        assert before.keys() - after.keys() == {erased}
        assert result.contacts == len(before) - 1
        unrelated = {key for key in after if before[key] != before[erased]}
        assert {key: after[key] for key in unrelated} == {key: before[key] for key in unrelated}

    def test_a_new_contact_joins_a_person_and_merges_two(self, sandbox: Sandbox, database: Database) -> None:
        load(database, "talktohumans")
        load(database, "thoughtly")
        resolve(database)
        before = ids(database)
        # Mailstand knows both profiles and addresses.
        load(database, "mailstand")
        result = resolve(database)
        after = ids(database)
        assert result.merged > 0
        kept = {before[key] for key in before}
        assert all(after[key] in kept for key in before)
        assert len(set(before.values())) - len({after[key] for key in before}) == result.merged

    def test_a_split_is_reported(self, sandbox: Sandbox, database: Database) -> None:
        load_all(database)
        resolve(database)
        people: dict[str, list[Key]] = defaultdict(list)
        for key, person in ids(database).items():
            people[person].append(key)
        contacts = next(keys for keys in people.values() if len(keys) == 2)
        where = f"vendor = '{contacts[0][0]}' AND contact_id = '{contacts[0][2]}'"
        database.run(
            f"UPDATE contacts SET email = NULL, phone = NULL, linkedin_url = NULL WHERE {where}",
        )
        result = resolve(database)
        assert result.split == 1
        after = ids(database)
        assert after[contacts[0]] != after[contacts[1]]

    def test_removed_contacts_stay_with_their_person(self, sandbox: Sandbox, database: Database) -> None:
        load_all(database)
        resolve(database)
        before = ids(database)
        database.run("UPDATE contacts SET removed_at = changed_at WHERE vendor = 'mailstand'")
        resolve(database)
        assert ids(database) == before


def test_concurrent_runs_wait_for_each_other(sandbox: Sandbox, database: Database) -> None:
    load_all(database)
    with open_people_tables(TableLocation(database.conn_id, "contact_people"), "contacts", create=True):
        pass  # both runs would create the tables
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: resolve(database), range(4)))
    assert sorted(result.written for result in results)[:3] == [0, 0, 0]
    assert len(ids(database)) == results[0].contacts


def test_ids_may_contain_any_character(sandbox: Sandbox, database: Database) -> None:
    load(database, "tether")
    [first, *_] = database.rows()
    odd = 'a\x1fb"/é'
    with database.engine.begin() as connection:
        connection.execute(
            sa.text("UPDATE contacts SET contact_id = :odd WHERE contact_id = :id"),
            {"odd": odd, "id": first["contact_id"]},
        )
    resolve(database)
    assert ("tether", first["account_id"], odd) in ids(database)
    assert resolve(database).written == 0


def test_an_empty_table(database: Database, sandbox: Sandbox) -> None:
    load(database, "tether", filters={"search": "no one has this name"})
    result = resolve(database)
    assert (result.contacts, result.people, result.by_channels, result.written) == (0, 0, {}, 0)


def test_region_of_numbers_without_a_country(database: Database, sandbox: Sandbox) -> None:
    load(database, "thoughtly")
    database.run(
        "UPDATE contacts SET phone = '(201) 555-0143', email = NULL, country = NULL, name = 'Ada', "
        "account_id = contact_id"
    )
    limits = {"max_contacts_per_key": 1000, "max_contacts_per_person": 1000}
    assert resolve(database, **limits).people == len(database.rows())
    assert resolve(database, region="CA", **limits).people == 1


def test_a_number_alone_joins_one_contact_of_an_account_and_no_other_names(
    database: Database, sandbox: Sandbox
) -> None:
    load(database, "thoughtly")
    database.run("UPDATE contacts SET phone = '+12015550143', email = NULL, name = 'Ada'")
    count = len(database.rows())
    limits = {"max_contacts_per_key": 1000, "max_contacts_per_person": 1000}
    assert resolve(database, **limits).people == count  # all are of one account
    database.run("UPDATE contacts SET account_id = contact_id")
    assert resolve(database, **limits).people == 1
    first = database.rows()[0]["contact_id"]
    database.run(f"UPDATE contacts SET name = 'Eve Moneypenny' WHERE contact_id = '{first}'")
    assert resolve(database, **limits).people == count
