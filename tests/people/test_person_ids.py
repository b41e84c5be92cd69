"""Ids of people from one run to the next."""

from __future__ import annotations

import hashlib
import random
from datetime import datetime, timedelta, timezone
from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_contacts.people.person_ids import IdAssignment, PersonId, assign_ids

NOW = datetime(2026, 1, 2, tzinfo=timezone.utc)
OLD = PersonId("old", NOW - timedelta(days=9))
NEW = PersonId("new", NOW - timedelta(days=1))


def assign(groups: str, previous: list[PersonId | None] | None = None) -> IdAssignment:
    """Assign ids to contacts, given the group of each as a letter."""
    return assign_in_order(groups, list(range(len(groups))), previous or [None] * len(groups))


def assign_in_order(groups: str, order: list[int], previous: list[PersonId | None]) -> IdAssignment:
    """Assign ids to the contacts in an order."""
    people = sorted({one for one in previous if one}, key=lambda one: one.person_id)
    letters = [groups[position] for position in order]
    return assign_ids(
        [letters.index(letter) for letter in letters],
        [f"contact {position}" for position in order],
        people,
        [people.index(one) if (one := previous[position]) else -1 for position in order],
        NOW,
    )


def ids(found: IdAssignment) -> list[PersonId]:
    """Return the id of each contact's person."""
    return [found.people[position] for position in found.person_of]


def test_new_people_get_different_ids() -> None:
    found = assign("aab")
    first, second, other = ids(found)
    assert first == second
    assert first.person_id != other.person_id
    assert {first.since, other.since} == {NOW}
    assert (found.merged, found.split) == (0, 0)
    assert len(first.person_id) == 32


def test_people_keep_their_ids() -> None:
    assert ids(assign("aab", [NEW, NEW, OLD])) == [NEW, NEW, OLD]
    assert ids(assign("aaa", [None, NEW, None])) == [NEW, NEW, NEW]


def test_a_merge_keeps_the_older_id() -> None:
    found = assign("aaa", [NEW, NEW, OLD])
    assert ids(found) == [OLD] * 3
    assert (found.merged, found.split) == (1, 0)


def test_a_merge_of_three_keeps_the_oldest_id_wherever_it_is() -> None:
    for days in permutations((9, 5, 1)):
        ages = [PersonId(name, NOW - timedelta(days=age)) for name, age in zip("abc", days, strict=True)]
        found = assign("aaa", [*ages])
        assert ids(found) == [min(ages, key=lambda one: one.since)] * 3
        assert (found.merged, found.split) == (2, 0)


def test_an_id_whose_contacts_are_gone_stays_unused() -> None:
    found = assign_ids([0], ["contact 0"], [NEW, OLD], [1], NOW)
    assert ids(found) == [OLD]


def test_an_id_is_made_from_the_first_reference() -> None:
    def digest(number: int) -> str:
        return hashlib.sha256(f"{number} contact 0".encode()).hexdigest()[:32]

    assert {one.person_id for one in ids(assign("aa"))} == {digest(0)}
    taken = [PersonId(digest(number), NOW) for number in range(3)]
    [new] = ids(assign_ids([0], ["contact 0"], taken, [-1], NOW))
    assert new.person_id == digest(3)


def test_a_split_is_counted_and_most_contacts_keep_the_id() -> None:
    found = assign("abb", [OLD, OLD, OLD])
    assert ids(found)[1:] == [OLD, OLD]
    assert ids(found)[0] not in (OLD, NEW)
    assert (found.merged, found.split) == (0, 1)
    # With as many contacts, the one with the first contact keeps it.
    assert ids(assign("ab", [OLD, OLD]))[0] == OLD


def test_an_id_that_left_with_other_contacts_is_not_given_again() -> None:
    [first] = ids(assign("a"))
    moved = ids(assign("ab", [None, first]))
    assert moved[1] == first
    assert moved[0].person_id != first.person_id


groupings = st.text("abcd", min_size=1, max_size=10)


@given(groupings, groupings, st.randoms(use_true_random=False))
def test_ids_are_stable_and_unique(before: str, after: str, randomness: random.Random) -> None:
    count = min(len(before), len(after))
    before, after = before[:count], after[:count]
    previous: list[PersonId | None] = [*ids(assign(before))]
    again = assign(before, previous)
    assert (ids(again), again.merged, again.split) == (previous, 0, 0)

    later = assign(after, previous)
    by_letter: dict[str, set[PersonId]] = {}
    for letter, person in zip(after, ids(later), strict=True):
        by_letter.setdefault(letter, set()).add(person)
    assert all(len(people) == 1 for people in by_letter.values())
    assert len(set(ids(later))) == len(by_letter)
    for letter, [person] in by_letter.items():
        known = {one for one, other in zip(previous, after, strict=True) if other == letter}
        assert person in known or person.since == NOW

    order = list(range(count))
    randomness.shuffle(order)
    shuffled = assign_in_order(after, order, previous)
    assert ids(shuffled) == [ids(later)[position] for position in order]
    assert (shuffled.merged, shuffled.split) == (later.merged, later.split)
    assert shuffled.people == later.people
