"""Claim contacts before they are changed, so that two tasks never change one at the same time."""

from __future__ import annotations

import contextlib
import hashlib
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from airflow_provider_contacts.core.batches import batched
from airflow_provider_contacts.core.validation import TableLocation
from airflow_provider_contacts.databases import sa
from airflow_provider_contacts.databases.connecting import connect, transaction
from airflow_provider_contacts.databases.dialects import (
    build_column_types,
    read_clock,
    require_schema_support,
)
from airflow_provider_contacts.databases.errors import database_errors
from airflow_provider_contacts.databases.tables import DIGEST_LENGTH, build_table, ensure_table
from airflow_provider_contacts.errors import ContactsError

# After this time without being renewed, the task that claimed a contact is taken for dead.
CLAIM_LIFETIME = timedelta(hours=1)
_IDS_PER_QUERY = 500
_ATTEMPT_LENGTH = 36


def define_claims(name: str) -> sa.Table:
    """Return the definition of the table of claims, with a row per contact that is being changed.

    :param name: ``table`` or ``schema.table``.
    """
    types = build_column_types()
    columns = [
        sa.Column("vendor", types["key"], primary_key=True),
        sa.Column("contact_id", types["key"], primary_key=True),
        # One attempt of a task, and a digest of the task, which is the same in a retry.
        sa.Column("attempt_id", sa.String(_ATTEMPT_LENGTH), nullable=False),
        sa.Column("task_digest", sa.String(DIGEST_LENGTH), nullable=False),
        sa.Column("claimed_by", types["text"], nullable=False),
        sa.Column("claimed_at", types["time"], nullable=False),
    ]
    return build_table(name, columns, "contact_claims")


class Claims:
    """The claims of one attempt to contacts of a vendor. Open them with :func:`open_claims`.

    A claim is a row in its own transaction. Only the attempt that holds it may change the contact,
    in whatever account: vendors look at the contact's id. A retry takes over the claims of its
    task. A claim that was not renewed for an hour ends.

    :param tables: engines and tables. A contact is claimed if it is in all of them.
    :param task: identifies the task, and is the same in a retry.
    """

    def __init__(self, tables: Sequence[tuple[sa.Engine, sa.Table]], vendor: str, task: str) -> None:
        self._tables = tables
        self._vendor = vendor
        self._attempt_id = uuid.uuid4().hex
        self._values = {
            "attempt_id": self._attempt_id,
            "task_digest": hashlib.sha256((task or self._attempt_id).encode()).hexdigest(),
            "claimed_by": task,
        }

    def take_over(self) -> None:
        """Take over the claims of earlier attempts of the task, and delete those that have ended.

        :raises ContactsError: if a table cannot be written.
        """
        for engine, table in self._tables:
            columns = table.c
            is_own = (columns.vendor == self._vendor) & (columns.task_digest == self._values["task_digest"])
            with _claim_errors(table), transaction(engine) as connection:
                now = read_clock(connection)
                connection.execute(table.delete().where(self._has_ended(table, now)))
                connection.execute(table.update().where(is_own).values(attempt_id=self._attempt_id))

    def claim(self, contact_ids: Iterable[str]) -> dict[str, str]:
        """Claim contacts, and return those that another task has claimed, each with that task.

        :raises ContactsError: if a table cannot be written.
        """
        return self._apply(self._claim, contact_ids)

    def renew(self, contact_ids: Iterable[str]) -> dict[str, str]:
        """Renew claims, and return the contacts that are not claimed any more.

        :return: each with the task that has claimed it, or an empty string if there is none.
        :raises ContactsError: if a table cannot be written.
        """
        return self._apply(self._renew, contact_ids)

    def release(self, *, except_of: Collection[str] = ()) -> None:
        """Give up claims.

        :param except_of: contacts whose claims stay until they end, or a retry takes them over.
        :raises ContactsError: if a table cannot be written; the others are released.
        """
        errors = []
        for engine, table in self._tables:
            is_own = table.c.attempt_id == self._attempt_id
            if except_of:
                is_own &= table.c.contact_id.not_in(sorted(except_of))
            try:
                with _claim_errors(table), transaction(engine) as connection:
                    connection.execute(table.delete().where(is_own))
            except ContactsError as error:
                errors.append(error)
        if errors:
            raise errors[0]

    def _apply(
        self,
        function: Callable[[sa.Engine, sa.Table, Sequence[str]], dict[str, str]],
        contact_ids: Iterable[str],
    ) -> dict[str, str]:
        """Call a function for each table and the contacts that are claimed so far."""
        ids = sorted(set(contact_ids))
        conflicts: dict[str, str] = {}
        for engine, table in self._tables:
            with _claim_errors(table):
                for batch in batched((one for one in ids if one not in conflicts), _IDS_PER_QUERY):
                    conflicts.update(function(engine, table, batch))
        return conflicts

    def _claim(self, engine: sa.Engine, table: sa.Table, ids: Sequence[str]) -> dict[str, str]:
        is_one = self._is_one_of(table, ids)
        with transaction(engine) as connection:
            now = read_clock(connection)
            is_free = (table.c.task_digest == self._values["task_digest"]) | self._has_ended(table, now)
            values = {**self._values, "claimed_at": now}
            connection.execute(table.update().where(is_one & is_free).values(values))
            known = set(connection.scalars(sa.select(table.c.contact_id).where(is_one)))
        rows = [
            {"vendor": self._vendor, "contact_id": contact_id, **values}
            for contact_id in ids
            if contact_id not in known
        ]
        if rows:
            _insert(engine, table, rows)
        return self._find_conflicts(engine, table, ids)

    def _renew(self, engine: sa.Engine, table: sa.Table, ids: Sequence[str]) -> dict[str, str]:
        is_own = self._is_one_of(table, ids) & (table.c.attempt_id == self._attempt_id)
        with transaction(engine) as connection:
            values = {"claimed_at": read_clock(connection)}
            connection.execute(table.update().where(is_own).values(values))
        return self._find_conflicts(engine, table, ids)

    def _find_conflicts(self, engine: sa.Engine, table: sa.Table, ids: Sequence[str]) -> dict[str, str]:
        """Return the contacts that this attempt has not claimed, each with the task that has."""
        columns = table.c
        query = sa.select(columns.contact_id, columns.attempt_id, columns.claimed_by)
        with transaction(engine) as connection:
            rows = connection.execute(query.where(self._is_one_of(table, ids))).all()
        conflicts = dict.fromkeys(ids, "")
        for row in rows:
            if row.attempt_id == self._attempt_id:
                del conflicts[row.contact_id]
            else:
                conflicts[row.contact_id] = row.claimed_by or "outside of Airflow"
        return conflicts

    def _is_one_of(self, table: sa.Table, ids: Sequence[str]) -> sa.ColumnElement[bool]:
        return (table.c.vendor == self._vendor) & table.c.contact_id.in_(ids)

    def _has_ended(self, table: sa.Table, now: datetime) -> sa.ColumnElement[bool]:
        """Return the condition that a claim has ended, or has a time that no clock has reached."""
        return ~table.c.claimed_at.between(now - CLAIM_LIFETIME, now + CLAIM_LIFETIME)


def _insert(engine: sa.Engine, table: sa.Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert claims, except for contacts that another task claims at the same moment."""
    try:
        with transaction(engine) as connection:
            connection.execute(table.insert(), rows)
    except sa.exc.IntegrityError:
        for row in rows:
            with contextlib.suppress(sa.exc.IntegrityError), transaction(engine) as connection:
                connection.execute(table.insert(), [row])


def _claim_errors(table: sa.Table) -> contextlib.AbstractContextManager[None]:
    return database_errors(
        f"Contacts could not be claimed in the table {table.fullname!r}, so no more contacts are changed"
    )


@contextlib.contextmanager
def open_claims(locations: Sequence[TableLocation], vendor: str, task: str) -> Iterator[Claims]:
    """Open the tables of claims, and take over the claims of earlier attempts of a task.

    :param locations: the tables.
    :param task: identifies the task; empty outside of one.
    :raises ContactsError: if a table cannot be written, or is incompatible.
    """
    with contextlib.ExitStack() as stack:
        tables = []
        for location in locations:
            engine = stack.enter_context(connect(location.sql_conn_id))
            table = define_claims(location.table)
            require_schema_support(engine.dialect.name, table.schema)
            with database_errors(f"The claims in {location} cannot be used, so nothing is written"):
                ensure_table(engine, table, create=True)
            tables.append((engine, table))
        claims = Claims(tables, vendor, task)
        claims.take_over()
        yield claims
