"""Assign ids to people that stay the same from run to run."""

from __future__ import annotations

import hashlib
from array import array
from collections import Counter
from collections.abc import Sequence
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
class IdAssignment:
    """The ids of people.

    :param people: the previous people, and then the new ones.
    :param person_of: for each contact, the position of its person in ``people``.
    :param merged: how many ids are not used any more, because their contacts belong to a person
        with another id.
    :param split: how many ids had contacts that now belong to several people.
    """

    people: Sequence[PersonId]
    person_of: Sequence[int]
    merged: int
    split: int


def assign_ids(
    group_of: Sequence[int],
    references: Sequence[str],
    previous_people: Sequence[PersonId],
    previous_person_of: Sequence[int],
    now: datetime,
) -> IdAssignment:
    """Assign an id to every person. The order of the contacts does not matter.

    A person keeps the id of their contacts. If these have several, the person keeps the oldest. If
    the contacts of an id now belong to several people, the id stays with most of them.

    :param group_of: for each contact, the position of the first contact of the same person.
    :param references: for each contact, text that identifies it.
    :param previous_people: the people of the previous run, each once.
    :param previous_person_of: for each contact, the position of its person among them, or -1.
    :param now: the time of new ids, in UTC.
    """
    # Arrays: there may be millions of contacts.
    first = array("q", [-1]) * len(group_of)
    for contact, group in enumerate(group_of):
        if first[group] < 0 or references[contact] < references[first[group]]:
            first[group] = contact
    keepers, split = _find_keepers(group_of, references, first, len(previous_people), previous_person_of)
    person_of_group = array("q", [-1]) * len(group_of)
    merged = 0
    for person, group in enumerate(keepers):
        if group < 0:
            continue
        other = person_of_group[group]
        merged += other >= 0
        if other < 0 or _age(previous_people[person]) < _age(previous_people[other]):
            person_of_group[group] = person
    people = list(previous_people)
    taken = {person.person_id for person in people}
    new_groups = [group for group, contact in enumerate(first) if contact >= 0 and person_of_group[group] < 0]
    for group in sorted(new_groups, key=lambda group: references[first[group]]):
        person_of_group[group] = len(people)
        people.append(PersonId(_create_id(references[first[group]], taken), now))
        taken.add(people[-1].person_id)
    return IdAssignment(people, array("q", (person_of_group[group] for group in group_of)), merged, split)


def _find_keepers(
    group_of: Sequence[int],
    references: Sequence[str],
    first: Sequence[int],
    count: int,
    previous_person_of: Sequence[int],
) -> tuple[Sequence[int], int]:
    """Return the group with most contacts of each previous person, or -1; and the splits."""
    keepers = array("q", [-1]) * count
    split: set[int] = set()
    for person, group in zip(previous_person_of, group_of, strict=True):
        if person >= 0 and keepers[person] < 0:
            keepers[person] = group
        elif person >= 0 and keepers[person] != group:
            split.add(person)
    sizes = Counter(
        (person, group) for person, group in zip(previous_person_of, group_of, strict=True) if person in split
    )
    best: dict[int, tuple[int, str, int]] = {}
    for (person, group), size in sizes.items():
        rank = (-size, references[first[group]], group)
        best[person] = min(best.get(person, rank), rank)
    for person, (_, _, group) in best.items():
        keepers[person] = group
    return keepers, len(split)


def _age(person: PersonId) -> tuple[datetime, str]:
    return person.since, person.person_id


def _create_id(reference: str, taken: set[str]) -> str:
    number = 0
    while True:
        person_id = hashlib.sha256(f"{number} {reference}".encode()).hexdigest()[:_ID_LENGTH]
        if person_id not in taken:
            return person_id
        number += 1
