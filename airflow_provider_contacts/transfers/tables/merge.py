"""Write the difference between a listing and the contacts table, in one transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, astuple, dataclass, field
from datetime import datetime

from airflow_provider_contacts.databases import sa
from airflow_provider_contacts.databases.dialects import identify_table, lock_contacts, read_clock
from airflow_provider_contacts.databases.tables import ERASED
from airflow_provider_contacts.transfers.tables.bulk import insert_rows, mark_removed, update_rows
from airflow_provider_contacts.transfers.tables.loads import LoadLog
from airflow_provider_contacts.transfers.tables.removals import RemovalLimit
from airflow_provider_contacts.transfers.tables.staging import StagedEntry, Staging

_ROWS_PER_FETCH = 5000


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
        return asdict(self)

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(one + two for one, two in zip(astuple(self), astuple(other), strict=True)))


@dataclass(frozen=True, slots=True)
class _Difference:
    """What has to be written for one account.

    :param seen: how many contacts were listed.
    :param rows: how many rows the table has, apart from those of erased people.
    :param present: how many rows are not marked as removed.
    :param gone: ids of the rows to mark.
    """

    account_id: str
    seen: int
    new: list[StagedEntry]
    changed: list[StagedEntry]
    rows: int
    present: int
    gone: list[str]

    def count(self) -> Counts:
        """Return how many contacts were listed and how many rows are to be written."""
        new = len(self.new)
        changed = len(self.changed)
        return Counts(self.seen, new, changed, self.seen - new - changed, len(self.gone))


def list_lock_ids(
    connection: sa.Connection, table: sa.Table, vendor_accounts: Iterable[tuple[str, str]]
) -> list[int]:
    """Return the numbers of the locks for the rows of accounts.

    :param vendor_accounts: pairs of a vendor and an account id.
    """
    name = identify_table(connection, table)
    connection.rollback()  # a transaction starts with the locks
    digests = [
        hashlib.sha256(f"{name} {vendor} {account_id}".encode()).digest()
        for vendor, account_id in vendor_accounts
    ]
    return [int.from_bytes(digest[:8], "big", signed=True) for digest in digests]


@dataclass(slots=True, kw_only=True)
class Merge:
    """Compares staged contacts with the table by digest, and writes what differs.

    Everything happens in one transaction. Accounts are processed in sorted order, which prevents
    deadlocks. Rows that a concurrent task wrote after this task started reading are not
    overwritten.

    :param table: the contacts table.
    :param staging: the listed contacts.
    :param loads: the loads of the table.
    :param read_started_at: when this task started reading, by the database's clock.
    :param removal_limit: how many contacts that are not listed may be marked as removed, or None to
        mark none.
    :param rows_not_listed: how many contacts of the listed accounts are in the table, neither
        listed nor marked as removed. They may still exist.
    :param rows_in_future: how many rows have a time that is still to come. They were written with
        another clock, and count as older.
    """

    table: sa.Table
    staging: Staging
    loads: LoadLog
    read_started_at: datetime
    removal_limit: RemovalLimit | None
    rows_not_listed: int = 0
    rows_in_future: int = 0
    _now: datetime = field(init=False)
    _erased_ids: set[str] = field(init=False)

    def run(self, engine: sa.Engine) -> Counts:
        """Write the difference and return the counts.

        :raises IncompleteListing: before the first write, if too many contacts would be marked as
            removed.
        """
        vendor = self.loads.question.vendor
        with engine.connect() as connection:
            if self._is_narrowed_removal:
                for account_id in self.loads.list_accounts(connection):
                    # None of its contacts may match any more.
                    self.staging.accounts.setdefault(account_id, {})
            accounts = sorted(self.staging.accounts.items())
            locks = list_lock_ids(
                connection, self.table, [(vendor, account_id) for account_id, _ in accounts]
            )
            with lock_contacts(connection, locks):
                # After the wait for the locks: what was written meanwhile is not in the future.
                self._now = read_clock(connection)
                self._erased_ids = self._find_erased_ids(connection)
                differences = [self._compare(connection, *account) for account in accounts]
                self._check_removals(differences)
                self._write(connection, differences)
                self._record(connection, differences)
                connection.commit()
        return sum((difference.count() for difference in differences), Counts())

    def _write(self, connection: sa.Connection, differences: list[_Difference]) -> None:
        # Not "insert or update": with a second unique key it could change another contact's row
        # (docs/adr/0010).
        new = [entry for difference in differences for entry in difference.new]
        if new:
            insert_rows(connection, self.table, self.staging.read_rows(new), self._now)
        changed = [entry for difference in differences for entry in difference.changed]
        if changed:
            is_older = (self.table.c.digest != ERASED) & ~self._is_newer()
            update_rows(connection, self.table, self.staging.read_rows(changed), self._now, is_older)
        for difference in differences:
            account = self._belongs_to(difference.account_id)
            mark_removed(connection, self.table, account, difference.gone, self._now)

    def _record(self, connection: sa.Connection, differences: list[_Difference]) -> None:
        counts = {
            difference.account_id: {**difference.count().to_dict(), "rows_before": difference.rows}
            for difference in differences
        }
        self.loads.add(connection, counts, self.read_started_at, self._now)

    def _check_removals(self, differences: list[_Difference]) -> None:
        limit = self.removal_limit
        if limit is None:
            return
        limit.check(
            listed=sum(difference.seen for difference in differences),
            present=sum(difference.present for difference in differences),
            gone=sum(len(difference.gone) for difference in differences),
        )
        for difference in differences if limit.is_default else ():
            limit.check(listed=difference.seen, present=difference.present, gone=len(difference.gone))

    def _compare(
        self, connection: sa.Connection, account_id: str, contacts: Mapping[str, StagedEntry]
    ) -> _Difference:
        is_unchanged = self.staging.is_unchanged
        # A contact whose account is not reported this time is not gone.
        without_account = self.staging.accounts.get("", {})
        marks_removed = self._may_mark_removed(connection, account_id)
        changed: list[StagedEntry] = []
        gone: list[str] = []
        known: set[str] = set()
        rows = present = 0
        for contact_id, stored, is_removed, is_newer, is_in_future in self._load(connection, account_id):
            rows += stored != ERASED
            present += not is_removed
            self.rows_in_future += is_in_future
            entry = contacts.get(contact_id)
            if entry is not None:
                known.add(contact_id)
                # A row that is marked as removed is written even if its digest is the same: the
                # contact is back.
                if is_newer or stored == ERASED:
                    continue
                if is_removed or not is_unchanged(entry, stored):
                    changed.append(entry)
            elif not is_removed and not is_newer and contact_id not in without_account:
                if marks_removed:
                    gone.append(contact_id)
                else:
                    self.rows_not_listed += 1
        # The same contact in another account is the same person.
        known |= self._erased_ids
        new = [entry for contact_id, entry in contacts.items() if contact_id not in known]
        return _Difference(account_id, len(contacts), new, changed, rows, present, gone)

    @property
    def _is_narrowed_removal(self) -> bool:
        """Whether contacts are marked that no longer match filters or a condition."""
        return self.removal_limit is not None and self.loads.question.is_narrowed

    def _may_mark_removed(self, connection: sa.Connection, account_id: str) -> bool:
        """Return whether a row of an account is to be marked if its contact is not listed."""
        # Without an account id, it is unknown which account the other rows belong to.
        if self.removal_limit is None or not account_id:
            return False
        return not self._is_narrowed_removal or self.loads.is_only_question(connection, account_id)

    def _find_erased_ids(self, connection: sa.Connection) -> set[str]:
        """Return the ids of the vendor's contacts that were erased, in any account."""
        columns = self.table.c
        query = sa.select(columns.contact_id).where(self._is_vendors(), columns.digest == ERASED)
        return set(connection.scalars(query))

    def _is_newer(self) -> sa.ColumnElement[bool]:
        """Return the condition that another task wrote a row after this one started reading."""
        columns = self.table.c
        return sa.or_(
            columns.changed_at.between(self.read_started_at, self._now),
            sa.and_(
                columns.removed_at.is_not(None), columns.removed_at.between(self.read_started_at, self._now)
            ),
        )

    def _load(
        self, connection: sa.Connection, account_id: str
    ) -> Iterator[tuple[str, str, bool, bool, bool]]:
        """Yield what is stored of each contact of an account.

        These are the id, the digest, whether it is removed, whether the row is of a newer run, and
        whether its time is still to come.
        """
        columns = self.table.c
        is_in_future = columns.changed_at > self._now
        query = sa.select(
            columns.contact_id,
            columns.digest,
            sa.case((columns.removed_at.is_(None), 0), else_=1),
            sa.case((self._is_newer(), 1), else_=0),
            sa.case((is_in_future, 1), else_=0),
        ).where(self._belongs_to(account_id))
        # One after another, so that memory does not grow with the table.
        rows = connection.execute(query.execution_options(yield_per=_ROWS_PER_FETCH))
        for part in rows.partitions():
            yield from part

    def _belongs_to(self, account_id: str) -> sa.ColumnElement[bool]:
        return sa.and_(self._is_vendors(), self.table.c.account_id == account_id)

    def _is_vendors(self) -> sa.ColumnElement[bool]:
        return self.table.c.vendor == self.loads.question.vendor
