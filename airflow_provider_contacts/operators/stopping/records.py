"""Record which contacts were stopped, and find those that another run has stopped."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from airflow_provider_contacts.contact import ContactKey
from airflow_provider_contacts.core.batches import batched
from airflow_provider_contacts.core.updates.run import Journal
from airflow_provider_contacts.core.updates.targets import Target
from airflow_provider_contacts.databases import sa
from airflow_provider_contacts.databases.connecting import transaction
from airflow_provider_contacts.databases.dialects import read_clock, to_utc
from airflow_provider_contacts.databases.errors import database_errors
from airflow_provider_contacts.errors import ContactsError
from airflow_provider_contacts.operators.stopping.causes import Cause
from airflow_provider_contacts.people.lookup import Stop

_IDS_PER_QUERY = 500


@dataclass(frozen=True, slots=True, repr=False)
class StopTarget:
    """A contact to stop.

    :param cause: why.
    :param last: the last stop by the same change when the plan was made, or None.
    """

    target: Target
    cause: Cause
    last: Stop | None


@dataclass(slots=True, repr=False)
class StopRecords:
    """The rows of one change in the table of stops. It is the journal of an update.

    :param stops: the table of stops.
    :param contacts: the contacts that may be updated, in the order of their indexes.
    :param digest: identifies the change.
    :param opts_out: whether the change is to the stage of contacts who have opted out.
    :param source: what stops them: DAG, task and run.
    :param audit: where the outcomes are recorded first, or None.
    :param updated: the contacts that were updated, by index.
    :param error: why outcomes could not be recorded, or None.
    """

    engine: sa.Engine
    stops: sa.Table
    vendor: str
    contacts: Sequence[StopTarget]
    digest: str
    opts_out: bool
    source: str
    audit: Journal | None = None
    updated: set[int] = field(default_factory=set)
    error: ContactsError | None = None

    def find_changed_meanwhile(self, indexes: Iterable[int]) -> tuple[set[int], set[int]]:
        """Find what other runs have done to contacts since the plan was made.

        :param indexes: contacts that are claimed, so that no other run stops them now.
        :return: the contacts that were stopped by the same change, and those of the rest that were
            moved to the stage of contacts who have opted out.
        :raises ContactsError: if the table cannot be read.
        """
        columns = self.stops.c
        names = ("account_id", "contact_id", "stop_key", "stopped_at", "opts_out")
        query = sa.select(*(columns[name] for name in names)).where(columns.vendor == self.vendor)
        indexes = sorted(indexes)
        ids = sorted({self.contacts[index].target.contact_id for index in indexes})
        times: dict[str, datetime] = {}
        opted_out: set[ContactKey] = set()
        with database_errors(self._problem("looked up")), transaction(self.engine) as connection:
            for batch in batched(ids, _IDS_PER_QUERY):
                for row in connection.execute(query.where(columns.contact_id.in_(batch))):
                    times[row.stop_key] = to_utc(row.stopped_at)
                    if row.opts_out:
                        opted_out.add((row.account_id, row.contact_id))
        stopped = set()
        for index in indexes:
            last = self.contacts[index].last
            if times.get(self._compute_key(index)) != (last.at if last else None):
                stopped.add(index)
        return stopped, {
            index
            for index in indexes
            if index not in stopped and self.contacts[index].target.key in opted_out
        }

    def record(self, updated: Sequence[int], failed: Mapping[int, ContactsError]) -> None:
        """Record contacts, by index.

        :raises ContactsError: if that fails.
        """
        self.updated.update(updated)
        try:
            # First: a contact that is recorded twice is better than one that is not.
            if self.audit is not None:
                self.audit.record(updated, failed)
            if updated:
                with database_errors(self._problem("recorded")), transaction(self.engine) as connection:
                    self._write(connection, updated)
        except ContactsError as error:
            self.error = error
            raise

    def _write(self, connection: sa.Connection, indexes: Sequence[int]) -> None:
        """Write that contacts were stopped. They are claimed, so no other run writes their rows."""
        columns = self.stops.c
        now = read_clock(connection)
        rows = {self._compute_key(index): self._build_row(index, now) for index in indexes}
        known: set[str] = set()
        for batch in batched(sorted(rows), _IDS_PER_QUERY):
            query = sa.select(columns.stop_key).where(columns.stop_key.in_(batch))
            known.update(connection.scalars(query))
        new = [{**row, "stop_key": key} for key, row in rows.items() if key not in known]
        if new:
            connection.execute(self.stops.insert(), new)
        if known:
            update = self.stops.update().where(columns.stop_key == sa.bindparam("key"))
            connection.execute(update, [{**rows[key], "key": key} for key in sorted(known)])

    def _build_row(self, index: int, now: datetime) -> dict[str, object]:
        contact = self.contacts[index]
        return {
            **contact.target.reference(self.vendor),
            "stop_digest": self.digest,
            "opts_out": self.opts_out,
            "stopped_at": now,
            "stopped_by": self.source,
            "cause": contact.cause.kind,
            "caused_at": contact.cause.at,
        }

    def _problem(self, what: str) -> str:
        return (
            f"The stopped contacts could not be {what} in the table {self.stops.name!r}, so no more contacts "
            "are changed"
        )

    def _compute_key(self, index: int) -> str:
        target = self.contacts[index].target
        key = json.dumps([self.vendor, target.account_id, target.contact_id, self.digest])
        return hashlib.sha256(key.encode()).hexdigest()
