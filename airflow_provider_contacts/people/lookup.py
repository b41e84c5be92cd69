"""Look people up by references to their contacts."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from itertools import islice
from typing import TYPE_CHECKING

from airflow_provider_contacts.contact import Reference
from airflow_provider_contacts.databases.dialects import to_utc
from airflow_provider_contacts.databases.tables import parse_lists
from airflow_provider_contacts.people.tables import (
    CONTACT_COLUMNS,
    CONTACTS_CHANGED_AT,
    KEY,
    PeopleTables,
    find_first_change_after,
    is_known,
    is_same_contact,
)

if TYPE_CHECKING:
    import sqlalchemy as sa

_IDS_PER_QUERY = 500


@dataclass(frozen=True, slots=True, repr=False)
class PersonContact:
    """A contact of a person.

    :param is_present: whether it was neither removed at its vendor nor erased.
    :param fields: what the table of exported contacts says about it.
    :param stops: by the digest of each change that stopped it, which task made the change.
    """

    vendor: str
    account_id: str
    contact_id: str
    matched_on: str
    set_aside: str
    is_present: bool
    fields: Mapping[str, object]
    stops: Mapping[str, str]

    def reference(self) -> Reference:
        """Return the reference of the contact."""
        return {"vendor": self.vendor, "account_id": self.account_id, "contact_id": self.contact_id}


@dataclass(frozen=True, slots=True, repr=False)
class Person:
    """The contacts of a person, sorted by vendor, account and id.

    :param found_by: those of the contacts that the person was looked up by.
    """

    person_id: str
    contacts: list[PersonContact] = field(default_factory=list)
    found_by: list[PersonContact] = field(default_factory=list)

    @property
    def matched_on(self) -> list[str]:
        """The kinds of keys that the contacts share."""
        return sorted({kind for one in self.contacts for kind in one.matched_on.split(",") if kind})


def find_people(
    connection: sa.Connection, tables: PeopleTables, references: Sequence[Reference]
) -> tuple[list[Person], list[Reference]]:
    """Return the people of contacts, sorted by id, and the references that belong to none.

    A reference without an account stands for the contacts with its id in all accounts of the vendor. If a person has several, it is unknown
    which one is meant, so none of them is in ``found_by``. If several people have one, the reference belongs to none.
    """
    wanted: dict[str, set[str]] = defaultdict(set)
    for reference in references:
        wanted[reference["vendor"]].add(reference["contact_id"])
    person_of: dict[tuple[str, str, str], str] = {}
    for vendor, ids in wanted.items():
        person_of.update(_find_ids(connection, tables.people, vendor, ids))
    found = {person.person_id: person for person in _read_people(connection, tables, set(person_of.values()))}
    exact = {(one["vendor"], one["account_id"], one["contact_id"]) for one in references}
    without_account = {(vendor, contact_id) for vendor, account_id, contact_id in exact if not account_id}
    # For each contact id, the person of the contact in each account.
    holders: dict[tuple[str, str], list[str]] = defaultdict(list)
    for person in found.values():
        for one in person.contacts:
            holders[one.vendor, one.contact_id].append(person.person_id)
    matched: list[Person] = []
    known: set[tuple[str, str, str]] = set()
    for _, person in sorted(found.items()):
        is_meant = False
        for one in person.contacts:
            name = (one.vendor, one.contact_id)
            # If it belongs to several people, it is unknown who is meant.
            is_bare = name in without_account and len(set(holders[name])) == 1
            is_exact = (one.vendor, one.account_id, one.contact_id) in exact
            is_meant = is_meant or is_bare or is_exact
            if is_exact or (is_bare and len(holders[name]) == 1):
                person.found_by.append(one)
            known.add((one.vendor, one.account_id, one.contact_id))
            if is_bare:
                known.add((one.vendor, "", one.contact_id))
        if is_meant:
            matched.append(person)
    unmatched = [
        one for one in references if (one["vendor"], one["account_id"], one["contact_id"]) not in known
    ]
    return matched, unmatched


def find_accounts(connection: sa.Connection, tables: PeopleTables) -> dict[str, list[str]]:
    """Return the accounts of the contacts, by vendor."""
    import sqlalchemy as sa

    columns = tables.people.c
    found: dict[str, list[str]] = defaultdict(list)
    for vendor, account_id in connection.execute(
        sa.select(columns.vendor, columns.account_id).distinct().order_by(columns.vendor, columns.account_id)
    ):
        found[vendor].append(account_id)
    return found


def compute_age(connection: sa.Connection, tables: PeopleTables, now: datetime) -> timedelta | None:
    """Return since when contacts have changed without being resolved, zero if none has, or None if people were never resolved.

    :param now: the present time, in UTC.
    """
    import sqlalchemy as sa

    state = tables.state
    row = connection.execute(
        sa.select(state.c.changed_at).where(state.c.name == CONTACTS_CHANGED_AT)
    ).one_or_none()
    if row is None:
        return None
    resolved = to_utc(row.changed_at) if row.changed_at else datetime.min.replace(tzinfo=timezone.utc)
    first = find_first_change_after(connection, tables.contacts, resolved)
    if first is not None:
        return _round_up(now - first)
    # An export that was under way writes rows with an earlier time.
    contacts, people = tables.contacts, tables.people
    missing = connection.scalar(
        sa.select(sa.func.min(contacts.c.changed_at))
        .select_from(contacts.outerjoin(people, is_same_contact(contacts, people)))
        .where(people.c.contact_id.is_(None), is_known(contacts))
    )
    return timedelta() if missing is None else _round_up(now - to_utc(missing))


def _round_up(age: timedelta) -> timedelta:
    """Return an age in whole seconds, at least one: any change counts, and fractions are noise in messages."""
    return max(timedelta(seconds=math.ceil(age.total_seconds())), timedelta(seconds=1))


def _find_ids(
    connection: sa.Connection, people: sa.Table, vendor: str, contact_ids: Iterable[str]
) -> dict[tuple[str, str, str], str]:
    import sqlalchemy as sa

    found: dict[tuple[str, str, str], str] = {}
    columns = people.c
    query = sa.select(columns.account_id, columns.contact_id, columns.person_id).where(
        columns.vendor == vendor
    )
    remaining = iter(sorted(contact_ids))
    while part := list(islice(remaining, _IDS_PER_QUERY)):
        for account_id, contact_id, person_id in connection.execute(
            query.where(columns.contact_id.in_(part))
        ):
            found[vendor, account_id, contact_id] = person_id
    return found


def _read_people(
    connection: sa.Connection, tables: PeopleTables, person_ids: Collection[str]
) -> list[Person]:
    import sqlalchemy as sa

    contacts, people = tables.contacts, tables.people
    is_present = is_known(contacts) & contacts.c.removed_at.is_(None) & contacts.c.contact_id.is_not(None)
    query = (
        sa.select(
            *(people.c[name] for name in ("person_id", *KEY, "matched_on", "set_aside")),
            sa.case((is_present, 1), else_=0).label("is_present"),
            *(contacts.c[name] for name in CONTACT_COLUMNS),
        )
        .select_from(people.outerjoin(contacts, is_same_contact(people, contacts)))
        .order_by(*(people.c[name] for name in KEY))
    )
    found: dict[str, Person] = {}
    remaining = iter(sorted(person_ids))
    while part := list(islice(remaining, _IDS_PER_QUERY)):
        stops = _read_stops(connection, tables, part)
        for row in connection.execute(query.where(people.c.person_id.in_(part))).mappings():
            person = found.setdefault(row["person_id"], Person(row["person_id"]))
            key = (row["vendor"], row["account_id"], row["contact_id"])
            person.contacts.append(
                PersonContact(
                    vendor=row["vendor"],
                    account_id=row["account_id"],
                    contact_id=row["contact_id"],
                    matched_on=row["matched_on"],
                    set_aside=row["set_aside"],
                    is_present=bool(row["is_present"]),
                    fields=parse_lists({name: row[name] for name in CONTACT_COLUMNS}),
                    stops=stops.get(key, {}),
                )
            )
    return list(found.values())


def _read_stops(
    connection: sa.Connection, tables: PeopleTables, person_ids: Sequence[str]
) -> dict[tuple[str, str, str], dict[str, str]]:
    """Return the stops of the contacts of people."""
    import sqlalchemy as sa

    stops, people = tables.stops, tables.people
    query = (
        sa.select(*(stops.c[name] for name in KEY), stops.c.stop_digest, stops.c.stopped_by)
        .select_from(stops.join(people, is_same_contact(stops, people)))
        .where(people.c.person_id.in_(person_ids))
    )
    found: dict[tuple[str, str, str], dict[str, str]] = defaultdict(dict)
    for row in connection.execute(query):
        found[row.vendor, row.account_id, row.contact_id][row.stop_digest] = row.stopped_by
    return found
