"""The poll loop of the triggers. Errors do not end it."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import logging
import time
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_contacts.conditions import Condition
from airflow_provider_contacts.core.condition_parsing import parse_condition
from airflow_provider_contacts.core.waiting import Matches, Pace
from airflow_provider_contacts.errors import ContactsError, InvalidRequest, wrap_unexpected
from airflow_provider_contacts.hooks.base import ContactsHook

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, repr=False)
class Poll:
    """The result of one poll: the matching contacts, or what went wrong."""

    matches: Matches = field(default_factory=Matches)
    error: ContactsError | None = None


async def poll_forever(
    contacts_conn_id: str,
    filters: Mapping[str, object] | None,
    condition: Mapping[str, object],
    pace: Pace,
) -> AsyncGenerator[Poll, None]:
    """Yield one poll after another, without end. A poll that fails is yielded like any other.

    The connection is read for every poll, because a watcher never ends and its connection may change meanwhile.
    """
    hook: ContactsHook[Any] | None = None
    parsed: Condition | None = None
    polls = 0
    failures = 0
    has_warned = False
    await asyncio.sleep(pace.first)
    # Everything that can fail is inside the loop: a watcher survives a missing connection and a failing vendor.
    while True:
        polls += 1
        started = time.monotonic()
        try:
            if parsed is None:
                parsed = _require_condition(condition)
            hook = await _current_hook(hook, contacts_conn_id)
            listing = hook.alist_contacts(filters, condition=parsed, raw=False)
            # Closed explicitly, so that a cancelled trigger ends its requests before the event loop does.
            async with contextlib.aclosing(listing) as contacts:
                poll = Poll(Matches([contact.reference() async for contact in contacts]))
            failures = 0
        # Not BaseException: cancelling the trigger has to end the loop.
        except Exception as error:
            poll = Poll(error=error if isinstance(error, ContactsError) else wrap_unexpected(error))
            failures += 1
        seconds = time.monotonic() - started
        if poll.error is None and seconds > pace.interval and not has_warned:
            has_warned = True
            log.warning(
                "A poll of connection %r took %.0f s, longer than its interval of %.0f s. Choose a longer interval, "
                "or narrower filters.",
                contacts_conn_id,
                seconds,
                pace.interval,
            )
        yield poll
        await asyncio.sleep(pace.pause_after(polls, failures, poll.error))


def fingerprint(
    contacts_conn_id: str, filters: Mapping[str, object] | None, condition: Mapping[str, object]
) -> str:
    """Return a digest of what a poll asks, for keys that may be logged.

    :raises TypeError: if filters or condition are not JSON.
    """
    # No filters and empty filters are the same; anything else that is not a mapping fails in the poll.
    asked = json.dumps([contacts_conn_id, {} if filters is None else filters, condition], sort_keys=True)
    return hashlib.sha256(asked.encode()).hexdigest()[:32]


def _require_condition(condition: Mapping[str, object]) -> Condition:
    parsed = parse_condition(condition)
    if parsed is None:
        raise InvalidRequest("`condition` is empty, so there is nothing to wait for.")
    return parsed


async def _current_hook(hook: ContactsHook[Any] | None, contacts_conn_id: str) -> ContactsHook[Any]:
    """Return a hook with the connection's current settings. The previous one keeps its login if nothing changed."""
    current = await ContactsHook.afor_connection(contacts_conn_id)
    settings = await current.asettings()
    if hook is not None and type(hook) is type(current) and await hook.asettings() == settings:
        return hook
    return current
