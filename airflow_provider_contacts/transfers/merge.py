"""Write the difference between a listing and the contacts table, in one transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import IO, TYPE_CHECKING, TypeVar

import msgspec

from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.errors import MalformedRecord
from airflow_provider_contacts.transfers.columns import COLUMNS, raw_text
from airflow_provider_contacts.transfers.dialects import lock_contacts
from airflow_provider_contacts.transfers.digests import (
    compute_digest,
    format_digest,
    matches_earlier_version,
    needs_contact,
    parse_digest,
)
from airflow_provider_contacts.transfers.removals import RemovalLimit
from airflow_provider_contacts.transfers.table import KEY

if TYPE_CHECKING:
    import sqlalchemy as sa

Item = TypeVar("Item")
Row = dict[str, object]

# Rows per statement: enough that round trips no longer matter, and little memory.
_ROWS_PER_STATEMENT = 1000
# Each record in the staging file follows its length.
_LENGTH_BYTES = 4
_VALUE_COLUMNS = [column.name for column in COLUMNS if column.name not in KEY]


@dataclass(slots=True)
class Counts:
    """How many contacts a merge has seen, and how many rows it has written."""

    seen: int = 0
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    removed: int = 0

    @property
    def written(self) -> int:
        """Number of rows written."""
        return self.new + self.changed + self.removed

    def to_dict(self) -> dict[str, int]:
        """Return the counts by name."""
        names = ("seen", "new", "changed", "unchanged", "removed")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True, slots=True)
class StagedContact:
    """Digest of a contact's fields, and the contact's position in the staging file."""

    digest: bytes
    position: int


class Staging:
    """The contacts of a listing in a temporary file, so that memory holds one digest per contact only.

    :param file: an empty file that is open for reading and writing.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.accounts: dict[str, dict[str, StagedContact]] = {}

    def add_all(self, contacts: Iterable[Contact]) -> None:
        """Add contacts.

        :raises MalformedRecord: if a contact contains text that cannot be stored.
        """
        for contact in contacts:
            fields = msgspec.structs.replace(contact, raw=msgspec.UNSET)
            position = self._file.tell()
            try:
                record = msgspec.msgpack.encode((fields, raw_text(contact)))
            except UnicodeEncodeError:
                raise MalformedRecord(
                    "A contact contains characters that cannot be encoded as UTF-8."
                ) from None
            self._file.write(len(record).to_bytes(_LENGTH_BYTES, "big") + record)
            account = self.accounts.setdefault(contact.account_id, {})
            account[contact.contact_id] = StagedContact(compute_digest(contact), position)

    def is_unchanged(self, staged: StagedContact, stored: bytes) -> bool:
        """Return whether a contact has the digest that a row stores.

        :param stored: a parsed digest.
        """
        if needs_contact(stored):
            return matches_earlier_version(stored, self._read(staged)[0])
        return stored == staged.digest

    def _read(self, staged: StagedContact) -> tuple[Contact, str]:
        self._file.seek(staged.position)
        record = self._file.read(int.from_bytes(self._file.read(_LENGTH_BYTES), "big"))
        return msgspec.msgpack.decode(record, type=tuple[Contact, str])

    def row(self, staged: StagedContact, *, reject_nul: bool) -> Row:
        """Return the column values of a contact.

        :param reject_nul: whether the database, like PostgreSQL, cannot store NUL characters.
        :raises MalformedRecord: if a field contains a NUL character; the message names it.
        """
        contact, raw = self._read(staged)
        row: Row = {column.name: getattr(contact, column.name) for column in COLUMNS if column.name != "raw"}
        for name, value in row.items():
            if reject_nul and isinstance(value, str) and "\0" in value:
                raise MalformedRecord(
                    f"`{name}` of contact {contact.contact_id} contains a NUL character, which PostgreSQL cannot store. "
                    "Nothing was written. Remove the character at the vendor."
                )
        for column in COLUMNS:
            if column.kind == "texts":
                row[column.name] = msgspec.json.encode(row[column.name]).decode()
        return {**row, "raw": raw}


@dataclass(frozen=True, slots=True)
class _Difference:
    """What has to be written for one account.

    :param present: how many rows are not marked as removed.
    :param gone: ids of the rows to mark.
    """

    account_id: str
    new: list[StagedContact]
    changed: list[StagedContact]
    present: int
    gone: list[str]


@dataclass(slots=True, kw_only=True)
class Merge:
    """Compares staged contacts with the table by digest, and writes what differs.

    Everything happens in one transaction. Accounts are processed in sorted order, which prevents deadlocks. Rows that a
    concurrent task wrote after this task started reading are not overwritten.

    :param table: the contacts table.
    :param staging: the listed contacts.
    :param vendor: connection type of the vendor.
    :param read_started_at: when this task started reading.
    :param removal_limit: how many contacts that are not listed may be marked as removed, or None to mark none.
    """

    table: sa.Table
    staging: Staging
    vendor: str
    read_started_at: datetime
    removal_limit: RemovalLimit | None
    counts: Counts = field(default_factory=Counts)
    _now: datetime = field(default_factory=lambda: datetime.now(timezone.utc))

    def run(self, engine: sa.Engine) -> Counts:
        """Write the difference and return the counts.

        :raises IncompleteListing: before the first write, if too many contacts would be marked as removed.
        """
        accounts = sorted(self.staging.accounts.items())
        with engine.connect() as connection:
            locks = [self._lock_id(account_id) for account_id, _ in accounts]
            with lock_contacts(connection, locks):
                differences = [self._compare(connection, *account) for account in accounts]
                self._check_removals(differences)
                for difference in differences:
                    # Inserts and updates stay separate statements, because "insert or update" differs between databases.
                    self._insert(connection, difference.new)
                    self._update(connection, difference.changed)
                    self._mark_removed(connection, difference.account_id, difference.gone)
                connection.commit()
        return self.counts

    def _check_removals(self, differences: list[_Difference]) -> None:
        limit = self.removal_limit
        if limit is None:
            return
        limit.check(
            listed=self.counts.seen,
            present=sum(difference.present for difference in differences),
            gone=sum(len(difference.gone) for difference in differences),
        )
        for difference in differences if limit.is_default else ():
            listed = len(self.staging.accounts[difference.account_id])
            limit.check(listed=listed, present=difference.present, gone=len(difference.gone))

    def _lock_id(self, account_id: str) -> int:
        identity = hashlib.sha256(f"{self.table.fullname} {self.vendor} {account_id}".encode()).digest()
        return int.from_bytes(identity[:8], "big", signed=True)

    def _compare(
        self, connection: sa.Connection, account_id: str, contacts: Mapping[str, StagedContact]
    ) -> _Difference:
        stored, newer = self._load(connection, account_id)
        new: list[StagedContact] = []
        changed: list[StagedContact] = []
        for contact_id, staged in contacts.items():
            before = stored.get(contact_id)
            if before is None:
                new.append(staged)
            elif contact_id not in newer:
                digest, is_removed = before
                # A row that is marked as removed is written even if its digest is the same: the contact is back.
                if is_removed or not self.staging.is_unchanged(staged, digest):
                    changed.append(staged)
        self.counts.seen += len(contacts)
        self.counts.new += len(new)
        self.counts.changed += len(changed)
        self.counts.unchanged += len(contacts) - len(new) - len(changed)
        gone = []
        # Without an account id, it is unknown which account the other rows belong to.
        if self.removal_limit is not None and account_id:
            # A contact whose account is not reported this time is not gone.
            kept = {*contacts, *newer, *self.staging.accounts.get("", {})}
            gone = [
                contact_id
                for contact_id, (_, is_removed) in stored.items()
                if not is_removed and contact_id not in kept
            ]
        present = sum(not is_removed for _, is_removed in stored.values())
        return _Difference(account_id, new, changed, present, gone)

    def _load(
        self, connection: sa.Connection, account_id: str
    ) -> tuple[dict[str, tuple[bytes, bool]], set[str]]:
        """Return the account's rows, as digest and whether they are marked, and the ids of rows to leave alone."""
        import sqlalchemy as sa

        columns = self.table.c
        # One digest per row is all that is read, so an account of a million contacts fits in memory.
        query = sa.select(columns.contact_id, columns.digest, columns.removed_at, columns.changed_at)
        stored: dict[str, tuple[bytes, bool]] = {}
        newer: set[str] = set()
        for contact_id, digest, removed_at, changed_at in connection.execute(
            query.where(self._belongs_to(account_id))
        ):
            stored[contact_id] = (parse_digest(digest), removed_at is not None)
            # SQLite returns times without a zone; they were written in UTC.
            written_at = max(changed_at, removed_at or changed_at)
            written_at = written_at if written_at.tzinfo else written_at.replace(tzinfo=timezone.utc)
            if written_at >= self.read_started_at:
                newer.add(contact_id)
        return stored, newer

    def _belongs_to(self, account_id: str) -> sa.ColumnElement[bool]:
        import sqlalchemy as sa

        return sa.and_(self.table.c.vendor == self.vendor, self.table.c.account_id == account_id)

    def _insert(self, connection: sa.Connection, contacts: list[StagedContact]) -> None:
        for batch in _batches(contacts):
            rows = [
                {**row, "first_seen_at": self._now, "changed_at": self._now, "removed_at": None}
                for row in self._rows(connection, batch)
            ]
            _execute(connection, self.table.insert(), rows)

    def _update(self, connection: sa.Connection, contacts: list[StagedContact]) -> None:
        import sqlalchemy as sa

        columns = self.table.c
        new_values = (*_VALUE_COLUMNS, "digest", "changed_at", "removed_at")
        statement = (
            self.table.update()
            .where(*(columns[name] == sa.bindparam(f"key_{name}") for name in KEY))
            .values({name: sa.bindparam(f"new_{name}") for name in new_values})
        )
        for batch in _batches(contacts):
            parameters = []
            for row in self._rows(connection, batch):
                values = {**row, "changed_at": self._now, "removed_at": None}
                parameters.append(
                    {
                        **{f"key_{name}": row[name] for name in KEY},
                        **{f"new_{name}": values[name] for name in new_values},
                    }
                )
            _execute(connection, statement, parameters)

    def _mark_removed(self, connection: sa.Connection, account_id: str, contact_ids: list[str]) -> None:
        import sqlalchemy as sa

        self.counts.removed += len(contact_ids)
        statement = (
            self.table.update()
            .where(self._belongs_to(account_id), self.table.c.contact_id == sa.bindparam("key_contact_id"))
            .values(removed_at=self._now)
        )
        for batch in _batches(contact_ids):
            connection.execute(statement, [{"key_contact_id": contact_id} for contact_id in batch])

    def _rows(self, connection: sa.Connection, contacts: Sequence[StagedContact]) -> Iterator[Row]:
        reject_nul = connection.dialect.name == "postgresql"
        for staged in contacts:
            yield {**self.staging.row(staged, reject_nul=reject_nul), "digest": format_digest(staged.digest)}


def _execute(connection: sa.Connection, statement: sa.Executable, rows: list[Row]) -> None:
    try:
        connection.execute(statement, rows)
    except (ValueError, OverflowError):
        # Drivers raise these for text with a NUL, or a time outside their range. Their messages contain the value.
        raise MalformedRecord(
            "A contact has a value that the database cannot store, such as a NUL character or a time outside its range. "
            "Nothing was written."
        ) from None


def _batches(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), _ROWS_PER_STATEMENT):
        yield items[start : start + _ROWS_PER_STATEMENT]
