"""A wait for contacts: who is waited for, when it is over, and how many failures in a row it bears."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec

from airflow_provider_contacts.contact import Reference
from airflow_provider_contacts.errors import CANNOT_HEAL, ContactsError

# Account id, empty for whichever, and contact id.
Identity = tuple[str, str]

_NAMED = 20


class Found:
    """The contacts that meet a condition, to be looked up by many waits.

    :param references: as the vendor listed them.
    """

    def __init__(self, references: Sequence[Reference] = ()) -> None:
        self.references = references

    @cached_property
    def _by_id(self) -> dict[str, list[Reference]]:
        found: dict[str, list[Reference]] = {}
        for one in self.references:
            found.setdefault(one["contact_id"], []).append(one)
        return found

    def of(self, identity: Identity) -> list[Reference]:
        """Return the contacts of an identity: one, or with a bare id those of all accounts."""
        account_id, contact_id = identity
        here = self._by_id.get(contact_id, [])
        return [one for one in here if account_id in ("", one["account_id"])]


@dataclass(slots=True, repr=False)
class Wait:
    """Where a wait stands after each poll.

    :param who: the contacts to wait for, or None for any.
    :param min_count: how many of them have to meet the condition.
    :param max_consecutive_failures: how many polls in a row may fail.
    :param failures: how many have failed in a row so far.
    :param found: how many contacts met the condition at the last poll that worked, of those that are waited for.
    :param missing: those that did not; of any contact none is missing.
    """

    who: Sequence[Identity] | None
    min_count: int
    max_consecutive_failures: int
    failures: int = 0
    found: int = 0
    missing: Sequence[Identity] = ()

    def __post_init__(self) -> None:
        self.missing = self.who or ()

    def met(self, found: Found) -> Sequence[Reference] | None:
        """Take the contacts that meet the condition now; return those that were waited for, or None to go on."""
        self.failures = 0
        if self.who is None:
            self.found = len(found.references)
            return found.references if self.found >= self.min_count else None
        by_identity = [(identity, found.of(identity)) for identity in self.who]
        self.missing = [identity for identity, references in by_identity if not references]
        self.found = len(self.who) - len(self.missing)
        if self.found < self.min_count:
            return None
        wanted = {(one["account_id"], one["contact_id"]): one for _, some in by_identity for one in some}
        return list(wanted.values())

    def failed(self, error: ContactsError) -> bool:
        """Take a poll that failed; return whether the wait ends with its error."""
        self.failures += 1
        return isinstance(error, CANNOT_HEAL) or self.failures > self.max_consecutive_failures

    def __str__(self) -> str:
        if self.who is None:
            return f"{self.found} contact(s) meet the condition, {self.min_count} are waited for"
        named = ", ".join("/".join(filter(None, identity)) for identity in self.missing[:_NAMED])
        more = " and more" if len(self.missing) > _NAMED else ""
        return (
            f"{self.found} of {len(self.who)} contact(s) meet the condition, {self.min_count} are waited for; not yet, "
            f"or unknown to the vendor: {named or 'nobody'}{more}"
        )


def references_of(value: Any) -> list[Reference]:
    """Return references that came as JSON.

    :raises ValueError: if they are none, or there is none.
    """
    references: list[Reference] = msgspec.convert(value, list[Reference])
    if not references:
        raise ValueError("there is no reference")
    return references
