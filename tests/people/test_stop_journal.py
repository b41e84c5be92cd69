"""Remembering which contacts were stopped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from airflow_provider_contacts.core.updates.targets import Target
from airflow_provider_contacts.errors import ContactsError, VendorUnavailable
from airflow_provider_contacts.people.stop_journal import StopJournal
from airflow_provider_contacts.people.tables import define_people_table, open_people_tables
from tests.conftest import Sandbox
from tests.database import Database, load
from tests.people.conftest import resolve


class Audit:
    """Remembers what is recorded."""

    def __init__(self, error: ContactsError | None = None) -> None:
        self.error = error
        self.calls: list[tuple[list[int], list[int]]] = []

    def record(self, updated: Sequence[int], failed: Mapping[int, ContactsError]) -> None:
        if self.error:
            raise self.error
        self.calls.append((list(updated), list(failed)))


@pytest.fixture
def targets(sandbox: Sandbox, database: Database) -> list[Target]:
    load(database, "tether")
    resolve(database)
    return [Target(row["account_id"], row["contact_id"]) for row in database.rows("contact_people")]


def record(
    database: Database, targets: list[Target], audit: Audit, updated: list[int], failed: list[int]
) -> StopJournal:
    with open_people_tables(database.conn_id, "contact_people", "contacts", create=False) as (engine, tables):
        journal = StopJournal(engine, tables.people, "tether", targets, "digest", audit)
        journal.record(updated, dict.fromkeys(failed, VendorUnavailable("down")))
    return journal


def test_updated_contacts_are_marked(database: Database, targets: list[Target]) -> None:
    audit = Audit()
    journal = record(database, targets, audit, [0, 2], [1])
    assert audit.calls == [([0, 2], [1])]
    assert journal.updated == {0, 2}
    rows = database.rows("contact_people")
    assert [row["stop_digest"] for row in rows[:4]] == ["digest", None, "digest", None]
    assert [row["stopped_at"] is None for row in rows[:4]] == [False, True, False, True]


def test_failures_are_not_marked(database: Database, targets: list[Target]) -> None:
    journal = record(database, targets, Audit(), [], [0])
    assert journal.updated == set()
    assert {row["stop_digest"] for row in database.rows("contact_people")} == {None}


def test_the_update_stops_if_it_cannot_be_recorded(database: Database, targets: list[Target]) -> None:
    with pytest.raises(VendorUnavailable):
        record(database, targets, Audit(VendorUnavailable("audit")), [0], [])
    database.run("DROP TABLE contact_people_state", "ALTER TABLE contact_people RENAME TO renamed")
    engine = database.engine
    journal = StopJournal(engine, define_people_table("contact_people"), "tether", targets, "digest", Audit())
    with pytest.raises(
        ContactsError, match="The stopped contacts could not be recorded in the table 'contact_people'"
    ):
        journal.record([0], {})
