"""Claiming contacts, and remembering which were stopped."""

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
    def opened(claimer: str = "one", audit: Any = None, last: Stop | None = None) -> Iterator[StopRecords]:
        location = TableLocation(database.conn_id, "contact_people")
        with open_people_tables(location, "contacts", create=False) as (engine, tables):
            contacts = [StopTarget(target, Cause("reply", REPLIED_AT), last) for target in targets[:5]]
            yield StopRecords(
                engine, tables.stops, "tether", contacts, "digest", False, "dag / task / run", claimer, audit
            )

    return opened


def stops(database: Database) -> list[tuple[str, str | None, str | None]]:
    rows = database.rows("contact_people_stops")
    return [(row["contact_id"], row["cause"], row["claimed_by"]) for row in rows]


def test_claimed_contacts_are_recorded(database: Database, targets: list[Target], open_records: Open) -> None:
    audit = Audit()
    with open_records(audit=audit) as records:
        assert records.claim([0, 1, 2]) == ({0, 1, 2}, set())
        records.record([0, 2], {1: VendorUnavailable("down")})
        records.release()
    assert audit.calls == [([0, 2], [1])]
    assert records.updated == {0, 2}
    assert stops(database) == [(targets[index].contact_id, "reply", None) for index in (0, 2)]
    [stopped, _] = database.rows("contact_people_stops")
    assert (stopped["stop_digest"], stopped["stopped_by"]) == ("digest", "dag / task / run")


def test_only_one_run_claims_a_contact(database: Database, open_records: Open) -> None:
    with open_records("one") as one, open_records("two") as two:
        assert one.claim([0, 1]) == ({0, 1}, set())
        assert two.claim([1, 2]) == ({2}, set())
        # A retry of the same run takes its claims over.
        with open_records("one") as again:
            assert again.claim([0]) == ({0}, set())
        one.record([0], {})
        one.release()
        # What was stopped meanwhile is not stopped again, and the rest is free.
        assert two.claim([0, 1]) == ({1}, {0})


def test_a_claim_ends_after_an_hour(database: Database, open_records: Open) -> None:
    with open_records("one") as one, open_records("two") as two:
        one.claim([0])
        assert two.claim([0]) == (set(), set())
        database.run("UPDATE contact_people_stops SET claimed_at = '2020-01-01 00:00:00.000000'")
        assert two.claim([0]) == ({0}, set())


def test_claims_are_renewed_while_a_run_goes_on(database: Database, open_records: Open) -> None:
    old = "UPDATE contact_people_stops SET claimed_at = '2020-01-01 00:00:00.000000'"
    with open_records("one") as one, open_records("two") as two:
        one.claim([0, 1])
        database.run(old)
        assert one.renew([0, 1]) == set()
        assert two.claim([0, 1]) == (set(), set())
        database.run(old)
        assert two.claim([1]) == ({1}, set())
        assert one.renew([0, 1]) == {1}


def test_a_later_cause_claims_a_contact_that_was_stopped(
    database: Database, targets: list[Target], open_records: Open
) -> None:
    with open_records("one") as one:
        one.claim([0])
        one.record([0], {})
    location = TableLocation(database.conn_id, "contact_people")
    with (
        open_people_tables(location, "contacts", create=False) as (engine, tables),
        engine.connect() as connection,
    ):
        people, _ = find_people(connection, tables, [targets[0].reference("tether")])
    [last] = [stop for contact in people[0].contacts for stop in contact.stops]
    assert (last.cause, last.caused_at, last.opts_out) == ("reply", REPLIED_AT, False)
    with open_records("two", last=last) as two, open_records("three", last=last) as three:
        assert two.claim([0]) == ({0}, set())
        two.record([0], {})
        assert three.claim([0]) == (set(), {0})
        three.release()
    assert len(stops(database)) == 1


def test_failures_are_not_recorded(database: Database, open_records: Open) -> None:
    with open_records(audit=Audit()) as records:
        records.claim([0])
        records.record([], {0: VendorUnavailable("down")})
        records.release()
    assert records.updated == set()
    assert stops(database) == []


def test_an_outcome_that_cannot_be_recorded_is_an_error(database: Database, open_records: Open) -> None:
    with open_records(audit=Audit(VendorUnavailable("audit"))) as records:
        records.claim([0])
        with pytest.raises(VendorUnavailable):
            records.record([0], {})
        # The audit comes first: without it, a retry sends the change again.
        assert [cause for _, cause, _ in stops(database)] == [None]
        missing = define_stops_table("missing")
        records.stops = missing
        message = "The contacts to stop could not be claimed in the table 'missing_stops'"
        with pytest.raises(ContactsError, match=message):
            records.claim([1])
