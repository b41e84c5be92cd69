"""State of a wait: its contacts, its success and failures; and the pace of its polls."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import msgspec

from airflow_provider_contacts.contact import ContactKey, Reference
from airflow_provider_contacts.errors import ContactsError

_MAX_IDS_IN_MESSAGE = 20
# The longest pause after repeated failures.
_MAX_FAILURE_PAUSE_SECONDS = 900.0
# Random jitter as a fraction of the interval, so that polls of several triggers do not arrive
# together.
_JITTER_FRACTION = 0.05
_MAX_DOUBLINGS = 30


class Matches:
    """The contacts that match a condition, indexed so that many waits can look theirs up.

    :param references: as the vendor listed them.
    """

    def __init__(self, references: Sequence[Reference] = ()) -> None:
        self.references = references

    @cached_property
    def _by_contact_id(self) -> dict[str, list[Reference]]:
        index: dict[str, list[Reference]] = {}
        for reference in self.references:
            index.setdefault(reference["contact_id"], []).append(reference)
        return index

    def lookup(self, identity: ContactKey) -> list[Reference]:
        """Return the matches with a key: at most one, or with a bare id those of all accounts."""
        account_id, contact_id = identity
        matches = self._by_contact_id.get(contact_id, [])
        return [reference for reference in matches if account_id in ("", reference["account_id"])]


@dataclass(slots=True, repr=False)
class WaitState:
    """State of a wait after each poll.

    :param contacts: the contacts to wait for, or None for any.
    :param min_count: how many of them have to match.
    :param max_consecutive_failures: how many polls in a row may fail.
    :param failures: how many have failed in a row so far.
    :param matching: how many of the contacts matched at the last successful poll.
    :param missing: contacts that have not matched yet; empty when waiting for any contact.
    :param reported: the progress that was logged last.
    """

    contacts: Sequence[ContactKey] | None
    min_count: int
    max_consecutive_failures: int
    failures: int = 0
    matching: int = 0
    missing: Sequence[ContactKey] = ()
    reported: str = ""

    def __post_init__(self) -> None:
        self.missing = self.contacts or ()

    def observe(self, matches: Matches, max_contacts: int) -> list[Reference] | None:
        """Record a successful poll. Return the matching contacts if the wait is over, else None.

        :param max_contacts: how many references to return when waiting for any contact.
        """
        self.failures = 0
        if self.contacts is None:
            self.matching = len(matches.references)
            return list(matches.references[:max_contacts]) if self.matching >= self.min_count else None
        looked_up = [(identity, matches.lookup(identity)) for identity in self.contacts]
        self.missing = [identity for identity, references in looked_up if not references]
        self.matching = len(self.contacts) - len(self.missing)
        if self.matching < self.min_count:
            return None
        unique = {
            (reference["account_id"], reference["contact_id"]): reference
            for _, found in looked_up
            for reference in found
        }
        return list(unique.values())

    def record_failure(self, error: ContactsError) -> bool:
        """Record a failed poll. Return whether its error ends the wait."""
        self.failures += 1
        self.reported = ""  # the next successful poll shows that polling works again
        return error.permanent or self.failures > self.max_consecutive_failures

    def changed_progress(self) -> str:
        """Return the progress as a sentence, or an empty string if it has not changed."""
        progress = str(self)
        has_changed = progress != self.reported
        self.reported = progress
        return progress if has_changed else ""

    def __str__(self) -> str:
        if self.contacts is None:
            return f"{self.matching} contacts match, {self.min_count} required"
        ids = ["/".join(filter(None, identity)) for identity in self.missing[:_MAX_IDS_IN_MESSAGE]]
        more = len(self.missing) - len(ids)
        return (
            f"{self.matching} of {len(self.contacts)} contacts match, {self.min_count} required; no match "
            "yet, or not reported by the vendor: "
            f"{', '.join(ids) or 'none'}{f' and {more} more' if more else ''}"
        )


@dataclass(frozen=True, slots=True, repr=False)
class PollPace:
    """How long to wait from one poll to the next.

    :param interval: seconds.
    :param exponential: whether each pause is twice as long as the one before.
    :param max_pause: seconds that ``exponential`` may reach, or None.
    """

    interval: float
    exponential: bool = False
    max_pause: float | None = None

    def pause_after(self, polls: int, failures: int) -> float:
        """Return the seconds to wait.

        :param polls: how many polls have been made.
        :param failures: how many of the last polls have failed in a row.
        """
        pause = self.interval
        if self.exponential:
            pause = max(pause, 1.0) * 2 ** min(polls - 1, _MAX_DOUBLINGS)
            pause = pause if self.max_pause is None else min(pause, self.max_pause)
        if failures > 1:
            longer = pause * 2 ** min(failures - 1, _MAX_DOUBLINGS)
            pause = max(pause, min(longer, _MAX_FAILURE_PAUSE_SECONDS))
        return pause * random.uniform(1 - _JITTER_FRACTION, 1 + _JITTER_FRACTION)


def parse_references(value: object) -> list[Reference]:
    """Return references that arrive as JSON.

    :raises ValueError: if they are not references, or the list is empty.
    """
    try:
        references: list[Reference] = msgspec.convert(value, list[Reference])
    except msgspec.ValidationError as error:  # a ValueError only in newer versions of msgspec
        raise ValueError(str(error)) from None
    if not references:
        raise ValueError("the list of references is empty")
    return references
