"""Look people up by references to their contacts."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from airflow_provider_contacts.contact import REFERENCE_FIELDS, Reference, ReferenceKey, key_of, parse_lists
from airflow_provider_contacts.core.batches import batched
from airflow_provider_contacts.databases import sa
from airflow_provider_contacts.databases.dialects import read_clock, to_utc
from airflow_provider_contacts.people.tables import (
    CONTACT_COLUMNS,
    EVENT_COLUMNS,
    PeopleTables,
    find_first_unresolved_change,
    is_not_erased,
    is_same_contact,
)

_IDS_PER_QUERY = 500


@dataclass(frozen=True, slots=True, repr=False)
class Stop:
    """A change that stopped a contact.

    :param digest: of the change.
    :param opts_out: whether it was to the stage of contacts who have opted out.
    :param at: when it was made, in UTC.
    :param by: which task made it.
    :param cause: ``reply``, ``opt_out`` or ``manual``.
    :param caused_at: when that was, in UTC, or None.
    """

    digest: str
    opts_out: bool
    at: datetime
    by: str
    cause: str | None
    caused_at: datetime | None


@dataclass(frozen=True, slots=True, repr=False)
class PersonContact:
    """A contact of a person.

    :param is_present: whether it was neither removed at its vendor nor erased.
    :param fields: what the table of exported contacts says about it.
    :param stops: the changes that stopped it.
    """

    vendor: str
    account_id: str
    contact_id: str
    matched_on: str
    set_aside: str
    is_present: bool
    fields: Mapping[str, object]
    stops: Sequence[Stop]

    @property
    def key(self) -> ReferenceKey:
        """Identifies the contact."""
        return self.vendor, self.account_id, self.contact_id

    @property
    def bare_key(self) -> tuple[str, str]:
        """Vendor and id, which the contact may share with contacts in other accounts."""
        return self.vendor, self.contact_id

    def reference(self) -> Reference:
        """Return the reference of the contact."""
        return {"vendor": self.vendor, "account_id": self.account_id, "contact_id": self.contact_id}


@dataclass(frozen=True, slots=True, repr=False)
class Person:
    """The contacts of a person, sorted by vendor, account and id.

    :param found_by: those of the contacts that the person was looked up by.
    """

    person_id: str
    contacts: Sequence[PersonContact]
    found_by: Sequence[PersonContact] = ()

    @property
    def matched_on(self) -> list[str]:
        """The kinds of keys that the contacts share."""
        return sorted({kind for contact in self.contacts for kind in contact.matched_on.split(",") if kind})


def find_people(
    connection: sa.Connection, tables: PeopleTables, references: Sequence[Reference]
) -> tuple[list[Person], list[Reference]]:
    """Return the people of contacts, sorted by id, and the references that belong to none.

    A reference without an account stands for the contacts with its id in all accounts of the
    vendor. If a person has several, it is unknown which one is meant, so none of them is in
    ``found_by``. If several people have one, the reference belongs to none.
    """
    keys = {key_of(reference) for reference in references}
    contacts_by_person = _read_people(connection, tables, _find_person_ids(connection, tables.people, keys))
    holders: dict[tuple[str, str], list[str]] = defaultdict(list)
    for person_id, contacts in contacts_by_person.items():
        for contact in contacts:
            holders[contact.bare_key].append(person_id)
    bare = {(vendor, contact_id) for vendor, account_id, contact_id in keys if not account_id}
    bare_of_one_person = {key for key in bare if len(set(holders[key])) == 1}
    people = []
    for person_id, contacts in sorted(contacts_by_person.items()):
        of_bare = [contact for contact in contacts if contact.bare_key in bare_of_one_person]
        only = [contact for contact in of_bare if len(holders[contact.bare_key]) == 1]
        found_by = [contact for contact in contacts if contact.key in keys or contact in only]
        if found_by or of_bare:
            people.append(Person(person_id, contacts, found_by))
    known = {contact.key for contacts in contacts_by_person.values() for contact in contacts}
    known |= {(vendor, "", contact_id) for vendor, contact_id in bare_of_one_person}
    return people, [reference for reference in references if key_of(reference) not in known]


def list_contacts_of_people(
    connection: sa.Connection, tables: PeopleTables, references: Iterable[Reference]
) -> dict[tuple[str, str], list[PersonContact]]:
    """Return, by vendor and id, all contacts of every person who has a contact with that id."""
    keys = {key_of(reference) for reference in references}
    found: dict[tuple[str, str], list[PersonContact]] = defaultdict(list)
    people = _read_people(connection, tables, _find_person_ids(connection, tables.people, keys))
    for contacts in people.values():
        for bare_key in {contact.bare_key for contact in contacts}:
            found[bare_key] += contacts
    return {(vendor, contact_id): found[vendor, contact_id] for vendor, _, contact_id in keys}


def find_accounts(connection: sa.Connection, tables: PeopleTables) -> dict[str, list[str]]:
    """Return the accounts of the contacts, by vendor."""
    columns = tables.people.c
    found: dict[str, list[str]] = defaultdict(list)
    for vendor, account_id in connection.execute(
        sa.select(columns.vendor, columns.account_id).distinct().order_by(columns.vendor, columns.account_id)
    ):
        found[vendor].append(account_id)
    return found


def compute_backlog_age(connection: sa.Connection, tables: PeopleTables) -> timedelta | None:
    """Return how long the oldest unresolved change has waited, or zero if everything is resolved.

    It is None if that is unknown: no contact is resolved, or the change has a time to come.
    """
    first = find_first_unresolved_change(connection, tables)
    if first is None:
        return timedelta()
    now = read_clock(connection)
    if first > now or connection.execute(sa.select(tables.people.c.contact_id).limit(1)).first() is None:
        return None
    return _round_up(now - first)


def _round_up(age: timedelta) -> timedelta:
    """Return an age in whole seconds, at least one, because any change counts."""
    return max(timedelta(seconds=math.ceil(age.total_seconds())), timedelta(seconds=1))


def _find_person_ids(connection: sa.Connection, people: sa.Table, keys: Collection[ReferenceKey]) -> set[str]:
    """Return the ids of the people that have a contact with one of the ids, in any account."""
    by_vendor: dict[str, set[str]] = defaultdict(set)
    for vendor, _, contact_id in keys:
        by_vendor[vendor].add(contact_id)
    query = sa.select(people.c.person_id)
    return {
        person_id
        for vendor, contact_ids in by_vendor.items()
        for ids in batched(sorted(contact_ids), _IDS_PER_QUERY)
        for person_id in connection.scalars(
            query.where(people.c.vendor == vendor, people.c.contact_id.in_(ids))
        )
    }


def _read_people(
    connection: sa.Connection, tables: PeopleTables, person_ids: Collection[str]
) -> dict[str, list[PersonContact]]:
    """Return the contacts of people."""
    contacts, people = tables.contacts, tables.people
    is_present = (
        is_not_erased(contacts) & contacts.c.removed_at.is_(None) & contacts.c.contact_id.is_not(None)
    )
    query = (
        sa.select(
            *(people.c[name] for name in ("person_id", *REFERENCE_FIELDS, "matched_on", "set_aside")),
            sa.case((is_present, 1), else_=0).label("is_present"),
            *(contacts.c[name] for name in (*CONTACT_COLUMNS, *EVENT_COLUMNS)),
        )
        .select_from(people.outerjoin(contacts, is_same_contact(people, contacts)))
        .order_by(*(people.c[name] for name in REFERENCE_FIELDS))
    )
    found: dict[str, list[PersonContact]] = defaultdict(list)
    for ids in batched(sorted(person_ids), _IDS_PER_QUERY):
        stops = _read_stops(connection, tables, ids)
        for row in connection.execute(query.where(people.c.person_id.in_(ids))).mappings():
            key = (row["vendor"], row["account_id"], row["contact_id"])
            found[row["person_id"]].append(
                PersonContact(
                    *key,
                    matched_on=row["matched_on"],
                    set_aside=row["set_aside"],
                    is_present=bool(row["is_present"]),
                    fields={
                        **parse_lists({name: row[name] for name in CONTACT_COLUMNS}),
                        **{name: _to_utc(row[name]) for name in EVENT_COLUMNS},
                    },
                    stops=stops.get(key, ()),
                )
            )
    return found


def _read_stops(
    connection: sa.Connection, tables: PeopleTables, person_ids: Sequence[str]
) -> dict[ReferenceKey, list[Stop]]:
    """Return the stops of the contacts of people."""
    stops, people = tables.stops, tables.people
    names = ("stop_digest", "opts_out", "stopped_at", "stopped_by", "cause", "caused_at")
    query = (
        sa.select(*(stops.c[name] for name in (*REFERENCE_FIELDS, *names)))
        .select_from(stops.join(people, is_same_contact(stops, people)))
        .where(people.c.person_id.in_(person_ids))
    )
    found: dict[ReferenceKey, list[Stop]] = defaultdict(list)
    for row in connection.execute(query):
        found[row.vendor, row.account_id, row.contact_id].append(
            Stop(
                row.stop_digest,
                bool(row.opts_out),
                to_utc(row.stopped_at),
                row.stopped_by,
                row.cause,
                to_utc(row.caused_at) if row.caused_at else None,
            )
        )
    return found


def _to_utc(value: object) -> object:
    return to_utc(value) if isinstance(value, datetime) else value
