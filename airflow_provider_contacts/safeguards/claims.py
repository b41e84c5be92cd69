"""Claim contacts before they are changed, so that two tasks never change one at the same time."""

from __future__ import annotations

import contextlib
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Any

from airflow_provider_contacts.contact import REFERENCE_FIELDS, ContactKey
from airflow_provider_contacts.core.batches import batched
from airflow_provider_contacts.core.logs import Log
from airflow_provider_contacts.core.validation import TableLocation
from airflow_provider_contacts.databases import sa
from airflow_provider_contacts.databases.connecting import connect, transaction
from airflow_provider_contacts.databases.dialects import (
    build_column_types,
    read_clock,
    require_schema_support,
)
from airflow_provider_contacts.databases.errors import database_errors
from airflow_provider_contacts.databases.tables import build_table, ensure_table
from airflow_provider_contacts.errors import ContactsError

# After this time without being renewed, the task that claimed a contact is taken for dead.
CLAIM_LIFETIME = timedelta(hours=1)
_KEYS_PER_QUERY = 500


def define_claims(name: str) -> sa.Table:
    """Return the definition of the table of claims, with a row per contact that is being changed.

    :param name: ``table`` or ``schema.table``.
    """
    types = build_column_types()
    columns = [
        *(sa.Column(column, types["key"], primary_key=True) for column in REFERENCE_FIELDS),
        sa.Column("claimed_by", types["text"], nullable=False),
        sa.Column("claimed_at", types["time"], nullable=False),
    ]
    return build_table(name, columns, "contact_claims")


class Claims:
    """The claims of one task to contacts of a vendor. Open them with :func:`open_claims`.

    A claim is a row in its own transaction. Only the task that holds it may change the contact. A
    retry takes over the claims of its own task. A claim that was not renewed for an hour ends.

    :param tables: engines and tables. A contact is claimed if it is in all of them.
    :param claimer: identifies the task, and is the same in a retry.
    """

    def __init__(self, tables: Sequence[tuple[sa.Engine, sa.Table]], vendor: str, claimer: str) -> None:
        self._tables = tables
        self._vendor = vendor
        self._claimer = claimer

    def claim(self, keys: Iterable[ContactKey]) -> dict[ContactKey, str]:
        """Claim contacts, and return those that another task has claimed, with the task.

        A contact without an account stands for all contacts with its id.

        :raises ContactsError: if a table cannot be written.
        """
        keys = sorted(set(keys))
        conflicts: dict[ContactKey, str] = {}
        for engine, table in self._tables:
            with _claim_errors(table):
                for batch in batched((key for key in keys if key not in conflicts), _KEYS_PER_QUERY):
                    conflicts.update(self._claim(engine, table, batch))
        return conflicts

    def renew(self, keys: Iterable[ContactKey]) -> dict[ContactKey, str]:
        """Renew claims, and return the contacts that are not claimed any more.

        :return: with the task that has claimed each, or an empty string if there is none.
        :raises ContactsError: if a table cannot be written.
        """
        keys = sorted(set(keys))
        conflicts: dict[ContactKey, str] = {}
        for engine, table in self._tables:
            with _claim_errors(table):
                for batch in batched((key for key in keys if key not in conflicts), _KEYS_PER_QUERY):
                    with transaction(engine) as connection:
                        is_own = self._is_one_of(table, batch) & (table.c.claimed_by == self._claimer)
                        values = {"claimed_at": read_clock(connection)}
                        connection.execute(table.update().where(is_own).values(values))
                    conflicts.update(self._find_conflicts(engine, table, batch))
        return conflicts

    def release(self) -> None:
        """Give up all claims.

        :raises ContactsError: if a table cannot be written.
        """
        for engine, table in self._tables:
            is_own = (table.c.vendor == self._vendor) & (table.c.claimed_by == self._claimer)
            with _claim_errors(table), transaction(engine) as connection:
                connection.execute(table.delete().where(is_own))

    def _claim(self, engine: sa.Engine, table: sa.Table, keys: Sequence[ContactKey]) -> dict[ContactKey, str]:
        """Claim contacts in one table, and return those that another task has claimed."""
        columns = table.c
        is_one = self._is_one_of(table, keys)
        with transaction(engine) as connection:
            now = read_clock(connection)
            is_free = (columns.claimed_by == self._claimer) | (columns.claimed_at < now - CLAIM_LIFETIME)
            values = {"claimed_by": self._claimer, "claimed_at": now}
            connection.execute(table.update().where(is_one & is_free).values(values))
            query = sa.select(columns.account_id, columns.contact_id).where(is_one)
            known = {(row.account_id, row.contact_id) for row in connection.execute(query)}
        rows = [
            {"vendor": self._vendor, "account_id": account_id, "contact_id": contact_id, **values}
            for account_id, contact_id in keys
            if (account_id, contact_id) not in known
        ]
        if rows:
            _insert(engine, table, rows)
        return self._find_conflicts(engine, table, keys)

    def _find_conflicts(
        self, engine: sa.Engine, table: sa.Table, keys: Sequence[ContactKey]
    ) -> dict[ContactKey, str]:
        """Return the contacts that are not claimed by this task only, each with the other task."""
        columns = table.c
        query = sa.select(columns.account_id, columns.contact_id, columns.claimed_by)
        claimers: dict[str, dict[str, str]] = defaultdict(dict)
        with transaction(engine) as connection:
            for row in connection.execute(query.where(self._is_one_of(table, keys))):
                claimers[row.contact_id][row.account_id] = row.claimed_by
        conflicts = {}
        for account_id, contact_id in keys:
            claimed = claimers[contact_id]
            # Either of them may be without an account.
            same = claimed.values() if not account_id else filter(None, map(claimed.get, (account_id, "")))
            others = sorted(set(same) - {self._claimer})
            if account_id not in claimed or others:
                conflicts[account_id, contact_id] = others[0] if others else ""
        return conflicts

    def _is_one_of(self, table: sa.Table, keys: Sequence[ContactKey]) -> sa.ColumnElement[bool]:
        """Return the condition that a row has the id of one of the contacts, in any account."""
        return (table.c.vendor == self._vendor) & table.c.contact_id.in_(
            {contact_id for _, contact_id in keys}
        )


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
def open_claims(locations: Sequence[TableLocation], vendor: str, claimer: str, log: Log) -> Iterator[Claims]:
    """Open the tables of claims, and release the claims at the end.

    :param locations: the tables.
    :param claimer: identifies the task; empty outside of one.
    :param log: where it is reported that claims could not be released.
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
        claims = Claims(tables, vendor, claimer or uuid.uuid4().hex)
        try:
            yield claims
        finally:
            try:
                claims.release()
            except ContactsError as error:
                log.warning("The claims could not be released, so they end after an hour. %s", error)
