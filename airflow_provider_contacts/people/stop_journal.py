"""Record in the table of people which contacts were stopped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from airflow_provider_contacts.core.updates.run import Journal
from airflow_provider_contacts.core.updates.targets import Target
from airflow_provider_contacts.databases.connecting import transaction
from airflow_provider_contacts.databases.errors import database_errors
from airflow_provider_contacts.errors import ContactsError
from airflow_provider_contacts.people.tables import KEY

if TYPE_CHECKING:
    import sqlalchemy as sa


@dataclass(slots=True, repr=False)
class StopJournal:
    """Records the contacts of one connection that were stopped, so that no later run changes them again in the same way.

    :param people: the table of people.
    :param targets: the contacts that may be updated.
    :param digest: identifies the change.
    :param audit: where the outcomes are recorded too.
    :param updated: the contacts that were recorded as updated, by index.
    """

    engine: sa.Engine
    people: sa.Table
    vendor: str
    targets: Sequence[Target]
    digest: str
    audit: Journal
    updated: set[int] = field(default_factory=set)

    def record(self, updated: Sequence[int], failed: Mapping[int, ContactsError]) -> None:
        """Record contacts, by index into the targets.

        :raises ContactsError: if that fails.
        """
        import sqlalchemy as sa

        self.updated.update(updated)
        self.audit.record(updated, failed)
        if not updated:
            return
        is_row = [self.people.c[name] == sa.bindparam(f"key_{name}") for name in KEY]
        values = {"stop_digest": self.digest, "stopped_at": datetime.now(timezone.utc)}
        references = [self.targets[index].reference(self.vendor) for index in updated]
        rows = [{f"key_{name}": value for name, value in reference.items()} for reference in references]
        with (
            database_errors(
                f"The stopped contacts could not be recorded in the table {self.people.name!r}, so no more contacts are updated"
            ),
            transaction(self.engine) as connection,
        ):
            connection.execute(self.people.update().where(*is_row).values(values), rows)
