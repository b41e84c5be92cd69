"""Triggers: one waits for a sensor, one watches for an asset. Those with the same question share one poll."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import logging
import math
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from airflow_provider_contacts.conditions import as_condition
from airflow_provider_contacts.contact import Reference
from airflow_provider_contacts.core.waiting import Found, Wait
from airflow_provider_contacts.errors import ContactsError, InvalidRequest, to_form, unexpected
from airflow_provider_contacts.hooks.base import ContactsHook
from airflow_provider_contacts.retry import LONGEST_WAIT

log = logging.getLogger(__name__)

# Of a shared poll's meaning: triggers of two versions of this package must not share one.
_STREAM = ("airflow_provider_contacts.poll", 1)
# Seconds before the first shared poll, in which triggers that start together find it.
_GATHERING = 2.0
# After failures polls become rarer, down to one in so many seconds.
_RAREST = 900.0
# Seconds after which Airflow has stored an event.
_STORED = 2.0
_JITTER = 0.05


@dataclass(frozen=True, slots=True, repr=False)
class _Poll:
    """What one look at the vendor gave: who meets the condition, or what went wrong."""

    found: Found = field(default_factory=Found)
    error: ContactsError | None = None


@dataclass(frozen=True, slots=True, repr=False)
class _Pace:
    """How long to wait from one poll to the next.

    :param interval: seconds.
    :param first: seconds before the first poll.
    :param exponential: whether to wait twice as long each time.
    :param longest: the most that ``exponential`` comes to.
    :param end: Unix time at which a poll is made whatever the pace, or None.
    """

    interval: float
    first: float
    exponential: bool = False
    longest: float | None = None
    end: float | None = None

    def after(self, polls: int, failures: int, error: ContactsError | None) -> float:
        """Return how long to wait after some polls, the last of which have failed."""
        pause = self.interval
        if self.exponential:
            pause = max(pause, 1.0) * 2 ** min(polls - 1, 30)
            pause = pause if self.longest is None else min(pause, self.longest)
        if failures > 1:
            pause = max(pause, min(pause * 2 ** min(failures - 1, 30), _RAREST))
        pause *= random.uniform(1 - _JITTER, 1 + _JITTER)
        pause = max(pause, min((error.retry_after if error else None) or 0.0, LONGEST_WAIT))
        left = math.inf if self.end is None else self.end - time.time()
        return min(pause, left + _JITTER) if left > 0 else pause


async def _polls(
    contacts_conn_id: str, filters: Mapping[str, Any] | None, condition: Mapping[str, Any], pace: _Pace
) -> AsyncGenerator[_Poll, None]:
    """Poll for ever. A poll that fails is given like any other."""
    hook: ContactsHook | None = None
    polls = failures = 0
    slow = False
    await asyncio.sleep(pace.first)
    while True:
        polls, started = polls + 1, time.monotonic()
        try:
            hook = await _current(hook, contacts_conn_id)
            reading = hook.alist_contacts(filters, condition=condition, raw=False)
            async with contextlib.aclosing(reading) as contacts:
                poll = _Poll(Found([contact.reference() async for contact in contacts]))
            failures = 0
        except Exception as error:
            poll = _Poll(error=error if isinstance(error, ContactsError) else unexpected(error))
            failures += 1
        took = time.monotonic() - started
        if poll.error is None and took > pace.interval and not slow:
            slow = True
            log.warning(
                "A poll of connection %r took %.0f s, longer than its interval of %.0f s; choose a longer one, or "
                "filters that leave less to read.",
                contacts_conn_id, took, pace.interval,
            )  # fmt: skip
        yield poll
        await asyncio.sleep(pace.after(polls, failures, poll.error))


# A triggerer that makes a trigger of what is stored bears TypeError alone.
def _form(condition: Any) -> dict[str, Any]:
    try:
        checked = as_condition(condition)
    except InvalidRequest as error:
        raise TypeError(str(error)) from None
    if checked is None:
        raise TypeError("`condition` is empty; there is nothing to wait for")
    return checked.to_dict()


def _seconds(interval: Any) -> float:
    seconds = interval.total_seconds() if isinstance(interval, timedelta) else interval
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < math.inf:
        raise TypeError("`poll_interval` must be a number of seconds above 0, or a timedelta")
    return float(seconds)


async def _current(hook: ContactsHook | None, contacts_conn_id: str) -> ContactsHook:
    """Return the hook of a connection as it is now; the one before keeps its login where nothing has changed."""
    now = await ContactsHook.afor_connection(contacts_conn_id)
    settings = await now.asettings()
    same = hook is not None and type(hook) is type(now) and await hook.asettings() == settings
    return hook if hook is not None and same else now


class _PollingTrigger(BaseEventTrigger):
    """Asks a vendor again and again who meets a condition."""

    supports_triggerer_queue = True

    def __init__(
        self,
        *,
        contacts_conn_id: str,
        condition: Mapping[str, Any],
        filters: Mapping[str, Any] | None = None,
        poll_interval: float = 60.0,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.contacts_conn_id = contacts_conn_id
        self.condition = condition
        self.filters = filters
        self.poll_interval = poll_interval

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class and its arguments, which are JSON."""
        kind = type(self)
        return f"{kind.__module__}.{kind.__qualname__}", self._arguments()

    def _arguments(self) -> dict[str, Any]:
        return {
            "contacts_conn_id": self.contacts_conn_id,
            "condition": self.condition,
            "filters": self.filters,
            "poll_interval": self.poll_interval,
        }

    def __repr__(self) -> str:
        # Filters may name people.
        return f"<{type(self).__name__} contacts_conn_id={self.contacts_conn_id!r}>"

    def _question(self) -> str:
        """Return a digest of what is asked, for keys that may be logged."""
        filters = {} if self.filters is None else self.filters
        asked = json.dumps([self.contacts_conn_id, filters, self.condition], sort_keys=True)
        return hashlib.sha256(asked.encode()).hexdigest()[:32]

    def shared_stream_key(self) -> Hashable | None:
        """Return what triggers have in common that can share one poll, or None if the question is not JSON."""
        try:
            return (*_STREAM, self.contacts_conn_id, self._question(), float(self.poll_interval))
        except (TypeError, ValueError, RecursionError):
            return None

    @staticmethod
    def _first(interval: float, kwargs: Mapping[str, Any]) -> float:
        """Return after how many seconds a shared poll begins; what starts together has found it by then."""
        return min(interval, _GATHERING) * random.uniform(0.5, 1)

    @classmethod
    async def open_shared_stream(cls, kwargs: dict[str, Any]) -> AsyncIterator[_Poll]:
        """Poll for all triggers with one key."""
        interval = float(kwargs["poll_interval"])
        pace = _Pace(interval, first=cls._first(interval, kwargs))
        async for poll in _polls(kwargs["contacts_conn_id"], kwargs["filters"], kwargs["condition"], pace):
            yield poll


class ContactTrigger(_PollingTrigger):
    """Waits until enough contacts meet a condition; what a deferred :class:`ContactSensor` leaves behind.

    It gives one event, a dict with ``status``: ``met`` with ``contacts``, a list of references; ``error`` with
    the ``error`` as :func:`~airflow_provider_contacts.errors.to_form` gives it; ``timeout`` with ``message``.
    No exception leaves it, since Airflow would make a skip of one under ``soft_fail``.

    On Airflow 3.3 all triggers of one triggerer that ask the same question in the same interval share one poll.
    All arguments are JSON.

    :param contacts_conn_id: connection of any of the vendors.
    :param condition: JSON form of a condition.
    :param filters: the vendor's own parameters.
    :param poll_interval: seconds between polls.
    :param who: pairs of account id (or empty) and contact id, or None for any contact.
    :param min_count: how many have to meet the condition.
    :param max_consecutive_failures: how many polls in a row may fail.
    :param failures: how many have failed in a row already.
    :param bear_all: whether to go on after any failure.
    :param end: Unix time after which a poll that is not enough ends the wait.
    :param not_before: Unix time before which the vendor wants no request; a failure before it does not count.
    :param exponential_backoff: wait twice as long after each poll; such a trigger polls alone.
    :param max_wait: seconds that ``exponential_backoff`` comes to at most.
    """

    def __init__(
        self,
        *,
        contacts_conn_id: str,
        condition: Mapping[str, Any],
        filters: Mapping[str, Any] | None = None,
        poll_interval: float = 60.0,
        who: Sequence[Sequence[str]] | None = None,
        min_count: int = 1,
        max_consecutive_failures: int = 3,
        failures: int = 0,
        bear_all: bool = False,
        end: float | None = None,
        not_before: float = 0.0,
        exponential_backoff: bool = False,
        max_wait: float | None = None,
    ) -> None:
        super().__init__(
            contacts_conn_id=contacts_conn_id,
            condition=condition,
            filters=filters,
            poll_interval=poll_interval,
        )
        self.who = who
        self.min_count = min_count
        self.max_consecutive_failures = max_consecutive_failures
        self.failures = failures
        self.bear_all = bear_all
        self.end = end
        self.not_before = not_before
        self.exponential_backoff = exponential_backoff
        self.max_wait = max_wait

    def _arguments(self) -> dict[str, Any]:
        return {
            **super()._arguments(),
            "who": self.who,
            "min_count": self.min_count,
            "max_consecutive_failures": self.max_consecutive_failures,
            "failures": self.failures,
            "bear_all": self.bear_all,
            "end": self.end,
            "not_before": self.not_before,
            "exponential_backoff": self.exponential_backoff,
            "max_wait": self.max_wait,
        }

    @property
    def _watches_an_asset(self) -> bool:
        # Airflow's in-line runs have neither a task instance nor an id.
        return self.task_instance is None and self.trigger_id is not None

    def shared_stream_key(self) -> Hashable | None:
        """Return what triggers have in common that can share one poll, or None where the interval changes."""
        return None if self.exponential_backoff or self._watches_an_asset else super().shared_stream_key()

    async def filter_shared_stream(self, shared_stream: AsyncIterator[Any]) -> AsyncIterator[TriggerEvent]:
        """Give the event that ends the wait."""
        try:
            event = await self._last(shared_stream)
        except Exception as error:
            event = {"status": "error", "error": to_form(unexpected(error))}
        yield TriggerEvent(event)

    async def _last(self, shared_stream: AsyncIterator[_Poll]) -> dict[str, Any]:
        who = None if self.who is None else [(account_id, contact_id) for account_id, contact_id in self.who]
        wait = Wait(who, self.min_count, self.max_consecutive_failures, self.failures)
        async for poll in shared_stream:
            if (event := self._event(wait, poll)) is not None:
                return event
        raise RuntimeError("the polls have ended")

    def _event(self, wait: Wait, poll: _Poll) -> dict[str, Any] | None:
        if poll.error is not None and time.time() < self.not_before:
            return None  # a poll for others
        if poll.error is not None:
            over = wait.failed(poll.error) and not self.bear_all
            if over:
                return {"status": "error", "error": to_form(poll.error)}
            self.log.warning("Poll failed, %d in a row: %s", wait.failures, poll.error)
        elif (contacts := wait.met(poll.found)) is not None:
            return {"status": "met", "contacts": list(contacts)}
        if self.end is not None and time.time() > self.end:
            return {"status": "timeout", "message": str(wait)}
        return None

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Poll alone."""
        if self._watches_an_asset:
            self.log.error(
                "ContactTrigger is for sensors and watches nothing. Give AssetWatcher a ContactEventTrigger."
            )
            await asyncio.Event().wait()
        async with contextlib.aclosing(self._alone()) as polls:
            async for event in self.filter_shared_stream(polls):
                yield event

    @staticmethod
    def _first(interval: float, kwargs: Mapping[str, Any]) -> float:
        # The worker has polled just now.
        return max(interval, float(kwargs["not_before"]) - time.time())

    async def _alone(self) -> AsyncGenerator[_Poll, None]:
        interval = float(self.poll_interval)
        first = self._first(interval, self._arguments())
        pace = _Pace(interval, first, self.exponential_backoff, self.max_wait, self.end)
        async for poll in _polls(self.contacts_conn_id, self.filters, self.condition, pace):
            yield poll


class ContactEventTrigger(_PollingTrigger):
    """Watches for contacts that newly meet a condition; for ``AssetWatcher``.

    ::

        Asset("replies", watchers=[AssetWatcher(name="mailstand", trigger=ContactEventTrigger(
            contacts_conn_id="mailstand_default", condition=Replied()))])

    Each poll that finds such contacts is an event, a dict with ``contacts``, a list of references. Airflow may put
    several events into one run: every contact is in some run's ``triggering_asset_events``. The very first poll
    tells nobody, unless ``tell_existing`` is set.

    On Airflow 3.3 it remembers in the asset's state store whom it has told, so that nothing is lost while the
    triggerer is down; what it told within two seconds before the triggerer stops may be told again. On 3.2 it
    has no memory, and what happens while the triggerer is down is lost. A contact that does not meet the
    condition any more is forgotten, and told again when it meets it anew.

    It never ends: after failures it polls less often, and logs an error when it first occurs.

    :param contacts_conn_id: connection of any of the vendors.
    :param condition: a condition, or its JSON form.
    :param filters: the vendor's own parameters.
    :param poll_interval: seconds between polls, or a ``timedelta``.
    :param tell_existing: whether the very first poll tells of those who meet the condition already.
    :param asset_name: name of the asset whose memory to use, if several assets have equal triggers.
    """

    def __init__(
        self,
        *,
        contacts_conn_id: str,
        condition: Any,
        filters: Mapping[str, Any] | None = None,
        poll_interval: float | timedelta = 60.0,
        tell_existing: bool = False,
        asset_name: str | None = None,
    ) -> None:
        super().__init__(
            contacts_conn_id=contacts_conn_id,
            condition=condition if isinstance(condition, Mapping) else _form(condition),
            filters=filters,
            poll_interval=_seconds(poll_interval),
        )
        self.tell_existing = tell_existing
        self.asset_name = asset_name

    def _arguments(self) -> dict[str, Any]:
        return {
            **super()._arguments(),
            "tell_existing": self.tell_existing,
            "asset_name": self.asset_name,
        }

    async def filter_shared_stream(self, shared_stream: AsyncIterator[Any]) -> AsyncIterator[TriggerEvent]:
        """Give an event for each poll that found somebody new."""
        memory = _Memory(
            getattr(self, "asset_state_store", None), self.asset_name, self._question(), self.log
        )
        told = await memory.load()
        trouble = ""
        async for poll in self._unbroken(shared_stream):
            if poll.error is not None:
                if str(poll.error) != trouble:
                    trouble = str(poll.error)
                    self.log.error("Polling fails, and goes on: %s: %s", type(poll.error).__name__, trouble)
                continue
            if trouble:
                trouble = ""
                self.log.info("Polling works again.")
            here = {memory.mark(one): one for one in poll.found.references}
            known = told if told is not None else set() if self.tell_existing else set(here)
            new = [one for mark, one in here.items() if mark not in known]
            if new:
                yield TriggerEvent({"contacts": new})
                # Remembered before Airflow has stored the event, it would be lost if the triggerer died now.
                await asyncio.sleep(_STORED)
            told = set(here)
            await memory.save(told)

    async def _unbroken(self, shared_stream: AsyncIterator[_Poll]) -> AsyncIterator[_Poll]:
        """Go on alone where the shared poll breaks off: Airflow would start the trigger again without end."""
        try:
            async for poll in shared_stream:
                yield poll
        except Exception as error:
            self.log.warning("The shared poll has ended (%s); this trigger polls alone.", unexpected(error))
        async for poll in self._alone():
            yield poll

    def _alone(self) -> AsyncIterator[_Poll]:
        pace = _Pace(float(self.poll_interval), first=0.0)
        return _polls(self.contacts_conn_id, self.filters, self.condition, pace)

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Poll alone."""
        async for event in self.filter_shared_stream(self._alone()):
            yield event


class _Memory:
    """Whom a watcher has told, kept in the state store of an asset where there is one.

    :param stores: Airflow's state stores of the watched assets, or None.
    :param asset_name: whose to use, if there are several.
    :param question: what is asked; each question has a memory of its own.
    """

    def __init__(self, stores: Any, asset_name: str | None, question: str, logger: Any) -> None:
        self._key = f"contacts-told-{question}"
        self._log = logger
        self._question = question
        self._stored: set[str] | None = None
        self._store = self._choose(stores, asset_name)

    def _choose(self, stores: Any, asset_name: str | None) -> Any:
        if stores is None:
            self._log.warning(
                "This Airflow has no asset state store: what happens while the triggerer is down is lost."
            )
            return None
        from airflow.sdk import Asset

        if asset_name is not None:
            try:
                return stores[Asset(name=asset_name)]
            except (KeyError, ValueError):
                self._log.error("No asset %r has this watcher; check asset_name.", asset_name)
        try:
            return stores._single_accessor()
        except ValueError:
            self._log.error(
                "Several assets have this watcher. Set asset_name to the one whose memory to use; until then what "
                "happens while the triggerer is down is lost."
            )
        return None

    def mark(self, one: Reference) -> str:
        """Return what a contact is remembered by: 64 bits that do not tell who it is."""
        named = "\0".join((self._question, one["vendor"], one["account_id"], one["contact_id"]))
        digest = hashlib.blake2b(named.encode(), digest_size=8).digest()
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")

    async def load(self) -> set[str] | None:
        """Return whom the watcher has told, or None if it never told anybody. Waits for a store that fails."""
        pause = 1.0
        while self._store is not None:
            try:
                stored = await self._store.aget(self._key)
            except Exception as error:
                self._log.warning(
                    "The asset state store cannot be read, and is tried again: %s", unexpected(error)
                )
                await asyncio.sleep(pause)
                pause = min(pause * 2, 60.0)
            else:
                if isinstance(stored, list) and all(isinstance(mark, str) for mark in stored):
                    self._stored = set(stored)
                return self._stored
        return None

    async def save(self, told: set[str]) -> None:
        """Remember whom the watcher has told, if that is news."""
        if self._store is None or told == self._stored:
            return
        try:
            await self._store.aset(self._key, sorted(told))
        except Exception as error:
            self._log.error(
                "The asset state store cannot be written, and is tried again: %s", unexpected(error)
            )
        else:
            self._stored = told
