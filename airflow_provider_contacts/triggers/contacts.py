"""Triggers for deferred sensors and asset watchers."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import AsyncIterator, Hashable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import ClassVar

from airflow.triggers.base import TriggerEvent

from airflow_provider_contacts.contact import Reference
from airflow_provider_contacts.core.matching.parsing import ConditionLike, parse_condition
from airflow_provider_contacts.core.waiting import PollPace, WaitState
from airflow_provider_contacts.errors import ContactsError, InvalidRequest, serialize_error, wrap_unexpected
from airflow_provider_contacts.triggers import groups
from airflow_provider_contacts.triggers.base import PollingTrigger
from airflow_provider_contacts.triggers.groups import (
    Poll,
    PollAnswer,
    PollGroup,
    Question,
    compute_fingerprint,
)
from airflow_provider_contacts.triggers.seen import SeenMemory, SeenStore
from airflow_provider_contacts.triggers.watching import DelayedSaving, ErrorLog, with_pauses

__all__ = ["ContactEventTrigger", "ContactTrigger"]

# The first polls of watchers are spread over this time, so that a restarted triggerer does not make
# them all in the same moment.
_MAX_FIRST_PAUSE_SECONDS = 30.0


class ContactTrigger(PollingTrigger):
    """Waits until enough contacts match a condition, on behalf of a deferred ``ContactSensor``.

    It emits one event, a dict with ``status``: ``success`` with ``contacts``, a list of references,
    and ``count``, how many contacts match; ``error`` with ``error``, as
    :func:`~airflow_provider_contacts.errors.serialize_error` returns it; or ``timeout`` with
    ``message``. It raises no exception, because Airflow would turn one into a skip under
    ``soft_fail``.

    The event comes at the earliest 15 seconds after the trigger started, because Airflow may fail a
    task that is resumed sooner after it deferred.

    On Airflow 3.3 all triggers of one triggerer with the same connection, query and interval share
    one poll.

    :param contacts_conn_id: connection of any vendor.
    :param condition: a condition as JSON types.
    :param filters: the vendor's own parameters.
    :param poll_interval: seconds between polls.
    :param query: the filters that are sent to the vendor, or None if they are not known yet.
        Triggers with the same query share a poll.
    :param contact_ids: pairs of account id (or an empty string) and contact id, or None for any
        contact.
    :param min_count: how many contacts have to match.
    :param max_contacts: how many references the event contains at most, when waiting for any
        contact.
    :param max_consecutive_failures: how many polls in a row may fail.
    :param failures: how many have failed in a row already.
    :param ignore_errors: whether to continue after any error.
    :param created_at: Unix time at which the wait began; a restarted trigger polls in the rhythm
        that starts there.
    :param end_time: Unix time after which the next poll without enough matches ends the wait with
        ``timeout``.
    :param exponential_backoff: double the pause after each poll; such a trigger shares no poll.
    :param max_wait: seconds that ``exponential_backoff`` may reach.
    """

    # The least time from the start of the trigger to its event. Airflow's scheduler fails a task
    # that is resumed before the executor has reported the end of its process, which takes some
    # seconds.
    min_deferred_seconds: ClassVar[float] = 15.0

    def __init__(
        self,
        *,
        contacts_conn_id: str,
        condition: Mapping[str, object],
        filters: Mapping[str, object] | None = None,
        poll_interval: float = 60.0,
        query: Mapping[str, object] | None = None,
        contact_ids: Sequence[Sequence[str]] | None = None,
        min_count: int = 1,
        max_contacts: int = 1000,
        max_consecutive_failures: int = 3,
        failures: int = 0,
        ignore_errors: bool = False,
        created_at: float | None = None,
        end_time: float | None = None,
        exponential_backoff: bool = False,
        max_wait: float | None = None,
    ) -> None:
        super().__init__(
            contacts_conn_id=contacts_conn_id,
            condition=condition,
            filters=filters,
            poll_interval=poll_interval,
        )
        self.query = query
        self.contact_ids = contact_ids
        self.min_count = min_count
        self.max_contacts = max_contacts
        self.max_consecutive_failures = max_consecutive_failures
        self.failures = failures
        self.ignore_errors = ignore_errors
        self.created_at = time.time() if created_at is None else created_at
        self.end_time = end_time
        self.exponential_backoff = exponential_backoff
        self.max_wait = max_wait

    @property
    def _runs_inline(self) -> bool:
        """Whether there is no scheduler, as in ``dag.test()``."""
        return self.task_instance is None and self.trigger_id is None

    @property
    def _watches_an_asset(self) -> bool:
        return self.task_instance is None and self.trigger_id is not None

    def shared_stream_key(self) -> Hashable | None:
        """Return the key of the shared poll, or None if the interval changes."""
        return None if self.exponential_backoff or self._watches_an_asset else super().shared_stream_key()

    async def events(self, polls: AsyncIterator[Poll], group: PollGroup) -> AsyncIterator[TriggerEvent]:
        """Yield the event that ends the wait."""
        started = time.monotonic()
        try:
            event = await self._final_event(polls, group)
        except Exception as error:
            event = {"status": "error", "error": serialize_error(wrap_unexpected(error))}
        if not self._runs_inline:
            await asyncio.sleep(started + self.min_deferred_seconds - time.monotonic())
        yield TriggerEvent(event)

    async def _final_event(self, polls: AsyncIterator[Poll], group: PollGroup) -> dict[str, object]:
        contacts = None
        if self.contact_ids is not None:
            contacts = [(account_id, contact_id) for account_id, contact_id in self.contact_ids]
        wait = WaitState(contacts, self.min_count, self.max_consecutive_failures, self.failures)
        question = Question.create(self.filters, self.condition)
        joined_at = time.monotonic()
        with group.join(question, self._due_times()):
            async for poll in polls:
                answer = poll.answer(question, joined_at)
                if answer is not None and (event := self._event_after(answer, wait)) is not None:
                    return event
        raise ContactsError(
            "The shared poll ended before the wait was over. Run the task again.", transient=True
        )

    def _due_times(self) -> list[float]:
        """Return when a poll is needed: at the start, and at the end of the wait."""
        first = groups.compute_next_due_time(self.created_at, float(self.poll_interval), time.time())
        # Others that start at about the same time join the first poll.
        first += min(float(self.poll_interval), groups.JOIN_WINDOW_SECONDS) * random.uniform(0.5, 1)
        return [first] if self.end_time is None else [min(first, self.end_time), self.end_time]

    def _event_after(self, answer: PollAnswer, wait: WaitState) -> dict[str, object] | None:
        if answer.error is not None:
            ends_the_wait = wait.record_failure(answer.error)
            if ends_the_wait and not self.ignore_errors:
                return {"status": "error", "error": serialize_error(answer.error)}
            self.log.warning("Poll failed (%d in a row); will poll again. %s", wait.failures, answer.error)
        elif (contacts := wait.observe(answer.matches, self.max_contacts)) is not None:
            return {"status": "success", "contacts": contacts, "count": wait.matching}
        elif progress := wait.changed_progress():
            self.log.info("%s.", progress)
        if self.end_time is not None and time.time() >= self.end_time:
            return {"status": "timeout", "message": str(wait)}
        return None

    def pace(self) -> PollPace:
        """Return how long to wait from one poll to the next."""
        return PollPace(float(self.poll_interval), self.exponential_backoff, self.max_wait)

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Poll without sharing."""
        if self._watches_an_asset:
            self.log.error(
                "ContactTrigger waits for a sensor and cannot watch an asset. Give AssetWatcher a "
                "ContactEventTrigger."
            )
            await asyncio.Event().wait()
        async for event in super().run():
            yield event


class ContactEventTrigger(PollingTrigger):
    """Watches for contacts that newly match a condition; for ``AssetWatcher``.

    ::

        Asset("replies", watchers=[AssetWatcher(name="mailstand", trigger=ContactEventTrigger(
            contacts_conn_id="mailstand_default", condition=Replied()))])

    Each poll that finds such contacts emits an event, a dict with ``contacts``, a list of
    references, ``condition`` and ``emitted_at``, the time as ISO 8601 text. Airflow may pass
    several events to one run: every contact is in some run's ``triggering_asset_events``. The first
    poll only records a baseline; set ``emit_existing=True`` to get an event for contacts that
    already match.

    On Airflow 3.3 the asset's state store remembers which contacts were seen, so that nothing is
    lost while the triggerer is down. An event that was emitted within the last minute before the
    triggerer stops may be emitted again. On Airflow 3.2 it keeps no state, and matches while the
    triggerer is down are missed.

    A contact that is missing from three polls in a row is forgotten, and emitted again when it
    matches again. If half of 20 or more contacts are missing, the vendor has probably answered with
    a part of its contacts; they are forgotten only after 60 polls.

    The trigger never ends: after failures it polls less often, and it logs an error when it first
    occurs.

    :param contacts_conn_id: connection of any vendor.
    :param condition: a condition, or its JSON.
    :param filters: the vendor's own parameters.
    :param poll_interval: seconds between polls, or a ``timedelta``.
    :param emit_existing: whether the first poll emits the contacts that already match.
    :param max_contacts_per_event: how many references an event contains at most; more of them
        become several events.
    :param asset_name: the asset that keeps the state, if several assets have watchers with the same
        arguments.
    """

    # How long Airflow takes at most to store an event. If what was seen were saved earlier, a
    # triggerer that dies in the meantime would lose the event.
    event_storage_seconds: ClassVar[float] = 30.0

    def __init__(
        self,
        *,
        contacts_conn_id: str,
        condition: ConditionLike,
        filters: Mapping[str, object] | None = None,
        poll_interval: float | timedelta = 60.0,
        emit_existing: bool = False,
        max_contacts_per_event: int = 1000,
        asset_name: str | None = None,
    ) -> None:
        super().__init__(
            contacts_conn_id=contacts_conn_id,
            condition=condition if isinstance(condition, Mapping) else _condition_json(condition),
            filters=filters,
            poll_interval=_parse_interval(poll_interval),
        )
        if isinstance(max_contacts_per_event, bool) or not isinstance(max_contacts_per_event, int):
            raise TypeError("`max_contacts_per_event` must be a whole number.")
        self.emit_existing = emit_existing
        self.max_contacts_per_event = max(1, max_contacts_per_event)
        self.asset_name = asset_name

    async def events(self, polls: AsyncIterator[Poll], group: PollGroup) -> AsyncIterator[TriggerEvent]:
        """Yield an event for each poll that found new matches."""
        store = SeenStore(
            getattr(self, "asset_state_store", None),
            self.asset_name,
            compute_fingerprint(self.filters, self.condition, self.contacts_conn_id),
            self.log,
        )
        seen = await store.load()
        memory = None if seen is None else SeenMemory(seen)
        saving = DelayedSaving(store, self.event_storage_seconds)
        question = Question.create(self.filters, self.condition)
        errors = ErrorLog(self.log, self._describe())
        joined_at = time.monotonic()
        with group.join(question, [self._first_due_time()]):
            async for poll in with_pauses(self._with_fallback(polls, group), saving.seconds_left):
                await saving.save_if_due()
                if memory is not None:
                    saving.plan(memory.digests)
                answer = None if poll is None else poll.answer(question, joined_at)
                if answer is None or errors.report(answer):
                    continue
                current = {store.digest(reference): reference for reference in answer.matches.references}
                if memory is None and not (answer.is_complete or self.emit_existing):
                    continue  # not a baseline: what it lacks would be emitted later
                if memory is None:
                    memory = SeenMemory(() if self.emit_existing else current)
                    # A baseline has no event to wait for.
                    await store.save(memory.digests)
                undecided = {store.digest_of(*identity) for identity in answer.undecided}
                new = memory.update(current, undecided, is_complete=answer.is_complete)
                errors.report_holding_back(memory)
                for event in self._split([current[digest] for digest in new]):
                    yield event

    def _describe(self) -> str:
        """Return which watcher this is, for log lines."""
        # Airflow has no public list of the assets (3.3.2).
        stores = getattr(self, "asset_state_store", None)
        names = [self.asset_name] if self.asset_name else getattr(stores, "_by_name", ())
        assets = f"of asset {', '.join(map(repr, names))} " if names else ""
        return f"The watcher {assets}with connection {self.contacts_conn_id!r}"

    def _split(self, contacts: list[Reference]) -> Iterator[TriggerEvent]:
        emitted_at = datetime.now(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")
        for start in range(0, len(contacts), self.max_contacts_per_event):
            yield TriggerEvent(
                {
                    "contacts": contacts[start : start + self.max_contacts_per_event],
                    "condition": self.condition,
                    "emitted_at": emitted_at,
                }
            )

    def _first_due_time(self) -> float:
        spread = min(float(self.poll_interval), _MAX_FIRST_PAUSE_SECONDS)
        return time.time() + spread * random.random()

    async def _with_fallback(self, polls: AsyncIterator[Poll], group: PollGroup) -> AsyncIterator[Poll]:
        """Continue without sharing if the shared poll ends: Airflow would restart the trigger."""
        try:
            async for poll in polls:
                yield poll
        except Exception as error:
            self.log.warning(
                "The shared poll has ended; this trigger continues on its own. %s", wrap_unexpected(error)
            )
        async for poll in self.polls(group):
            yield poll


def _condition_json(condition: ConditionLike) -> dict[str, object]:
    # The triggerer tolerates only TypeError when it rebuilds a trigger from stored arguments.
    try:
        parsed = parse_condition(condition)
    except InvalidRequest as error:
        raise TypeError(str(error)) from None
    if parsed is None:
        raise TypeError("`condition` is empty, so there is nothing to wait for.")
    return parsed.to_dict()


def _parse_interval(interval: float | timedelta) -> float:
    seconds: object = interval.total_seconds() if isinstance(interval, timedelta) else interval
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < math.inf:
        raise TypeError("`poll_interval` must be a number of seconds above 0, or a timedelta.")
    return float(seconds)
