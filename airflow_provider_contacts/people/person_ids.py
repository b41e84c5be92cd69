"""The ids of people, which stay the same from one run to the next."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

_ID_LENGTH = 32


@dataclass(frozen=True, slots=True)
class PersonId:
    """The id of a person.

    :param since: when the id was first given, in UTC.
    """

    person_id: str
    since: datetime


@dataclass(frozen=True, slots=True, repr=False)
class Assignment:
    """The ids of people.

    :param ids: by the position of the person's first contact.
    :param merged: how many ids are not used any more, because their contacts belong to a person with another id.
    :param split: how many ids had contacts that now belong to several people.
    """

    ids: Mapping[int, PersonId]
    merged: int
    split: int


def assign_ids(
    group_of: Sequence[int], references: Sequence[str], previous: Sequence[PersonId | None], now: datetime
) -> Assignment:
    """Give every person an id. It does not depend on the order of the contacts.

    A person keeps the id of their contacts. If these have several, the person keeps the oldest. If the contacts of an id now belong
    to several people, the id stays with most of them.

    :param group_of: for each contact, the position of the first contact of the same person.
    :param references: for each contact, text that identifies it.
    :param previous: for each contact, the id of its person in the previous run, or None.
    """
    first: dict[int, str] = {}
    for reference, group in zip(references, group_of, strict=True):
        first[group] = min(first.get(group, reference), reference)
    # How many contacts of a person each group has.
    counts = Counter(
        (person, group) for person, group in zip(previous, group_of, strict=True) if person is not None
    )
    keepers = _find_keepers(counts, first)
    ids: dict[int, PersonId] = {}
    for person, group in keepers.items():
        if group not in ids or _age(person) < _age(ids[group]):
            ids[group] = person
    merged = len(keepers) - len(ids)
    taken = {person.person_id for person in keepers}
    for group in sorted(first, key=first.__getitem__):
        if group not in ids:
            ids[group] = PersonId(_create_id(first[group], taken), now)
            taken.add(ids[group].person_id)
    groups_per_person = Counter(person for person, _ in counts)
    return Assignment(ids, merged, split=sum(count > 1 for count in groups_per_person.values()))


def _find_keepers(
    counts: Mapping[tuple[PersonId, int], int], first: Mapping[int, str]
) -> dict[PersonId, int]:
    """Return, for each previous id, the group with most of its contacts."""
    keepers: dict[PersonId, int] = {}
    for (person, group), count in counts.items():
        current = keepers.get(person)
        if current is None or (-count, first[group]) < (-counts[person, current], first[current]):
            keepers[person] = group
    return keepers


def _age(person: PersonId) -> tuple[datetime, str]:
    return person.since, person.person_id


def _create_id(reference: str, taken: set[str]) -> str:
    number = 0
    while True:
        person_id = hashlib.sha256(f"{number} {reference}".encode()).hexdigest()[:_ID_LENGTH]
        if person_id not in taken:
            return person_id
        number += 1
