"""Which contacts belong to one person."""

from __future__ import annotations

import random
from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_contacts.people.identity import ContactGrouper, ContactGroups, KeyLimits

Fields = dict[str, str | None]


def contact(email: str | None = None, phone: str | None = None, handle: str | None = None) -> Fields:
    url = f"https://www.linkedin.com/in/{handle}" if handle else None
    return {"email": email, "phone": phone, "country": None, "linkedin_url": url}


def group(contacts: list[Fields], limits: KeyLimits | None = None) -> ContactGroups:
    grouper = ContactGrouper(limits)
    for one in contacts:
        grouper.add(**one)
    return grouper.group()


def people(contacts: list[Fields], limits: KeyLimits | None = None) -> set[frozenset[int]]:
    found: dict[int, set[int]] = defaultdict(set)
    for position, first in enumerate(group(contacts, limits).group_of):
        found[first].add(position)
    return {frozenset(positions) for positions in found.values()}


PHONE = "+12015550143"
OTHER_PHONE = "+12025550172"


def test_each_kind_of_key_joins() -> None:
    contacts = [
        contact(handle="Ada-L"),
        contact(" ADA@Engines.example", handle="ada-l"),
        contact("ada@engines.example", PHONE),
        contact(phone="1 (201) 555-0143"),
    ]
    found = group(contacts)
    assert list(found.group_of) == [0, 0, 0, 0]
    assert found.matched_on == ["linkedin", "linkedin,email", "email,phone", "phone"]
    assert found.set_aside == ["", "", "", ""]
    assert found.counts == {}


def test_a_key_of_one_contact_joins_nothing() -> None:
    found = group([contact("ada@engines.example", PHONE, "ada"), contact()])
    assert list(found.group_of) == [0, 1]
    assert found.matched_on == ["", ""]


@pytest.mark.parametrize(
    ("email", "other"),
    [
        ("info@engines.example", "info@engines.example"),
        ("Sales@engines.example", "sales@Engines.example"),
        ("no-reply@engines.example", "no-reply@engines.example"),
        ("info2+ada@engines.example", "info2+ada@engines.example"),
    ],
)
def test_role_mailboxes_are_set_aside(email: str, other: str) -> None:
    found = group([contact(email), contact(other)])
    assert list(found.group_of) == [0, 1]
    assert found.set_aside == ["email:role_mailbox"] * 2
    assert found.counts == {"email:role_mailbox": 1}


@pytest.mark.parametrize("phone", ["+491111111111", "+493012345678", "+4930987654"])
def test_placeholder_numbers_are_set_aside(phone: str) -> None:
    found = group([contact(phone=phone), contact(phone=phone)])
    assert list(found.group_of) == [0, 1]
    assert set(found.set_aside) <= {"phone:placeholder", "phone:invalid"}
    assert sum(found.counts.values()) > 0


def test_placeholder_profiles_are_set_aside() -> None:
    found = group(
        [
            contact("ada@engines.example", handle="undefined"),
            contact("grace@engines.example", handle="Undefined"),
        ]
    )
    assert list(found.group_of) == [0, 1]
    assert found.counts == {"linkedin:placeholder": 1}
    # They do not contradict anything either.
    assert (
        len(
            people(
                [contact("ada@engines.example", handle="null"), contact("ada@engines.example", handle="ada")]
            )
        )
        == 1
    )


def test_extensions_are_different_numbers() -> None:
    assert len(people([contact(phone=f"{PHONE} ext. 12"), contact(phone=f"{PHONE} ext. 34")])) == 2
    assert len(people([contact(phone=f"{PHONE} ext. 12"), contact(phone=f"{PHONE} x12")])) == 1


def test_numbers_of_companies_are_set_aside() -> None:
    found = group([contact(phone="+18005550143")] * 2)
    assert list(found.group_of) == [0, 1]
    assert found.counts == {"phone:company_number": 1}


def test_a_member_id_does_not_conflict_with_a_handle() -> None:
    contacts = [
        contact("ada@engines.example", handle="ACoAAB0b1x2cDeF"),
        contact("ada@engines.example", handle="ada"),
    ]
    assert len(people(contacts)) == 1


def test_invalid_values_are_set_aside() -> None:
    found = group([contact("n/a", "12", None), {**contact(), "linkedin_url": "https://example.com"}])
    assert found.set_aside == ["email:invalid,phone:invalid", "linkedin:invalid"]
    assert found.counts == {"email:invalid": 1, "linkedin:invalid": 1, "phone:invalid": 1}
    assert group([contact(" ", "", None)]).counts == {}


def test_a_key_of_too_many_contacts_is_set_aside() -> None:
    limits = KeyLimits(max_contacts_per_key=3)
    assert people([contact("ada@engines.example")] * 3, limits) == {frozenset({0, 1, 2})}
    found = group([contact("ada@engines.example")] * 4, limits)
    assert list(found.group_of) == [0, 1, 2, 3]
    assert found.counts == {"email:too_many_contacts": 1}


def test_an_office_phone_joins_no_one() -> None:
    ada = [contact("ada@engines.example", PHONE), contact("ada@engines.example")]
    grace = [contact("grace@engines.example", PHONE)]
    unknown = [contact(phone=PHONE)]
    assert people(ada + grace) == {frozenset({0, 1}), frozenset({2})}
    assert people(ada + grace + unknown) == {frozenset({0, 1}), frozenset({2}), frozenset({3})}
    assert people(ada + unknown) == {frozenset({0, 1, 2})}
    assert group(ada + grace).set_aside == ["phone:conflict", "", "phone:conflict"]


def test_all_addresses_of_a_person_can_conflict_with_a_number() -> None:
    # The first contact of the person has no address, but the second has.
    found = group(
        [
            contact(phone=PHONE, handle="ada"),
            contact("ada@a.example", handle="ada"),
            contact("eve@b.example", PHONE),
        ]
    )
    assert list(found.group_of) == [0, 0, 2]
    assert found.counts == {"phone:conflict": 1}


def test_several_addresses_of_one_person_do_not_conflict() -> None:
    contacts = [
        contact("a@a.example", PHONE, "ada"),
        contact("b@b.example", handle="ada"),
        contact(phone=PHONE),
    ]
    assert people(contacts) == {frozenset({0, 1, 2})}


def test_the_same_role_mailbox_does_not_conflict() -> None:
    contacts = [contact("info@a.example", PHONE), contact("info@a.example", PHONE)]
    assert people(contacts) == {frozenset({0, 1})}


def test_a_role_mailbox_counts_as_another_address() -> None:
    assert len(people([contact("ada@engines.example", PHONE), contact("info@engines.example", PHONE)])) == 2


def test_an_address_does_not_join_two_profiles() -> None:
    found = group([contact("team@engines.example.org", handle="ada"), contact(None, handle="ada")])
    assert list(found.group_of) == [0, 0]
    two = [contact("ada@engines.example", handle="ada"), contact("ada@engines.example", handle="grace")]
    assert len(people(two)) == 2
    assert group(two).counts == {"email:conflict": 1}


def test_a_profile_joins_several_addresses_up_to_the_limit() -> None:
    contacts = [contact(f"ada{number}@engines.example", handle="ada") for number in "abc"]
    assert len(people(contacts)) == 1
    assert len(people([*contacts, contact("adad@engines.example", handle="ada")])) == 4
    assert len(people(contacts, KeyLimits(max_emails_per_person=2))) == 3


def test_keys_that_conflict_only_together_are_set_aside() -> None:
    # Both numbers are of a person with the profile, but they lead to two addresses.
    contacts = [
        contact(phone=PHONE, handle="ada"),
        contact(phone=OTHER_PHONE, handle="ada"),
        contact("ada@engines.example", PHONE),
        contact("grace@engines.example", OTHER_PHONE),
    ]
    found = group(contacts)
    assert list(found.group_of) == [0, 0, 2, 3]
    assert found.counts == {"phone:conflict": 2}


def test_a_person_does_not_have_too_many_contacts() -> None:
    limits = KeyLimits(max_contacts_per_person=3)
    contacts = [contact(handle="ada"), contact("ada@engines.example", handle="ada")]
    contacts += [contact("ada@engines.example")] * 2
    assert people(contacts, limits) == {frozenset({0, 1}), frozenset({2}), frozenset({3})}
    assert len(people(contacts, KeyLimits(max_contacts_per_person=4))) == 1


def test_default_region() -> None:
    grouper = ContactGrouper()
    national = {"email": None, "phone": "(201) 555-0143", "linkedin_url": None}
    grouper.add(**national, country=None, default_region="CA")
    grouper.add(**national, country="USA", default_region="DE")
    grouper.add(**national, country=None)
    found = grouper.group()
    assert list(found.group_of) == [0, 0, 2]
    assert found.set_aside[2] == "phone:invalid"


emails = st.none() | st.sampled_from([f"{name}@engines.example" for name in ("ada", "grace", "mary", "info")])
phones = st.none() | st.sampled_from([PHONE, OTHER_PHONE, "+12015550199", "12"])
handles = st.none() | st.sampled_from(["ada", "grace", "mary"])
contacts_lists = st.lists(st.builds(contact, emails, phones, handles), max_size=14)
limits_drawn = st.builds(KeyLimits, st.integers(1, 6), st.integers(1, 6), st.integers(1, 3))


@given(contacts_lists, limits_drawn, st.randoms(use_true_random=False))
def test_the_order_does_not_matter(
    contacts: list[Fields], limits: KeyLimits, randomness: random.Random
) -> None:
    order = list(range(len(contacts)))
    randomness.shuffle(order)
    shuffled = {
        frozenset(order[position] for position in positions)
        for positions in people([contacts[position] for position in order], limits)
    }
    assert shuffled == people(contacts, limits)
    found = group(contacts, limits)
    again = group([contacts[position] for position in order], limits)
    assert [found.set_aside[position] for position in order] == again.set_aside
    assert [found.matched_on[position] for position in order] == again.matched_on
    assert found.counts == again.counts


@given(contacts_lists, limits_drawn)
def test_a_key_that_is_set_aside_merges_no_one(contacts: list[Fields], limits: KeyLimits) -> None:
    found = group(contacts, limits)
    # Everyone who is joined is joined by a key that was not set aside.
    for positions in people(contacts, limits):
        reached = {min(positions)}
        while True:
            keys = {key for position in reached for key in usable_keys(contacts, found, position)}
            more = {one for one in positions if keys & usable_keys(contacts, found, one)}
            if more <= reached:
                break
            reached |= more
        assert reached == positions


@given(contacts_lists, limits_drawn)
def test_people_stay_within_the_limits(contacts: list[Fields], limits: KeyLimits) -> None:
    for positions in people(contacts, limits):
        ones = [contacts[position] for position in positions]
        assert len({one["linkedin_url"] for one in ones} - {None}) <= 1
        assert len({one["email"] for one in ones} - {None}) <= limits.max_emails_per_person
        assert len(ones) <= max(1, limits.max_contacts_per_person)


@given(contacts_lists, limits_drawn)
def test_a_stranger_changes_nothing(contacts: list[Fields], limits: KeyLimits) -> None:
    stranger = contact("stranger@elsewhere.example", "+442079460018", "stranger")
    assert people([*contacts, stranger], limits) == people(contacts, limits) | {frozenset({len(contacts)})}


@given(contacts_lists, limits_drawn, st.data())
def test_removing_a_contact_does_not_affect_people_without_its_keys(
    contacts: list[Fields], limits: KeyLimits, data: Any
) -> None:
    if not contacts:
        return
    removed = data.draw(st.integers(0, len(contacts) - 1))
    related = {removed}
    while True:
        values = {value for one in related for name, value in contacts[one].items() if value}
        more = {one for one, fields in enumerate(contacts) if values & set(fields.values())}
        if more <= related:
            break
        related |= more
    kept = [position for position in range(len(contacts)) if position != removed]
    after = {
        frozenset(kept[position] for position in positions)
        for positions in people([contacts[position] for position in kept], limits)
    }
    before = people(contacts, limits)
    assert {one for one in before if not one & related} == {one for one in after if not one & related}


def usable_keys(contacts: list[Fields], found: ContactGroups, position: int) -> set[str]:
    aside = {part.partition(":")[0] for part in found.set_aside[position].split(",")}
    names = {"email": "email", "phone": "phone", "linkedin": "linkedin_url"}
    return {
        f"{kind}:{value}"
        for kind, name in names.items()
        if kind not in aside and (value := contacts[position][name])
    }
