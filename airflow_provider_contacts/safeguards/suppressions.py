"""The table of people who must not be contacted, as keyed hashes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

from airflow_provider_contacts.core.batches import batched
from airflow_provider_contacts.core.validation import TableLocation
from airflow_provider_contacts.databases import sa
from airflow_provider_contacts.databases.connecting import connect, transaction
from airflow_provider_contacts.databases.dialects import build_column_types, require_schema_support, to_utc
from airflow_provider_contacts.databases.errors import database_errors
from airflow_provider_contacts.databases.tables import DIGEST_LENGTH, build_table, ensure_table, require_table
from airflow_provider_contacts.errors import InvalidRequest
from airflow_provider_contacts.safeguards.configuration import ALL_VENDORS
from airflow_provider_contacts.safeguards.keys import KeyHasher, find_secret

# The check row shows with which secret the others were hashed.
_CHECK_KIND = "check"
_CHECK_KEY = "check:contact_suppressions"
_CHECK_TIME = datetime(2000, 1, 1, tzinfo=timezone.utc)
_KEYS_PER_QUERY = 500


@dataclass(frozen=True, slots=True)
class Suppression:
    """A row of the table.

    :param until: when it ends, in UTC, or None.
    """

    key_hash: str
    scope: str
    until: datetime | None
    reason: str | None

    def is_active(self, now: datetime) -> bool:
        """Return whether it holds at a time."""
        return self.until is None or now < self.until


def define_suppressions(name: str) -> sa.Table:
    """Return the definition of the table.

    :param name: ``table`` or ``schema.table``.
    """
    types = build_column_types()
    columns = [
        sa.Column("key_hash", sa.String(DIGEST_LENGTH), primary_key=True),
        sa.Column("kind", types["key"], nullable=False),
        sa.Column("scope", types["key"], primary_key=True),
        sa.Column("reason", types["text"], nullable=True),
        sa.Column("source", types["text"], nullable=True),
        sa.Column("since", types["time"], primary_key=True),
        sa.Column("until", types["time"], nullable=True),
        sa.Column("ended_reason", types["text"], nullable=True),
        sa.Column("ended_source", types["text"], nullable=True),
    ]
    return build_table(name, columns, "suppressions_table")


class SuppressionList:
    """The suppressions of one table. Open it with :func:`open_suppressions`."""

    def __init__(self, engine: sa.Engine, table: sa.Table, hasher: KeyHasher) -> None:
        self._engine = engine
        self._table = table
        self._hasher = hasher

    def find_active(
        self, keys: Iterable[str], scopes: Sequence[str], *, ignored_reason: str = ""
    ) -> set[str]:
        """Return the keys that are suppressed now.

        :param keys: as :func:`~airflow_provider_contacts.safeguards.keys.find_keys` returns them.
        :param scopes: the scopes that count.
        :param ignored_reason: suppressions with this reason do not count, if it is not empty.
        """
        now = datetime.now(timezone.utc)
        hashes = {self._hasher.hash(key): key for key in keys}
        with (
            database_errors("The suppressions cannot be read, so nothing is written"),
            transaction(self._engine) as connection,
        ):
            return {
                hashes[row.key_hash]
                for row in self._select(connection, hashes)
                if row.scope in scopes
                and row.is_active(now)
                and (not ignored_reason or row.reason != ignored_reason)
            }

    def add(
        self, keys: Iterable[str], *, scope: str, reason: str, source: str, until: datetime | None
    ) -> set[str]:
        """Suppress keys, unless they are suppressed at least as long already.

        :param scope: a vendor, or ``all``.
        :param reason: why, without personal data.
        :param source: what wrote it, such as a DAG and a task.
        :param until: when it ends, in UTC, or None.
        :return: the keys that were not suppressed before.
        """
        now = datetime.now(timezone.utc)
        hashes = {self._hasher.hash(key): key for key in keys}
        with (
            database_errors("The suppressions could not be added; nothing was written"),
            transaction(self._engine) as connection,
        ):
            covered = {
                row.key_hash
                for row in self._select(connection, hashes)
                if row.scope in (ALL_VENDORS, scope) and row.is_active(now) and _lasts_until(row, until)
            }
            new = {key_hash: key for key_hash, key in hashes.items() if key_hash not in covered}
            rows = [
                {
                    "key_hash": key_hash,
                    "kind": key.partition(":")[0],
                    "scope": scope,
                    "reason": reason,
                    "source": source,
                    "since": now,
                    "until": until,
                }
                for key_hash, key in new.items()
            ]
            if rows:
                connection.execute(self._table.insert(), rows)
        return set(new.values())

    def end(self, keys: Iterable[str], *, scope: str, reason: str, source: str) -> set[str]:
        """End the suppressions of keys, and return the keys that had one. The rows stay.

        :param scope: end those with this scope, or those with any scope if it is ``all``.
        """
        now = datetime.now(timezone.utc)
        hashes = {self._hasher.hash(key): key for key in keys}
        table = self._table
        with (
            database_errors("The suppressions could not be ended; nothing was written"),
            transaction(self._engine) as connection,
        ):
            active = [
                row
                for row in self._select(connection, hashes)
                if row.is_active(now) and scope in (ALL_VENDORS, row.scope)
            ]
            for row in active:
                is_row = (table.c.key_hash == row.key_hash) & (table.c.scope == row.scope)
                is_open = table.c.until.is_(None) | (table.c.until > now)
                ended = {"until": now, "ended_reason": reason, "ended_source": source}
                connection.execute(table.update().where(is_row, is_open).values(ended))
        return {hashes[row.key_hash] for row in active}

    def _select(self, connection: sa.Connection, hashes: Iterable[str]) -> Iterator[Suppression]:
        columns = self._table.c
        query = sa.select(columns.key_hash, columns.scope, columns.until, columns.reason)
        for chunk in batched(hashes, _KEYS_PER_QUERY):
            for key_hash, scope, until, reason in connection.execute(
                query.where(columns.key_hash.in_(chunk), columns.kind != _CHECK_KIND)
            ):
                yield Suppression(key_hash, scope, to_utc(until) if until else None, reason)

    def verify_secret(self, location: TableLocation, secret_conn_id: str, *, write_check_row: bool) -> None:
        """Check that the table's hashes were made with the same secret.

        :param write_check_row: whether to write the check row if the table is empty.
        :raises InvalidRequest: if they were not.
        """
        table = self._table
        check = self._hasher.hash(_CHECK_KEY)
        with (
            database_errors("The suppressions cannot be read, so nothing is written"),
            transaction(self._engine) as connection,
        ):
            checks = connection.scalars(sa.select(table.c.source).where(table.c.kind == _CHECK_KIND)).all()
            if set(checks) == {check}:
                return
            is_empty = not checks and connection.scalar(sa.select(sa.func.count()).select_from(table)) == 0
            if not is_empty:
                raise InvalidRequest(
                    f"The suppressions in {location} were hashed with another secret than the password of "
                    f"connection {secret_conn_id!r}, so suppressed contacts would not be recognized. "
                    "Nothing was written. Restore the earlier password, or suppress everyone again in a new "
                    "table: hashes cannot be converted."
                )
            if write_check_row:
                # Its key is constant, so that two tasks with different secrets cannot both write
                # one.
                values = {
                    "key_hash": _CHECK_KIND,
                    "kind": _CHECK_KIND,
                    "scope": _CHECK_KIND,
                    "reason": "Shows whether the secret has changed.",
                    "source": check,
                    "since": _CHECK_TIME,
                }
                connection.execute(table.insert(), values)


@contextlib.contextmanager
def open_suppressions(
    location: TableLocation, secret_conn_id: str, *, create: bool
) -> Iterator[SuppressionList]:
    """Open a table of suppressions.

    :param secret_conn_id: connection whose password is the secret of the hashes.
    :param create: whether it is opened for writing, which creates the table if it does not exist.
    :raises ContactsError: if the table cannot be read, is incompatible, or was written with another
        secret.
    """
    hasher = KeyHasher(find_secret(secret_conn_id))
    with connect(location.sql_conn_id) as engine:
        table = define_suppressions(location.table)
        require_schema_support(engine.dialect.name, table.schema)
        with database_errors("The table of suppressions cannot be used, so nothing is written"):
            try:
                if create:
                    ensure_table(engine, table, create=True)
                else:
                    require_table(engine, table)
            except InvalidRequest as error:
                raise error.at(f"Suppressions {location}") from None
        suppressions = SuppressionList(engine, table, hasher)
        suppressions.verify_secret(location, secret_conn_id, write_check_row=create)
        yield suppressions


def _lasts_until(row: Suppression, until: datetime | None) -> bool:
    return row.until is None or (until is not None and row.until >= until)
