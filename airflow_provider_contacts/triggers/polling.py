"""The poll loop of the triggers. Errors do not end it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_contacts.contact import Contact, ContactKey, Reference
from airflow_provider_contacts.core.matching.parsing import parse_condition
from airflow_provider_contacts.core.matching.pushdown import Selection
from airflow_provider_contacts.core.waiting import Matches, PollPace
from airflow_provider_contacts.errors import (
    ContactsError,
    IncompleteListing,
    InvalidRequest,
    UnansweredCondition,
    wrap_unexpected,
)
from airflow_provider_contacts.hooks.base import ContactsHook
from airflow_provider_contacts.triggers.groups import Poll, PollAnswer, PollGroup, Question

log = logging.getLogger(__name__)

# How many contacts are tested before other tasks of the event loop run.
_CONTACTS_PER_TURN = 500


async def poll_forever(
    contacts_conn_id: str, group: PollGroup, pace: PollPace, *, min_pause: float
) -> AsyncGenerator[Poll, None]:
    """Yield one poll after another, without end. A poll that fails is yielded like any other.

    The connection is read for every poll, because a watcher never ends and its connection may
    change meanwhile.

    :param min_pause: seconds after a poll before which no member of the group can cause the next
        one.
    """
    poller = _Poller(contacts_conn_id)
    polls = 0
    failures = 0
    has_warned = False
    await group.wait(pace.interval, 0.0)
    while True:
        polls += 1
        started = time.monotonic()
        answers = await poller.poll(group.questions)
        seconds = time.monotonic() - started
        errors = [answer.error for answer in answers.values() if answer.error is not None]
        failures = failures + 1 if errors and len(errors) == len(answers) else 0
        if not errors and seconds > pace.interval and not has_warned:
            has_warned = True
            log.warning(
                "A poll of connection %r took %.0f s, longer than its interval of %.0f s. Choose a longer "
                "interval, or narrower filters.",
                contacts_conn_id,
                seconds,
                pace.interval,
            )
        yield Poll(answers, started)
        retry_after = max((error.retry_after or 0.0 for error in errors), default=0.0)
        pause = max(pace.pause_after(polls, failures), retry_after)
        await group.wait(pause, max(min_pause, retry_after))


@dataclass(slots=True, repr=False)
class _Tally:
    """What a listing has found out about one question."""

    selection: Selection
    found: list[Reference] = field(default_factory=list)
    undecided: list[ContactKey] = field(default_factory=list)

    def add(self, contact: Contact) -> None:
        """Test a contact."""
        value = self.selection.test(contact)
        if value:
            self.found.append(contact.reference())
        elif value is None:
            self.undecided.append((contact.account_id, contact.contact_id))


@dataclass(slots=True, repr=False)
class _PollListing:
    """One listing of a poll, and the questions that it answers, by key.

    :param query: the filters that are sent.
    """

    query: dict[str, object]
    tallies: dict[str, _Tally] = field(default_factory=dict)


class _Poller:
    """Makes polls with one connection."""

    def __init__(self, contacts_conn_id: str) -> None:
        self._contacts_conn_id = contacts_conn_id
        self._hook: ContactsHook[Any] | None = None
        self._warnings: set[str] = set()

    async def poll(self, questions: list[Question]) -> dict[str, PollAnswer]:
        """Return the answers to all questions, by key."""
        answers: dict[str, PollAnswer] = {}
        # Everything that can fail is caught: a watcher survives a missing connection and a failing
        # vendor. Not BaseException: cancelling the trigger has to end the poll.
        try:
            hook = await self._current_hook()
        except Exception as error:
            return dict.fromkeys(
                (question.key for question in questions), PollAnswer(error=wrap_unexpected(error))
            )
        listings: dict[str, _PollListing] = {}
        for question in questions:
            try:
                _add_question(listings, hook, question)
            except Exception as error:
                answers[question.key] = PollAnswer(error=wrap_unexpected(error))
        # Usually there is one listing: triggers share a poll if they send the vendor the same
        # filters.
        for listing in listings.values():
            answers.update(await self._read(hook, listing))
        return answers

    async def _current_hook(self) -> ContactsHook[Any]:
        """Return a hook with the connection's current settings, or the previous one."""
        current = await ContactsHook.afor_connection(self._contacts_conn_id)
        previous = self._hook
        if previous is None or type(previous) is not type(current) or previous.settings != current.settings:
            self._hook = current
            return current
        return previous

    async def _read(self, hook: ContactsHook[Any], listing: _PollListing) -> dict[str, PollAnswer]:
        """Return the answers that one listing gives."""
        is_complete = True
        try:
            # Closed explicitly, so that a cancelled trigger ends its requests before the event loop
            # does.
            async with contextlib.aclosing(
                hook.alist_contacts(listing.query, raw=False, strict=True)
            ) as contacts:
                number = 0
                async for contact in contacts:
                    number += 1
                    for tally in listing.tallies.values():
                        tally.add(contact)
                    if number % _CONTACTS_PER_TURN == 0:
                        await asyncio.sleep(0)
        except IncompleteListing as error:
            # What was found does match. What was not found may be missing.
            is_complete = False
            self._warn_once(f"{error} The matches that were found are used.")
        except Exception as error:
            return dict.fromkeys(listing.tallies, PollAnswer(error=wrap_unexpected(error)))
        where = f"{hook.vendor.title}: GET {hook.vendor.contacts.path}"
        return {
            key: self._answer(
                tally.selection, PollAnswer(Matches(tally.found), tally.undecided, None, is_complete), where
            )
            for key, tally in listing.tallies.items()
        }

    def _answer(self, selection: Selection, answer: PollAnswer, where: str) -> PollAnswer:
        try:
            selection.require_answers(where)
        except UnansweredCondition as error:
            # For example when a contact enters a sequence.
            self._warn_once(f"{error} The wait continues, in case the vendor reports it later.")
        except ContactsError as error:
            return PollAnswer(error=error)
        return answer

    def _warn_once(self, message: str) -> None:
        if message not in self._warnings:
            self._warnings.add(message)
            log.warning("%s", message)


def _add_question(listings: dict[str, _PollListing], hook: ContactsHook[Any], question: Question) -> None:
    condition = parse_condition(question.condition)
    if condition is None:
        raise InvalidRequest("`condition` is empty, so there is nothing to wait for.")
    query, plan = hook.plan_listing(question.filters, condition=condition)
    listing = listings.setdefault(json.dumps(query, sort_keys=True), _PollListing(query))
    listing.tallies[question.key] = _Tally(Selection(plan, None))
