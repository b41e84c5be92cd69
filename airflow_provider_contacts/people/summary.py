"""What a table of people says, in numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby

from airflow_provider_contacts.databases import sa

_ROWS_PER_FETCH = 1000


@dataclass(frozen=True, slots=True)
class Summary:
    """Numbers of people and contacts.

    :param people: by the vendors at which people have contacts, in alphabetical order.
    :param contacts: by the same vendors.
    :param set_aside: how many contacts have a key that was set aside, by kind and reason.
    """

    people: Mapping[tuple[str, ...], int]
    contacts: Mapping[tuple[str, ...], int]
    set_aside: Mapping[tuple[str, str], int]


def summarize_people(connection: sa.Connection, people: sa.Table) -> Summary:
    """Return how many people have contacts at which vendors, and what was set aside."""
    columns = people.c
    per_vendor = (
        sa.select(columns.person_id, columns.vendor, sa.func.count().label("contacts"))
        .group_by(columns.person_id, columns.vendor)
        .order_by(columns.person_id, columns.vendor)
    )
    counts: Counter[tuple[str, ...]] = Counter()
    contacts: Counter[tuple[str, ...]] = Counter()
    result = connection.execute(per_vendor.execution_options(yield_per=_ROWS_PER_FETCH))
    for _, rows in groupby(result, key=lambda row: row.person_id):
        found = list(rows)
        vendors = tuple(row.vendor for row in found)
        counts[vendors] += 1
        contacts[vendors] += sum(row.contacts for row in found)
    set_aside: Counter[tuple[str, str]] = Counter()
    query = sa.select(columns.set_aside, sa.func.count()).group_by(columns.set_aside)
    for text, number in connection.execute(query):
        for part in filter(None, text.split(",")):
            kind, _, reason = part.partition(":")
            set_aside[kind, reason] += number
    return Summary(dict(counts), dict(contacts), dict(set_aside))


def find_person_rows(
    connection: sa.Connection, people: sa.Table, vendor: str, account_id: str | None, contact_id: str
) -> list[dict[str, object]]:
    """Return the rows of the people of a contact, without personal data.

    :param account_id: None for all accounts of the vendor.
    """
    columns = people.c
    is_contact = (columns.vendor == vendor) & (columns.contact_id == contact_id)
    if account_id is not None:
        is_contact &= columns.account_id == account_id
    person_ids = sa.select(columns.person_id).where(is_contact)
    query = (
        sa.select(*columns)
        .where(columns.person_id.in_(person_ids))
        .order_by(columns.person_id, columns.vendor, columns.account_id, columns.contact_id)
    )
    return [{str(name): value for name, value in row.items()} for row in connection.execute(query).mappings()]
