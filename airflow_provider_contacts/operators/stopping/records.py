"""Claim contacts before they are stopped, and record that they were."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

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

# After this time, the run that claimed a contact is taken for dead.
CLAIM_LIFETIME = timedelta(hours=1)
_KEYS_PER_QUERY = 500


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

    A row is inserted before the change is made, as a claim, and completed after it. So two runs
    never make the same change. A run renews its claims, and one that dies leaves claims that end
    after an hour.

    :param stops: the table of stops.
    :param contacts: the contacts that may be updated, in the order of their indexes.
    :param digest: identifies the change.
    :param opts_out: whether the change is to the stage of contacts who have opted out.
    :param source: what stops them: DAG, task and run.
    :param claimer: identifies the run, and is the same in a retry.
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
    claimer: str
    audit: Journal | None = None
    updated: set[int] = field(default_factory=set)
    error: ContactsError | None = None

    def claim(self, indexes: Sequence[int]) -> tuple[set[int], set[int]]:
        """Claim contacts for this run.

        :return: those that are claimed, and those that another run has stopped since the plan was
            made. The rest is claimed by another run.
        :raises ContactsError: if the table cannot be written.
        """
        with database_errors(self._problem("claimed")):
            known = self._read([self._compute_key(index) for index in indexes])
            self._insert([index for index in indexes if self._compute_key(index) not in known])
            with transaction(self.engine) as connection:
                expired = read_clock(connection) - CLAIM_LIFETIME
                now = read_clock(connection)
                for index in indexes:
                    self._take(connection, index, expired, now)
            rows = self._read([self._compute_key(index) for index in indexes])
        claimed: set[int] = set()
        stopped: set[int] = set()
        for index in indexes:
            claimed_by, stopped_at = rows[self._compute_key(index)]
            last = self.contacts[index].last
            if stopped_at is not None and (last is None or to_utc(stopped_at) != last.at):
                stopped.add(index)
            elif claimed_by == self.claimer:
                claimed.add(index)
        return claimed, stopped

    def renew(self, indexes: Sequence[int]) -> set[int]:
        """Renew claims while contacts are updated.

        :return: the contacts that another run has claimed since, so that they must not be updated.
        :raises ContactsError: if the table cannot be written.
        """
        columns = self.stops.c
        with database_errors(self._problem("claimed")), transaction(self.engine) as connection:
            values = {"claimed_at": read_clock(connection)}
            for keys in self._batches(indexes):
                is_claim = columns.stop_key.in_(keys) & (columns.claimed_by == self.claimer)
                connection.execute(self.stops.update().where(is_claim).values(values))
        rows = self._read([self._compute_key(index) for index in indexes])
        return {index for index in indexes if rows.get(self._compute_key(index), ("",))[0] != self.claimer}

    def record(self, updated: Sequence[int], failed: Mapping[int, ContactsError]) -> None:
        """Record contacts, by index.

        :raises ContactsError: if that fails.
        """
        self.updated.update(updated)
        try:
            # First: a contact that is recorded twice is better than one that is not.
            if self.audit is not None:
                self.audit.record(updated, failed)
            with database_errors(self._problem("recorded")), transaction(self.engine) as connection:
                now = read_clock(connection)
                for index in updated:
                    cause = self.contacts[index].cause
                    self._update(
                        connection,
                        index,
                        {
                            "stopped_at": now,
                            "stopped_by": self.source,
                            "cause": cause.kind,
                            "caused_at": cause.at,
                            "opts_out": self.opts_out,
                            "claimed_at": None,
                            "claimed_by": None,
                        },
                    )
        except ContactsError as error:
            self.error = error
            raise

    def release(self) -> None:
        """Give up the claims of contacts that were not stopped, so that another run may stop them.

        :raises ContactsError: if that fails. The claims then end after an hour.
        """
        columns = self.stops.c
        with database_errors(self._problem("released")), transaction(self.engine) as connection:
            for keys in self._batches(range(len(self.contacts))):
                is_claim = columns.stop_key.in_(keys) & (columns.claimed_by == self.claimer)
                connection.execute(self.stops.delete().where(is_claim, columns.stopped_at.is_(None)))
                values = {"claimed_at": None, "claimed_by": None}
                connection.execute(self.stops.update().where(is_claim).values(values))

    def _problem(self, what: str) -> str:
        return (
            f"The contacts to stop could not be {what} in the table {self.stops.name!r}, so no more contacts "
            "are changed"
        )

    def _compute_key(self, index: int) -> str:
        target = self.contacts[index].target
        key = json.dumps([self.vendor, target.account_id, target.contact_id, self.digest])
        return hashlib.sha256(key.encode()).hexdigest()

    def _batches(self, indexes: Sequence[int]) -> Iterator[list[str]]:
        return batched([self._compute_key(index) for index in indexes], _KEYS_PER_QUERY)

    def _read(self, keys: Sequence[str]) -> dict[str, tuple[str | None, datetime | None]]:
        """Return which runs claimed rows, and when the rows were completed."""
        columns = self.stops.c
        query = sa.select(columns.stop_key, columns.claimed_by, columns.stopped_at)
        with transaction(self.engine) as connection:
            return {
                row.stop_key: (row.claimed_by, row.stopped_at)
                for batch in batched(keys, _KEYS_PER_QUERY)
                for row in connection.execute(query.where(columns.stop_key.in_(batch)))
            }

    def _insert(self, indexes: Sequence[int]) -> None:
        """Insert rows without a claim, except those that another run inserts at the same moment."""
        rows = [
            {
                **self.contacts[index].target.reference(self.vendor),
                "stop_key": self._compute_key(index),
                "stop_digest": self.digest,
                "opts_out": self.opts_out,
                "stopped_by": self.source,
            }
            for index in indexes
        ]
        if not rows:
            return
        try:
            with transaction(self.engine) as connection:
                connection.execute(self.stops.insert(), rows)
        except sa.exc.IntegrityError:
            for row in rows:
                with contextlib.suppress(sa.exc.IntegrityError), transaction(self.engine) as connection:
                    connection.execute(self.stops.insert(), [row])

    def _take(self, connection: sa.Connection, index: int, expired: datetime, now: datetime) -> None:
        """Claim a row, unless another run has claimed or completed it."""
        columns = self.stops.c
        last = self.contacts[index].last
        is_free = sa.or_(
            columns.claimed_by.is_(None), columns.claimed_by == self.claimer, columns.claimed_at < expired
        )
        # By whether the row has a stop, not by its time: databases round times.
        is_planned = columns.stopped_at.is_(None) if last is None else columns.stopped_at.is_not(None)
        self._update(connection, index, {"claimed_at": now, "claimed_by": self.claimer}, is_free & is_planned)

    def _update(
        self,
        connection: sa.Connection,
        index: int,
        values: Mapping[str, object],
        condition: sa.ColumnElement[bool] | None = None,
    ) -> None:
        is_row = self.stops.c.stop_key == self._compute_key(index)
        if condition is not None:
            is_row &= condition
        connection.execute(self.stops.update().where(is_row).values(**values))
