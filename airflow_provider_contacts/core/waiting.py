"""A wait for contacts: who is waited for, when it is over, and how many failures in a row it bears."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from airflow_provider_contacts.contact import Reference
from airflow_provider_contacts.errors import CANNOT_HEAL, ContactsError

# Account id, empty for whichever, and contact id.
Identity = tuple[str, str]

_NAMED = 20


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

    def met(self, references: Sequence[Reference]) -> list[Reference] | None:
        """Take the contacts that meet the condition now; return those that were waited for, or None to go on."""
        self.failures = 0
        if self.who is None:
            wanted = list(references)
        else:
            here = {(one["account_id"], one["contact_id"]) for one in references}
            here |= {("", contact_id) for _, contact_id in here}
            self.missing = [identity for identity in self.who if identity not in here]
            asked = set(self.who)
            wanted = [
                one
                for one in references
                if (one["account_id"], one["contact_id"]) in asked or ("", one["contact_id"]) in asked
            ]
        self.found = len(wanted) if self.who is None else len(self.who) - len(self.missing)
        return wanted if self.found >= self.min_count else None

    def failed(self, error: ContactsError) -> bool:
        """Take a poll that failed; return whether the wait ends with its error."""
        self.failures += 1
        return isinstance(error, CANNOT_HEAL) or self.failures > self.max_consecutive_failures

    def __str__(self) -> str:
        if self.who is None:
            return f"{self.found} contact(s) meet the condition, {self.min_count} are waited for"
        named = ", ".join(contact_id for _, contact_id in self.missing[:_NAMED])
        more = " and more" if len(self.missing) > _NAMED else ""
        return (
            f"{self.found} of {len(self.who)} contact(s) meet the condition, {self.min_count} are waited for; not yet, "
            f"or unknown to the vendor: {named or 'nobody'}{more}"
        )


def references_of(value: Any) -> list[Reference]:
    """Return references that came as JSON.

    :raises ValueError: if they are none.
    """
    references: list[Reference] = msgspec.convert(value, list[Reference])
    return references
