"""Record which contacts were stopped."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone

from airflow_provider_contacts.core.updates.run import Journal
from airflow_provider_contacts.core.updates.targets import Target
from airflow_provider_contacts.databases import sa
from airflow_provider_contacts.databases.connecting import transaction
from airflow_provider_contacts.databases.errors import database_errors
from airflow_provider_contacts.errors import ContactsError


@dataclass(slots=True, repr=False)
class StopJournal:
    """Records the contacts that were stopped, so that no later run stops them again.

    :param stops: the table of stops.
    :param targets: the contacts that may be updated.
    :param digest: identifies the change.
    :param source: what stops them: DAG, task and run.
    :param audit: where the outcomes are recorded too, or None.
    :param updated: the contacts that were updated, by index.
    :param error: why outcomes could not be recorded, or None.
    """

    engine: sa.Engine
    stops: sa.Table
    vendor: str
    targets: Sequence[Target]
    digest: str
    source: str
    audit: Journal | None
    updated: set[int] = field(default_factory=set)
    error: ContactsError | None = None

    def record(self, updated: Sequence[int], failed: Mapping[int, ContactsError]) -> None:
        """Record contacts, by index into the targets.

        :raises ContactsError: if that fails.
        """
        self.updated.update(updated)
        try:
            # First: without the row, a retry would change the contact again.
            self._insert([self.targets[index] for index in updated])
            if self.audit is not None:
                self.audit.record(updated, failed)
        except ContactsError as error:
            self.error = error
            raise

    def _compute_key(self, target: Target) -> str:
        key = json.dumps([self.vendor, target.account_id, target.contact_id, self.digest])
        return hashlib.sha256(key.encode()).hexdigest()

    def _insert(self, targets: Sequence[Target]) -> None:
        common = {
            "stop_digest": self.digest,
            "stopped_at": datetime.now(timezone.utc),
            "stopped_by": self.source,
        }
        rows = [
            {**target.reference(self.vendor), **common, "stop_key": self._compute_key(target)}
            for target in targets
        ]
        problem = f"The stopped contacts could not be recorded in the table {self.stops.name!r}"
        with database_errors(f"{problem}, so no more contacts are updated"):
            _insert_new(self.engine, self.stops, rows)


def _insert_new(engine: sa.Engine, stops: sa.Table, rows: list[dict[str, object]]) -> None:
    """Insert rows, except those that another task has inserted at the same moment."""
    if not rows:
        return
    try:
        with transaction(engine) as connection:
            connection.execute(stops.insert(), rows)
    except sa.exc.IntegrityError:
        for row in rows:
            _insert_if_new(engine, stops, row)


def _insert_if_new(engine: sa.Engine, stops: sa.Table, row: dict[str, object]) -> None:
    try:
        with transaction(engine) as connection:
            connection.execute(stops.insert(), [row])
    except sa.exc.IntegrityError:
        query = sa.select(stops.c.stopped_at).where(stops.c.stop_key == row["stop_key"])
        with transaction(engine) as connection:
            if connection.execute(query).first() is None:
                raise
