"""Remembering which contacts were stopped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from airflow_provider_contacts.core.updates.targets import Target
from airflow_provider_contacts.core.validation import TableLocation
from airflow_provider_contacts.errors import ContactsError, VendorUnavailable
from airflow_provider_contacts.operators.stopping.journal import StopJournal
from airflow_provider_contacts.people.tables import define_stops_table, open_people_tables
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
    with open_people_tables(TableLocation(database.conn_id, "contact_people"), "contacts", create=False) as (
        engine,
        tables,
    ):
        journal = StopJournal(engine, tables.stops, "tether", targets, "digest", "dag / task / run", audit)
        journal.record(updated, dict.fromkeys(failed, VendorUnavailable("down")))
    return journal


def stops(database: Database) -> list[tuple[str, str, str]]:
    rows = database.rows("contact_people_stops")
    return [(row["contact_id"], row["stop_digest"], row["stopped_by"]) for row in rows]


def test_updated_contacts_are_recorded(database: Database, targets: list[Target]) -> None:
    audit = Audit()
    journal = record(database, targets, audit, [0, 2], [1])
    assert audit.calls == [([0, 2], [1])]
    assert journal.updated == {0, 2}
    expected = [(targets[index].contact_id, "digest", "dag / task / run") for index in (0, 2)]
    assert stops(database) == expected
    # Another task may record the same contact at the same moment.
    record(database, targets, audit, [1, 2], [])
    assert len(stops(database)) == 3


def test_failures_are_not_recorded(database: Database, targets: list[Target]) -> None:
    journal = record(database, targets, Audit(), [], [0])
    assert journal.updated == set()
    assert stops(database) == []


def test_an_outcome_that_cannot_be_recorded_is_an_error(database: Database, targets: list[Target]) -> None:
    with pytest.raises(VendorUnavailable):
        record(database, targets, Audit(VendorUnavailable("audit")), [0], [])
    assert len(stops(database)) == 1
    missing = define_stops_table("missing")
    journal = StopJournal(database.engine, missing, "tether", targets, "digest", "", Audit())
    with pytest.raises(
        ContactsError, match="The stopped contacts could not be recorded in the table 'missing_stops'"
    ) as caught:
        journal.record([0], {})
    assert journal.error is caught.value
