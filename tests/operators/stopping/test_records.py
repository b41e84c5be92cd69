"""Remembering which contacts were stopped."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

import pytest

from airflow_provider_contacts.core.updates.targets import Target
from airflow_provider_contacts.core.validation import TableLocation
from airflow_provider_contacts.errors import ContactsError, VendorUnavailable
from airflow_provider_contacts.operators.stopping.causes import Cause
from airflow_provider_contacts.operators.stopping.records import StopRecords, StopTarget
from airflow_provider_contacts.people.lookup import Stop, find_people
from airflow_provider_contacts.people.tables import define_stops_table, open_people_tables
from tests.conftest import Sandbox
from tests.database import Database, load
from tests.people.conftest import resolve

REPLIED_AT = datetime(2026, 3, 1, tzinfo=timezone.utc)


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


Open = Callable[..., contextlib.AbstractContextManager[StopRecords]]


@pytest.fixture
def open_records(database: Database, targets: list[Target]) -> Open:
    """Return a function that opens the records of a run."""

    @contextlib.contextmanager
    def opened(audit: Any = None, last: Stop | None = None, **changes: Any) -> Iterator[StopRecords]:
        location = TableLocation(database.conn_id, "contact_people")
        with open_people_tables(location, "contacts", create=False) as (engine, tables):
            contacts = [StopTarget(target, Cause("reply", REPLIED_AT), last) for target in targets[:5]]
            change: dict[str, Any] = {"digest": "digest", "opts_out": False, **changes}
            yield StopRecords(
                engine, tables.stops, "tether", contacts, source="dag / task / run", audit=audit, **change
            )

    return opened


def stops(database: Database) -> list[tuple[str, str | None]]:
    return sorted((row["contact_id"], row["cause"]) for row in database.rows("contact_people_stops"))


def read_last(database: Database, target: Target) -> Stop:
    """Return the only stop of a contact, as the next run reads it."""
    location = TableLocation(database.conn_id, "contact_people")
    with (
        open_people_tables(location, "contacts", create=False) as (engine, tables),
        engine.connect() as connection,
    ):
        people, _ = find_people(connection, tables, [target.reference("tether")])
    [last] = [stop for contact in people[0].contacts for stop in contact.stops]
    return last


def test_updated_contacts_are_recorded(database: Database, targets: list[Target], open_records: Open) -> None:
    audit = Audit()
    with open_records(audit=audit) as records:
        assert records.find_changed_meanwhile([0, 1, 2]) == (set(), set())
        records.record([0, 2], {1: VendorUnavailable("down")})
    assert audit.calls == [([0, 2], [1])]
    assert records.updated == {0, 2}
    assert stops(database) == sorted((targets[index].contact_id, "reply") for index in (0, 2))
    stopped = database.rows("contact_people_stops")[0]
    assert (stopped["stop_digest"], stopped["stopped_by"]) == ("digest", "dag / task / run")


def test_contacts_that_another_run_has_stopped_are_found(open_records: Open) -> None:
    with open_records() as one, open_records() as two:
        one.record([0], {})
        assert two.find_changed_meanwhile([0, 1]) == ({0}, set())
    # Another change is another stop, unless it was to the stage of contacts who have opted out.
    with open_records(digest="other") as other, open_records(digest="opts out", opts_out=True) as opts_out:
        assert other.find_changed_meanwhile([0, 1]) == (set(), set())
        opts_out.record([1], {})
        assert other.find_changed_meanwhile([0, 1]) == (set(), {1})
        assert opts_out.find_changed_meanwhile([0, 1]) == ({1}, set())


def test_a_later_cause_stops_a_contact_again(
    database: Database, targets: list[Target], open_records: Open
) -> None:
    with open_records() as one:
        one.record([0], {})
    last = read_last(database, targets[0])
    assert (last.cause, last.caused_at, last.opts_out) == ("reply", REPLIED_AT, False)
    with open_records(last=last) as two, open_records(last=last) as three:
        assert two.find_changed_meanwhile([0]) == (set(), set())
        two.record([0], {})
        assert three.find_changed_meanwhile([0]) == ({0}, set())
    assert len(stops(database)) == 1
    assert read_last(database, targets[0]).at > last.at


def test_failures_are_not_recorded(database: Database, open_records: Open) -> None:
    with open_records(audit=Audit()) as records:
        records.record([], {0: VendorUnavailable("down")})
    assert records.updated == set()
    assert stops(database) == []


def test_an_outcome_that_cannot_be_recorded_is_an_error(database: Database, open_records: Open) -> None:
    with open_records(audit=Audit(VendorUnavailable("audit"))) as records:
        with pytest.raises(VendorUnavailable):
            records.record([0], {})
        # The audit comes first: without it, a retry sends the change again.
        assert stops(database) == []
        missing = define_stops_table("missing")
        records.stops = missing
        message = "The stopped contacts could not be looked up in the table 'missing_stops'"
        with pytest.raises(ContactsError, match=message):
            records.find_changed_meanwhile([1])
