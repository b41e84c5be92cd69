"""Look people up by references to their contacts."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING

from airflow_provider_contacts.contact import Reference
from airflow_provider_contacts.databases.dialects import to_utc
from airflow_provider_contacts.databases.rows import parse_lists
from airflow_provider_contacts.people.tables import (
    CONTACTS_CHANGED_AT,
    PeopleTables,
    find_last_change,
    is_present,
    is_same_contact,
)

if TYPE_CHECKING:
    import sqlalchemy as sa

_IDS_PER_QUERY = 500
_FIELDS = ("email", "phone", "country", "linkedin_url", "tags", "unknown_fields", "stage", "url")


@dataclass(frozen=True, slots=True, repr=False)
class PersonContact:
    """A contact of a person.

    :param is_present: whether it was neither removed at its vendor nor erased.
    :param fields: what the table of exported contacts says about it.
    :param stop_digest: digest of the change that stopped it, or None.
    """

    vendor: str
    account_id: str
    contact_id: str
    matched_on: str
    set_aside: str
    is_present: bool
    fields: Mapping[str, object]
    stop_digest: str | None

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

    A reference without an account stands for the contacts with its id in all accounts of the vendor. If there are several, it is unknown
    which one is meant, so none of them is in ``found_by``.
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
    matched: list[Person] = []
    for _, person in sorted(found.items()):
        same_ids = Counter((one.vendor, one.contact_id) for one in person.contacts)
        for one in person.contacts:
            has_only_account = same_ids[one.vendor, one.contact_id] == 1
            is_bare = has_only_account and (one.vendor, one.contact_id) in without_account
            if is_bare or (one.vendor, one.account_id, one.contact_id) in exact:
                person.found_by.append(one)
        # The same contact id may belong to other people in other accounts.
        if person.found_by or not without_account.isdisjoint(same_ids):
            matched.append(person)
    known = {key for name in person_of for key in (name, (name[0], "", name[2]))}
    unmatched = [
        one for one in references if (one["vendor"], one["account_id"], one["contact_id"]) not in known
    ]
    return matched, unmatched


def compute_age(connection: sa.Connection, tables: PeopleTables) -> timedelta | None:
    """Return how much older the people are than the contacts, or None if they were never resolved."""
    import sqlalchemy as sa

    state = tables.state
    row = connection.execute(
        sa.select(state.c.changed_at).where(state.c.name == CONTACTS_CHANGED_AT)
    ).one_or_none()
    if row is None:
        return None
    changed_at = find_last_change(connection, tables.contacts)
    if changed_at is None:
        return timedelta()
    resolved: datetime | None = to_utc(row.changed_at) if row.changed_at else None
    # Rounded up: any difference counts, and fractions of seconds are noise in messages.
    seconds = math.ceil((changed_at - resolved).total_seconds()) if resolved else None
    return None if seconds is None else timedelta(seconds=max(0, seconds))


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
    own = [
        people.c[name]
        for name in (
            "person_id",
            "vendor",
            "account_id",
            "contact_id",
            "matched_on",
            "set_aside",
            "stop_digest",
        )
    ]  # fmt: skip - a list of names
    query = (
        sa.select(
            *own,
            sa.case((contacts.c.contact_id.is_not(None) & is_present(contacts), 1), else_=0).label(
                "is_present"
            ),
            *(contacts.c[name] for name in _FIELDS),
        )
        .select_from(people.outerjoin(contacts, is_same_contact(people, contacts)))
        .order_by(people.c.vendor, people.c.account_id, people.c.contact_id)
    )
    found: dict[str, Person] = {}
    remaining = iter(sorted(person_ids))
    while part := list(islice(remaining, _IDS_PER_QUERY)):
        for row in connection.execute(query.where(people.c.person_id.in_(part))).mappings():
            person = found.setdefault(row["person_id"], Person(row["person_id"]))
            person.contacts.append(
                PersonContact(
                    row["vendor"],
                    row["account_id"],
                    row["contact_id"],
                    row["matched_on"],
                    row["set_aside"],
                    bool(row["is_present"]),
                    parse_lists({name: row[name] for name in _FIELDS}),
                    row["stop_digest"],
                )
            )
    return list(found.values())
