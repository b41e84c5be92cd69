"""Group contacts by person. This module does no I/O.

Contacts belong to one person if they share a LinkedIn profile, an e-mail address or a phone number.
Many such keys are shared by strangers: role mailboxes, the phone of an office, a number that was
given to someone else. A key that would merge strangers is set aside: it joins nothing, and the
reason is reported.

Keys join from the most to the least reliable kind, and a key of one kind must not contradict the
kinds before it: an address joins contacts with one LinkedIn profile only, and a number joins
contacts with one profile and one address only. A number alone joins at most one contact of each
account, and none whose names disagree. What is joined depends on the set of contacts, and not on
their order.
"""

from __future__ import annotations

import sys
from array import array
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from airflow_provider_contacts.identity_keys import (
    is_member_id,
    normalize_email,
    normalize_linkedin,
    normalize_phone,
)
from airflow_provider_contacts.people.names import may_be_same_name
from airflow_provider_contacts.people.non_personal_keys import (
    is_company_phone,
    is_placeholder_phone,
    is_placeholder_profile,
    is_role_mailbox,
)
from airflow_provider_contacts.people.union_find import UnionFind

Kind = Literal["linkedin", "email", "phone"]
# From the most to the least reliable.
KINDS: tuple[Kind, ...] = ("linkedin", "email", "phone")

Reason = Literal["invalid", "placeholder", "role_mailbox", "company_number", "too_many_contacts", "conflict"]


@dataclass(frozen=True, slots=True)
class KeyLimits:
    """Limits above which a key joins no contacts.

    :param max_contacts_per_key: a key that more contacts share is set aside.
    :param max_contacts_per_person: keys that would join more contacts are set aside.
    :param max_emails_per_person: keys that would join contacts with more different e-mail addresses
        are set aside.
    """

    max_contacts_per_key: int = 20
    max_contacts_per_person: int = 30
    max_emails_per_person: int = 3


@dataclass(frozen=True, slots=True, repr=False)
class ContactGroups:
    """Which contacts belong to one person, by the position in which they were added.

    :param group_of: for each contact, the smallest position of a contact of the same person.
    :param matched_on: for each contact, the kinds of keys that it shares with others of the person,
        joined by commas.
    :param set_aside: for each contact, its keys that were set aside, as ``kind:reason``, joined by
        commas.
    :param counts: how many different keys were set aside, by ``kind:reason``. Invalid values count
        once per contact.
    """

    group_of: Sequence[int]
    matched_on: Sequence[str]
    set_aside: Sequence[str]
    counts: Mapping[str, int]


class ContactGrouper:
    """Collects the keys of contacts, and groups the contacts, in memory for the keys."""

    def __init__(self, limits: KeyLimits | None = None) -> None:
        self._limits = limits or KeyLimits()
        self._keys: dict[Kind, list[str | None]] = {kind: [] for kind in KINDS}
        self._set_aside: dict[Kind, dict[int, Reason]] = {kind: {} for kind in KINDS}
        # Of contacts with a number.
        self._names: dict[int, str] = {}
        self._accounts: dict[int, str] = {}

    def add(
        self,
        *,
        email: str | None,
        phone: str | None,
        country: str | None,
        linkedin_url: str | None,
        default_region: str = "",
        name: str | None = None,
        account: str | None = None,
    ) -> None:
        """Add a contact.

        :param account: identifies the vendor's account that the contact belongs to, if it is known.
        :param default_region: ISO 3166 alpha-2 code of the country of its phone number, if the
            contact has no country.
        """
        address = normalize_email(email)
        number = normalize_phone(phone, country, default_region)
        handle = normalize_linkedin(linkedin_url)
        if number:
            contact = len(self._keys["phone"])
            if account is not None:
                self._accounts[contact] = sys.intern(account)
            if name and name.strip():
                self._names[contact] = name
        self._add_key(
            "linkedin",
            linkedin_url,
            handle,
            "placeholder" if handle and is_placeholder_profile(handle) else None,
        )
        self._add_key(
            "email", email, address, "role_mailbox" if address and is_role_mailbox(address) else None
        )
        self._add_key(
            "phone", phone, number, "placeholder" if number and is_placeholder_phone(number) else None
        )

    def _add_key(self, kind: Kind, given: str | None, key: str | None, problem: Reason | None) -> None:
        keys = self._keys[kind]
        if key is None and given and given.strip():
            problem = "invalid"
        if problem is not None:
            self._set_aside[kind][len(keys)] = problem
        keys.append(key)

    def group(self) -> ContactGroups:
        """Group the contacts that were added."""
        groups = _Groups(self._keys)
        count = len(self._keys["email"])
        # One bit per kind.
        matched = bytearray(count)
        for bit, kind in enumerate(KINDS):
            for contacts in self._select_joining_keys(kind, groups):
                groups.join(contacts)
                for contact in contacts:
                    matched[contact] |= 1 << bit
        texts = [
            ",".join(kind for bit, kind in enumerate(KINDS) if mask >> bit & 1)
            for mask in range(1 << len(KINDS))
        ]
        return ContactGroups(
            array("q", map(groups.find, range(count))),
            [texts[mask] for mask in matched],
            [sys.intern(self._describe_set_aside(contact)) for contact in range(count)],
            self._count_set_aside(),
        )

    def _select_joining_keys(self, kind: Kind, groups: _Groups) -> list[Sequence[int]]:
        """Return the contacts of each key of a kind that joins them. Set others aside."""
        candidates: list[Sequence[int]] = []
        for contacts in self._list_shared(kind):
            key = self._keys[kind][contacts[0]]
            if len(contacts) > self._limits.max_contacts_per_key:
                self._exclude(kind, contacts, "too_many_contacts")
            elif kind == "phone" and key is not None and is_company_phone(key):
                self._exclude(kind, contacts, "company_number")
            elif kind == "phone" and self._are_strangers(groups, contacts):
                self._exclude(kind, contacts, "conflict")
            elif problem := self._find_problem(kind, groups, groups.find_all(contacts)):
                self._exclude(kind, contacts, problem)
            else:
                candidates.append(contacts)
        # Keys that are fine one by one can join too much together. Then none of them does, whatever
        # their order is.
        problems = self._find_problems_together(kind, groups, candidates)
        joining: list[Sequence[int]] = []
        for contacts in candidates:
            problem = problems.get(groups.find(contacts[0]))
            if problem is None or len(groups.find_all(contacts)) == 1:
                joining.append(contacts)
            else:
                self._exclude(kind, contacts, problem)
        return joining

    def _find_problems_together(
        self, kind: Kind, groups: _Groups, candidates: Sequence[Sequence[int]]
    ) -> dict[int, Reason]:
        """Return why several keys of a kind together must not join groups, by group."""
        together = UnionFind(len(self._keys[kind]))
        for contacts in candidates:
            together.join(groups.find_all(contacts))
        keys = Counter(together.find(groups.find(contacts[0])) for contacts in candidates)
        members: dict[int, set[int]] = defaultdict(set)
        for contacts in candidates:
            root = together.find(groups.find(contacts[0]))
            if keys[root] > 1:
                members[root].update(contacts)
        problems: dict[int, Reason] = {}
        for joined in members.values():
            found = groups.find_all(joined)
            problem = self._find_problem(kind, groups, found)
            if problem is None and kind == "phone" and self._are_strangers(groups, joined):
                problem = "conflict"
            if problem is not None:
                problems.update(dict.fromkeys(found, problem))
        return problems

    def _are_strangers(self, groups: _Groups, contacts: Collection[int]) -> bool:
        """Return whether contacts of one number are of several people.

        They are if two of them are in one account of a vendor, or have names that disagree, and no
        other key says that they are one person.
        """
        if len(groups.find_all(contacts)) == 1:
            return False
        of_account: dict[str, int] = {}
        for contact in contacts:
            group = groups.find(contact)
            account = self._accounts.get(contact)
            if account is not None and of_account.setdefault(account, group) != group:
                return True
        named = [
            (groups.find(contact), self._names[contact]) for contact in contacts if contact in self._names
        ]
        return any(
            group != other_group and not may_be_same_name(name, other)
            for index, (group, name) in enumerate(named)
            for other_group, other in named[:index]
        )

    def _list_shared(self, kind: Kind) -> Iterator[Sequence[int]]:
        """Yield the contacts of each key that several contacts have and that is not set aside."""
        keys = self._keys[kind]
        set_aside = self._set_aside[kind]
        order = [contact for contact, key in enumerate(keys) if key is not None and contact not in set_aside]
        order.sort(key=lambda contact: keys[contact] or "")
        for _, contacts in groupby(order, key=keys.__getitem__):
            shared = array("q", contacts)
            if len(shared) > 1:
                yield shared

    def _find_problem(self, kind: Kind, groups: _Groups, found: set[int]) -> Reason | None:
        """Return why a key of a kind must not join groups, or None."""
        if len(found) == 1:
            return None
        if groups.count_contacts(found) > self._limits.max_contacts_per_person:
            return "too_many_contacts"
        contradicts_profile = kind != "linkedin" and groups.have_conflict("linkedin", found)
        contradicts_email = kind == "phone" and groups.have_conflict("email", found)
        has_too_many_emails = len(groups.list_keys("email", found)) > self._limits.max_emails_per_person
        return "conflict" if contradicts_profile or contradicts_email or has_too_many_emails else None

    def _exclude(self, kind: Kind, contacts: Iterable[int], reason: Reason) -> None:
        self._set_aside[kind].update(dict.fromkeys(contacts, reason))

    def _describe_set_aside(self, contact: int) -> str:
        found = ((kind, self._set_aside[kind].get(contact)) for kind in KINDS)
        return ",".join(f"{kind}:{reason}" for kind, reason in found if reason)

    def _count_set_aside(self) -> dict[str, int]:
        counts: Counter[str] = Counter()
        for kind in KINDS:
            keys = self._keys[kind]
            found = {(reason, keys[contact] or contact) for contact, reason in self._set_aside[kind].items()}
            counts.update(f"{kind}:{reason}" for reason, _ in found)
        return dict(sorted(counts.items()))


class _Groups:
    """Contacts that are known to be of one person. A group is known by its smallest position.

    :param keys: by kind, the key of each contact.
    """

    def __init__(self, keys: Mapping[Kind, Sequence[str | None]]) -> None:
        self._own_keys = keys
        self._union = UnionFind(len(keys["email"]))
        self._sizes: dict[int, int] = {}
        # Only of groups that have other keys than their first contact. Tuples need less memory than
        # sets.
        self._keys: dict[Kind, dict[int, tuple[str, ...]]] = {"linkedin": {}, "email": {}}

    def find(self, contact: int) -> int:
        """Return the group of a contact."""
        return self._union.find(contact)

    def find_all(self, contacts: Iterable[int]) -> set[int]:
        """Return the groups of contacts."""
        return {self._union.find(contact) for contact in contacts}

    def count_contacts(self, groups: Iterable[int]) -> int:
        """Return how many contacts groups have."""
        return sum(self._sizes.get(group, 1) for group in groups)

    def list_keys(self, kind: Kind, groups: Iterable[int]) -> frozenset[str]:
        """Return the different keys of groups, also of those that are set aside."""
        return frozenset[str]().union(*(self._keys_of(kind, group) for group in groups))

    def have_conflict(self, kind: Kind, groups: Iterable[int]) -> bool:
        """Return whether several groups have keys of a kind, and not the same one."""
        found = [keys for group in groups if (keys := self._keys_of(kind, group))]
        return len(found) > 1 and len(frozenset[str]().union(*found)) > 1

    def join(self, contacts: Iterable[int]) -> None:
        """Join the groups of contacts."""
        groups = self.find_all(contacts)
        if len(groups) == 1:
            return
        size = self.count_contacts(groups)
        keys = {kind: self.list_keys(kind, groups) for kind in self._keys}
        joined = self._union.join(groups)
        for group in groups:
            self._sizes.pop(group, None)
            for kept in self._keys.values():
                kept.pop(group, None)
        self._sizes[joined] = size
        for kind, found in keys.items():
            if found != frozenset(self._own_key(kind, joined)):
                self._keys[kind][joined] = tuple(found)

    def _keys_of(self, kind: Kind, group: int) -> tuple[str, ...]:
        found = self._keys[kind].get(group)
        return self._own_key(kind, group) if found is None else found

    def _own_key(self, kind: Kind, contact: int) -> tuple[str, ...]:
        key = self._own_keys[kind][contact]
        # A profile has a member id in addition to its handle, and placeholders say nothing.
        says_nothing = key is None or (
            kind == "linkedin" and (is_member_id(key) or is_placeholder_profile(key))
        )
        return () if key is None or says_nothing else (key,)
