"""The triggers that share a poll: what they ask, and when the next poll is due."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import time
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from airflow_provider_contacts.contact import ContactKey
from airflow_provider_contacts.core.waiting import Matches
from airflow_provider_contacts.errors import ContactsError

# Triggers that start within this time join the first poll.
JOIN_WINDOW_SECONDS = 2.0
# A trigger that starts or ends can bring the next poll forward, but not to less than this after the
# previous one. Otherwise each sensor would cause a poll.
MIN_SECONDS_BETWEEN_POLLS = 60.0


@dataclass(frozen=True, slots=True, repr=False)
class Question:
    """What one trigger wants to know. Equal questions are answered together.

    :param key: identifies the question; it may be logged.
    :param filters: the vendor's own parameters.
    :param condition: a condition as JSON types.
    """

    key: str
    filters: Mapping[str, object] | None = field(compare=False)
    condition: Mapping[str, object] = field(compare=False)

    @classmethod
    def create(cls, filters: Mapping[str, object] | None, condition: Mapping[str, object]) -> Question:
        """Return a question."""
        try:
            key = compute_fingerprint(filters, condition)
        except (TypeError, ValueError, RecursionError):
            # Not JSON; such a question is invalid, which the poll reports.
            key = f"{id(filters)}-{id(condition)}"
        return cls(key, filters, condition)


@dataclass(frozen=True, slots=True, repr=False)
class PollAnswer:
    """The answer of one poll to a question: the matching contacts, or what went wrong.

    :param matches: the contacts that match; if the listing is incomplete, those that were found.
    :param undecided: account ids and contact ids of contacts whose record does not report the
        condition.
    :param error: why there is no answer, or None.
    :param is_complete: whether all contacts were listed.
    """

    matches: Matches = field(default_factory=Matches)
    undecided: Sequence[ContactKey] = ()
    error: ContactsError | None = None
    is_complete: bool = True


@dataclass(frozen=True, slots=True, repr=False)
class Poll:
    """The answers of one poll, by the key of the question.

    :param started_at: when the poll began, as ``time.monotonic()``. A trigger that has joined later
        must not use its answers: what it waits for may have changed just before.
    """

    answers: Mapping[str, PollAnswer]
    started_at: float

    def answer(self, question: Question, joined_at: float) -> PollAnswer | None:
        """Return the answer to a question, or None if it was asked too late for this poll.

        :param joined_at: when the trigger joined, as ``time.monotonic()``.
        """
        return None if self.started_at < joined_at else self.answers.get(question.key)


class PollGroup:
    """What the triggers of a shared poll ask, and when they want the next one."""

    def __init__(self) -> None:
        self._questions: Counter[Question] = Counter()
        self._due_times: dict[object, list[float]] = {}
        self._changed = asyncio.Event()

    @property
    def questions(self) -> list[Question]:
        """The different questions of all members."""
        return list(self._questions)

    @contextlib.contextmanager
    def join(self, question: Question, due_times: list[float]) -> Iterator[None]:
        """Be a member: the next polls answer ``question``.

        :param due_times: Unix times at which this member needs a poll, in addition to the group's
            interval.
        """
        member = object()
        now = time.time()
        self._questions[question] += 1
        self._due_times[member] = [time.monotonic() + max(0.0, due - now) for due in due_times]
        self._changed.set()
        try:
            yield
        finally:
            del self._due_times[member]
            self._questions[question] -= 1
            if not self._questions[question]:
                del self._questions[question]

    async def wait(self, pause: float, min_pause: float) -> None:
        """Wait until the next poll is due.

        :param pause: seconds until a poll is due in any case.
        :param min_pause: seconds before which no poll is made, even if a member needs one.
        """
        started = time.monotonic()
        while True:
            due = min([started + pause, *(min(times) for times in self._due_times.values() if times)])
            seconds = max(due, started + min(pause, min_pause)) - time.monotonic()
            if seconds <= 0:
                break
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._changed.wait()
        now = time.monotonic()
        for times in self._due_times.values():
            times[:] = [due for due in times if due > now]


_groups: dict[Hashable, PollGroup] = {}
_users: Counter[Hashable] = Counter()


@contextlib.contextmanager
def open_shared_group(key: Hashable) -> Iterator[PollGroup]:
    """Provide the group of a shared poll, as long as its poll or a member uses it."""
    group = _groups.setdefault(key, PollGroup())
    _users[key] += 1
    try:
        yield group
    finally:
        _users[key] -= 1
        if not _users[key]:
            del _users[key]
            del _groups[key]


def compute_next_due_time(created_at: float, interval: float, now: float) -> float:
    """Return when a trigger needs its first poll: now or, after a restart, in its rhythm.

    :param created_at: Unix time at which the wait began.
    :param now: the current Unix time.
    """
    elapsed = now - created_at
    if elapsed < interval:
        return now
    return created_at + (elapsed // interval + 1) * interval


def compute_fingerprint(
    filters: Mapping[str, object] | None, condition: Mapping[str, object], *more: str
) -> str:
    """Return a digest of filters, a condition and other text.

    :raises TypeError: if filters or condition are not JSON.
    """
    # No filters and empty filters are the same; anything else that is not a mapping fails in the
    # poll.
    asked = json.dumps([{} if filters is None else filters, condition, *more], sort_keys=True)
    return hashlib.sha256(asked.encode()).hexdigest()[:32]
