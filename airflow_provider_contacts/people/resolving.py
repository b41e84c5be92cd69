"""Resolve the people of a table of exported contacts, and write what has changed."""

from __future__ import annotations

import hashlib
import json
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from airflow_provider_contacts.contact import REFERENCE_FIELDS
from airflow_provider_contacts.core.batches import batched
from airflow_provider_contacts.databases import sa
from airflow_provider_contacts.databases.dialects import identify_table, lock_contacts, read_clock, to_utc
from airflow_provider_contacts.identity_keys import IDENTITY_FIELDS
from airflow_provider_contacts.people.identity import ContactGrouper, ContactGroups, KeyLimits
from airflow_provider_contacts.people.person_ids import IdAssignment, PersonId, assign_ids
from airflow_provider_contacts.people.tables import (
    PeopleTables,
    is_not_erased,
    is_same_contact,
)

_ROWS_PER_FETCH = 1000


@dataclass(frozen=True, slots=True)
class ResolveCounts:
    """Counts of one run.

    :param by_channels: how many people have contacts at one vendor, at two, and so on.
    :param set_aside: how many keys were set aside, by ``kind:reason``.
    :param merged: how many ids are not used any more, because their contacts belong to a person
        with another id.
    :param split: how many ids had contacts that now belong to several people.
    :param written: how many rows were inserted, changed or deleted.
    """

    contacts: int
    people: int
    by_channels: Mapping[str, int]
    set_aside: Mapping[str, int]
    merged: int
    split: int
    written: int


@dataclass(slots=True, repr=False)
class _Contacts:
    """The contacts in the order of reading, and what the table of people says about them.

    :param references: the keys of the contacts as JSON, which needs less memory than tuples.
    :param people: the people of the table.
    :param person_of: for each contact, the position of its person, or -1.
    :param described: for each contact, its ``matched_on`` and ``set_aside``.
    """

    references: list[str] = field(default_factory=list)
    people: list[PersonId] = field(default_factory=list)
    person_of: array[int] = field(default_factory=lambda: array("q"))
    changed_at: list[datetime] = field(default_factory=list)
    changed_at_when_resolved: list[datetime | None] = field(default_factory=list)
    described: list[tuple[str, str]] = field(default_factory=list)
    _positions: dict[str, int] = field(default_factory=dict)
    _times: dict[datetime, datetime] = field(default_factory=dict)
    _descriptions: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)

    def add(
        self,
        reference: str,
        person_id: str | None,
        since: datetime,
        described: tuple[str, str],
        changed_at: datetime,
        changed_at_when_resolved: datetime | None,
    ) -> None:
        """Add a contact.

        :param changed_at: when it changed last.
        :param changed_at_when_resolved: the same at the last resolve, or None.
        """
        self.changed_at.append(self._times.setdefault(changed_at, changed_at))
        moment = changed_at_when_resolved
        self.changed_at_when_resolved.append(
            None if moment is None else self._times.setdefault(moment, moment)
        )
        self.references.append(reference)
        # The same object for equal values, which are few.
        self.described.append(self._descriptions.setdefault(described, described))
        position = -1
        if person_id is not None:
            position = self._positions.setdefault(person_id, len(self.people))
            if position == len(self.people):
                moment = to_utc(since)
                self.people.append(PersonId(person_id, self._times.setdefault(moment, moment)))
        self.person_of.append(position)


def resolve_people(
    engine: sa.Engine, tables: PeopleTables, limits: KeyLimits, regions: Mapping[str, str]
) -> ResolveCounts:
    """Resolve the people of all contacts that are not erased, in one transaction.

    :param regions: by vendor, the ISO 3166 alpha-2 code of the country of phone numbers without
        one.
    """
    contacts, people = tables.contacts, tables.people
    with engine.connect() as connection, lock_contacts(connection, [_lock_id_of(connection, people)]):
        # The keys need most of the memory, and are dropped with the grouper.
        read, grouper = _read(connection, contacts, people, limits, regions)
        grouping = grouper.group()
        del grouper
        now = read_clock(connection)
        assignment = assign_ids(grouping.group_of, read.references, read.people, read.person_of, now)
        written = _write(connection, people, read, grouping, assignment)
        written += _delete_missing(connection, contacts, people)
        connection.commit()
    return ResolveCounts(
        contacts=len(read.references),
        people=len(set(assignment.person_of)),
        by_channels=_count_channels(read.references, grouping.group_of),
        set_aside=grouping.counts,
        merged=assignment.merged,
        split=assignment.split,
        written=written,
    )


def _lock_id_of(connection: sa.Connection, people: sa.Table) -> int:
    name = identify_table(connection, people)
    connection.rollback()  # a transaction starts with the lock
    return int.from_bytes(hashlib.sha256(f"people {name}".encode()).digest()[:8], "big", signed=True)


def _read(
    connection: sa.Connection,
    contacts: sa.Table,
    people: sa.Table,
    limits: KeyLimits,
    regions: Mapping[str, str],
) -> tuple[_Contacts, ContactGrouper]:
    """Return all contacts that are not erased, and a grouper with their keys."""
    columns = [contacts.c[name] for name in (*REFERENCE_FIELDS, *IDENTITY_FIELDS, "name", "changed_at")]
    names = ("person_id", "person_since", "matched_on", "set_aside", "contact_changed_at")
    own = [people.c[name] for name in names]
    query = (
        sa.select(*columns, *own)
        .select_from(contacts.outerjoin(people, is_same_contact(contacts, people)))
        .where(is_not_erased(contacts))
    )
    read = _Contacts()
    grouper = ContactGrouper(limits)
    result = connection.execute(query.execution_options(yield_per=_ROWS_PER_FETCH))
    for part in result.partitions():
        for row in part:
            *key, email, phone, country, linkedin_url, name, changed_at = row[: len(columns)]
            person_id, since, matched_on, set_aside, resolved_at = row[len(columns) :]
            grouper.add(
                email=email,
                phone=phone,
                country=country,
                linkedin_url=linkedin_url,
                default_region=regions.get(key[0], ""),
                name=name,
                account=f"{key[0]}/{key[1]}",
            )
            reference = json.dumps(key, ensure_ascii=False)
            read.add(reference, person_id, since, (matched_on, set_aside), changed_at, resolved_at)
    return read, grouper


def _write(
    connection: sa.Connection,
    people: sa.Table,
    read: _Contacts,
    grouping: ContactGroups,
    assignment: IdAssignment,
) -> int:
    """Insert and update the rows that differ, and return how many there were."""
    written = 0
    changed = _list_changed(read, grouping, assignment)
    update = people.update().where(*_is_key(people))
    for part in batched(changed, _ROWS_PER_FETCH):
        inserted = [row for is_new, row in part if is_new]
        updated = [
            {f"key_{name}" if name in REFERENCE_FIELDS else name: value for name, value in row.items()}
            for is_new, row in part
            if not is_new
        ]
        if inserted:
            connection.execute(people.insert(), inserted)
        if updated:
            connection.execute(update, updated)
        written += len(part)
    return written


def _list_changed(
    read: _Contacts, grouping: ContactGroups, assignment: IdAssignment
) -> Iterator[tuple[bool, dict[str, object]]]:
    """Yield the rows that differ from what the table says, and whether they are new."""
    for contact, reference in enumerate(read.references):
        previous = read.person_of[contact]
        person = assignment.person_of[contact]
        described = (grouping.matched_on[contact], grouping.set_aside[contact])
        changed_at = read.changed_at[contact]
        is_same = person == previous and described == read.described[contact]
        if is_same and changed_at == read.changed_at_when_resolved[contact]:
            continue
        row = {
            **dict(zip(REFERENCE_FIELDS, json.loads(reference), strict=True)),
            "person_id": assignment.people[person].person_id,
            "person_since": assignment.people[person].since,
            "matched_on": described[0],
            "set_aside": described[1],
            "contact_changed_at": changed_at,
        }
        yield previous < 0, row


def _delete_missing(connection: sa.Connection, contacts: sa.Table, people: sa.Table) -> int:
    """Delete the rows of contacts that were deleted or erased, and return how many there were."""
    known = sa.select(contacts.c.contact_id).where(is_same_contact(contacts, people), is_not_erased(contacts))
    # Read first: MySQL locks every row that a DELETE with a subquery looks at.
    query = sa.select(*(people.c[name] for name in REFERENCE_FIELDS)).where(~known.exists())
    missing = [
        {f"key_{name}": value for name, value in row.items()} for row in connection.execute(query).mappings()
    ]
    if missing:
        connection.execute(people.delete().where(*_is_key(people)), missing)
    return len(missing)


def _is_key(people: sa.Table) -> list[sa.ColumnElement[bool]]:
    """Return the condition that a row has the key in the parameters ``key_…``."""
    return [people.c[name] == sa.bindparam(f"key_{name}") for name in REFERENCE_FIELDS]


def _count_channels(references: Sequence[str], group_of: Sequence[int]) -> dict[str, int]:
    """Return how many people have contacts at one vendor, at two, and so on."""
    # One bit per vendor.
    bits: dict[str, int] = {}
    vendors = array("Q", [0]) * len(references)
    for reference, group in zip(references, group_of, strict=True):
        vendor = json.loads(reference)[0]
        vendors[group] |= 1 << bits.setdefault(vendor, len(bits))
    counts = Counter(mask.bit_count() for mask in vendors if mask)
    return {str(count): people for count, people in sorted(counts.items())}
