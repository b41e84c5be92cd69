"""Read and write the table of people who must not be contacted, as keyed hashes."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from airflow_provider_contacts.core.batches import batched
from airflow_provider_contacts.core.validation import TableLocation
from airflow_provider_contacts.databases import sa
from airflow_provider_contacts.databases.connecting import connect, transaction
from airflow_provider_contacts.databases.dialects import (
    read_clock,
    require_schema_support,
    to_utc,
)
from airflow_provider_contacts.databases.errors import database_errors
from airflow_provider_contacts.databases.tables import (
    MissingTable,
    ensure_table,
    require_table,
)
from airflow_provider_contacts.errors import InvalidRequest
from airflow_provider_contacts.safeguards.configuration import ALL_VENDORS
from airflow_provider_contacts.safeguards.keys import KeyHasher, find_secret
from airflow_provider_contacts.safeguards.suppression_table import (
    SUPPRESSION_REASON,
    Suppression,
    define_suppressions,
    is_active,
)

# The check row shows with which secret the others were hashed.
_CHECK_KIND = "check"
_CHECK_KEY = "check:contact_suppressions"
_CHECK_TIME = datetime(2000, 1, 1, tzinfo=timezone.utc)
_KEYS_PER_QUERY = 500


class SuppressionList:
    """The suppressions of one table. Open it with :func:`open_suppressions`."""

    def __init__(
        self, engine: sa.Engine, table: sa.Table, hasher: KeyHasher, location: TableLocation
    ) -> None:
        self._engine = engine
        self._table = table
        self._hasher = hasher
        self._location = location

    def find_active(
        self, keys: Iterable[str], scopes: Sequence[str], *, ignored_source: str = ""
    ) -> set[str]:
        """Return the keys that are suppressed now.

        :param keys: as :func:`~airflow_provider_contacts.safeguards.keys.find_keys` returns them.
        :param scopes: the scopes that count.
        :param ignored_source: a source whose suppressions do not count, or an empty string.
        """
        hashes = {self._hasher.hash(key): key for key in keys}
        with (
            database_errors(
                f"The suppressions {self._location} cannot be read, so no more contacts are updated"
            ),
            transaction(self._engine) as connection,
        ):
            now = read_clock(connection)
            return {
                hashes[row.key_hash]
                for row in self._select(connection, hashes)
                if row.scope in scopes
                and row.is_active(now)
                and not (ignored_source and row.source == ignored_source)
            }

    def add(
        self,
        contacts: Iterable[Sequence[str]],
        *,
        scope: str,
        reason: str,
        source: str,
        until: datetime | timedelta | None,
    ) -> set[str]:
        """Suppress contacts. A suppression that ends earlier is extended.

        :param contacts: the keys of each contact.
        :param scope: a vendor, or ``all``.
        :param reason: why, without personal data.
        :param source: what wrote it, such as a DAG and a task.
        :param until: when it ends, in UTC, or after what time, or None.
        :return: the keys whose suppression has changed.
        """
        hashed = [{self._hasher.hash(key): key for key in keys} for keys in contacts]
        hashes = {key_hash for keys in hashed for key_hash in keys}
        new: dict[tuple[str, str], dict[str, object]] = {}
        changed: set[str] = set()
        with (
            database_errors(f"Suppressions could not be added to {self._location}; nothing was written"),
            transaction(self._engine) as connection,
        ):
            now = read_clock(connection)
            until = now + until if isinstance(until, timedelta) else until
            row = {"scope": scope, "reason": reason, "source": source, "since": now, "until": until}
            known = _ActiveSuppressions(
                found for found in self._select(connection, hashes) if found.is_active(now)
            )
            for keys in hashed:
                person = min(known.list_people(keys), default="") or self._hash_person(keys.values())
                for key_hash, key in keys.items():
                    same = [one for one in known.rows[key_hash] if one.person == person]
                    covering = [one for one in same if one.scope in (ALL_VENDORS, scope)]
                    if any(_covers(one, until, reason) for one in covering) or (key_hash, person) in new:
                        continue
                    changed.add(key)
                    shorter = [one for one in same if (one.scope, one.reason) == (scope, reason)]
                    if shorter:
                        self._update(connection, shorter[0], {"until": until})
                        continue
                    kind = key.partition(":")[0]
                    new[key_hash, person] = {**row, "key_hash": key_hash, "kind": kind, "person": person}
            if new:
                connection.execute(self._table.insert(), list(new.values()))
        return changed

    def end(
        self, contacts: Iterable[Sequence[str]], *, scope: str, reason: str, source: str
    ) -> EndedSuppressions:
        """End the suppressions of contacts. The rows stay, and so do those of other people.

        :param contacts: the keys of each contact.
        :param scope: end those with this scope, or those with any scope if it is ``all``.
        """
        hashed = [{self._hasher.hash(key): key for key in keys} for keys in contacts]
        hashes = {key_hash: key for keys in hashed for key_hash, key in keys.items()}
        ended: set[str] = set()
        kept: set[str] = set()
        with (
            database_errors(f"Suppressions in {self._location} could not be ended; nothing was written"),
            transaction(self._engine) as connection,
        ):
            now = read_clock(connection)
            active = [
                row
                for row in self._select(connection, hashes)
                if row.is_active(now) and scope in (ALL_VENDORS, row.scope)
            ]
            known = _ActiveSuppressions(active)
            own = {person for keys in hashed for person in known.list_people(keys)}
            for row in active:
                key = hashes[row.key_hash]
                if row.person not in own:
                    kept.add(key)
                    continue
                ended.add(key)
                self._update(connection, row, {"until": now, "ended_reason": reason, "ended_source": source})
            return EndedSuppressions(ended, kept, self._find_kinds(connection, own, now))

    def _find_kinds(self, connection: sa.Connection, people: Iterable[str], now: datetime) -> set[str]:
        """Return the kinds of keys by which people are suppressed."""
        columns = self._table.c
        is_active = columns.until.is_(None) | (columns.until > now)
        query = sa.select(columns.kind).where(is_active).distinct()
        found: set[str] = set()
        for batch in batched(people, _KEYS_PER_QUERY):
            found.update(connection.scalars(query.where(columns.person.in_(batch))))
        return found

    def list_rows(self, keys: Iterable[str]) -> list[dict[str, object]]:
        """Return the rows of keys, with ended ones, without hashes, the latest first."""
        hashes = [self._hasher.hash(key) for key in keys]
        columns = self._table.c
        names = ("kind", "scope", "since", "until", "reason", "source", "ended_reason", "ended_source")
        query = sa.select(*(columns[name] for name in names)).where(columns.key_hash.in_(hashes))
        with (
            database_errors(f"The suppressions {self._location} cannot be read"),
            transaction(self._engine) as connection,
        ):
            now = read_clock(connection)
            rows = connection.execute(query.order_by(columns.since.desc(), columns.kind)).mappings()
            return [{"is_active": is_active(row["until"], now), **row} for row in rows]

    def count_rows(self) -> list[dict[str, object]]:
        """Return how many rows there are by kind, scope and reason, and how many are active."""
        columns = self._table.c
        with (
            database_errors(f"The suppressions {self._location} cannot be read"),
            transaction(self._engine) as connection,
        ):
            is_active = columns.until.is_(None) | (columns.until > read_clock(connection))
            query = (
                sa.select(
                    columns.kind,
                    columns.scope,
                    columns.reason,
                    sa.func.sum(sa.case((is_active, 1), else_=0)).label("active"),
                    sa.func.count().label("rows"),
                )
                .where(columns.kind != _CHECK_KIND)
                .group_by(columns.kind, columns.scope, columns.reason)
                .order_by(columns.kind, columns.scope, columns.reason)
            )
            found = connection.execute(query).mappings()
            return [{**row, "active": int(row["active"]), "rows": int(row["rows"])} for row in found]

    def _hash_person(self, keys: Iterable[str]) -> str:
        """Return a name for a new person: the hash of a key, of one's own if there is one."""
        keys = list(keys)
        own = [key for key in keys if not _is_shared(key)]
        return self._hasher.hash(f"person:{min(own or keys)}")

    def _update(self, connection: sa.Connection, row: Suppression, values: Mapping[str, object]) -> None:
        table = self._table
        identity = [table.c[name] == getattr(row, name) for name in ("key_hash", "scope", "person", "since")]
        connection.execute(table.update().where(*identity).values(**values))

    def _select(self, connection: sa.Connection, hashes: Iterable[str]) -> Iterator[Suppression]:
        """Return the rows of hashed keys."""
        columns = self._table.c
        names = ("key_hash", "kind", "scope", "person", "since", "until", "reason", "source")
        query = sa.select(*(columns[name] for name in names)).where(columns.kind != _CHECK_KIND)
        for chunk in batched(hashes, _KEYS_PER_QUERY):
            for row in connection.execute(query.where(columns.key_hash.in_(chunk))):
                values_of_row = dict(row._mapping)
                if row.until:
                    values_of_row["until"] = to_utc(row.until)
                yield Suppression(**values_of_row)

    def verify_secret(self, secret_conn_id: str, *, write_check_row: bool) -> None:
        """Check that the table's hashes were made with the same secret.

        :param write_check_row: whether to write the check row if the table is empty.
        :raises InvalidRequest: if they were not.
        """
        table = self._table
        check = self._hasher.hash(_CHECK_KEY)
        with (
            database_errors(f"The suppressions {self._location} cannot be read, so nothing is written"),
            transaction(self._engine) as connection,
        ):
            # By the key, which has an index.
            query = sa.select(table.c.source).where(table.c.key_hash == _CHECK_KIND)
            checks = connection.scalars(query).all()
            if set(checks) == {check}:
                return
            is_empty = not checks and connection.scalar(sa.select(sa.func.count()).select_from(table)) == 0
            if not is_empty:
                raise InvalidRequest(
                    f"The suppressions {self._location} were hashed with another secret than the password of "
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
                    "person": _CHECK_KIND,
                    "reason": "Shows whether the secret has changed.",
                    "source": check,
                    "since": _CHECK_TIME,
                }
                connection.execute(table.insert(), values)


@dataclass(frozen=True, slots=True, repr=False)
class EndedSuppressions:
    """What is left after suppressions were ended.

    :param ended: the keys that are not suppressed any more.
    :param kept: the keys that another person holds too, so that they are still suppressed.
    :param other_kinds: the kinds of other keys by which the same people are still suppressed.
    """

    ended: set[str]
    kept: set[str]
    other_kinds: set[str]


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
        with database_errors(f"The suppressions {location} cannot be used, so nothing is written"):
            try:
                if create:
                    ensure_table(engine, table, create=True)
                else:
                    require_table(engine, table)
            except (InvalidRequest, MissingTable) as error:
                raise error.at(f"Suppressions {location}") from None
        suppressions = SuppressionList(engine, table, hasher, location)
        suppressions.verify_secret(secret_conn_id, write_check_row=create)
        yield suppressions


class _ActiveSuppressions:
    """Active suppressions of some keys.

    :param rows: by the hash of the key.
    """

    def __init__(self, rows: Iterable[Suppression]) -> None:
        self.rows: dict[str, list[Suppression]] = defaultdict(list)
        for row in rows:
            self.rows[row.key_hash].append(row)

    def list_people(self, keys: Mapping[str, str]) -> set[str]:
        """Return the suppressed people that a contact's keys identify.

        A number identifies a person only if the contact has no other key, and one person has it.

        :param keys: the contact's keys by their hashes.
        """
        own = [key_hash for key_hash, key in keys.items() if not _is_shared(key)]
        found = {row.person for key_hash in own or keys for row in self.rows[key_hash]}
        return found if own or len(found) == 1 else set()


def _is_shared(key: str) -> bool:
    """Return whether several people may have a key, such as the number of a household."""
    return key.startswith("phone:")


def _covers(row: Suppression, until: datetime | None, reason: str) -> bool:
    """Return whether a suppression makes another one unnecessary.

    One that stopping outreach has added does not hide a later opt-out.
    """
    lasts = row.until is None or (until is not None and row.until >= until)
    return lasts and (row.reason == reason or row.reason != SUPPRESSION_REASON)
