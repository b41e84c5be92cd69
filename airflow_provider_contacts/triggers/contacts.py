"""Triggers for deferred sensors and asset watchers. Identical triggers share one poll."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import math
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Hashable, Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from airflow_provider_contacts.core.condition_parsing import ConditionLike, parse_condition
from airflow_provider_contacts.core.waiting import Pace, WaitState
from airflow_provider_contacts.errors import InvalidRequest, serialize_error, wrap_unexpected
from airflow_provider_contacts.triggers.polling import Poll, fingerprint, poll_forever
from airflow_provider_contacts.triggers.seen import SeenStore

__all__ = ["ContactEventTrigger", "ContactTrigger"]

# Part of the key of a shared poll: triggers of two versions of this package must not share one.
_STREAM_VERSION = ("airflow_provider_contacts.poll", 2)


class _PollingTrigger(BaseEventTrigger):
    """Polls a vendor for the contacts that match a condition. All arguments are JSON."""

    supports_triggerer_queue = True
    # Triggers that start within this time join the same poll.
    join_window_seconds: ClassVar[float] = 2.0

    def __init__(
        self,
        *,
        contacts_conn_id: str,
        condition: Mapping[str, object],
        filters: Mapping[str, object] | None = None,
        poll_interval: float = 60.0,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.contacts_conn_id = contacts_conn_id
        self.condition = condition
        self.filters = filters
        self.poll_interval = poll_interval

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class and its arguments, under which Airflow stores the trigger."""
        trigger_class = type(self)
        arguments = {name: getattr(self, name) for name in inspect.signature(trigger_class).parameters}
        return f"{trigger_class.__module__}.{trigger_class.__qualname__}", arguments

    def __repr__(self) -> str:
        # Filters contain personal data.
        return f"<{type(self).__name__} contacts_conn_id={self.contacts_conn_id!r}>"

    def shared_stream_key(self) -> Hashable | None:
        """Return the key of the shared poll, or None if the arguments are not JSON."""
        try:
            asked = fingerprint(self.contacts_conn_id, self.filters, self.condition)
            return (*_STREAM_VERSION, self.contacts_conn_id, asked, float(self.poll_interval))
        except (TypeError, ValueError, RecursionError):
            return None

    @classmethod
    def _first_pause(cls, interval: float, kwargs: Mapping[str, Any]) -> float:
        """Return the seconds until a shared poll starts."""
        return min(interval, cls.join_window_seconds) * random.uniform(0.5, 1)

    @classmethod
    async def open_shared_stream(cls, kwargs: dict[str, Any]) -> AsyncIterator[Poll]:
        """Poll for all triggers with the same key."""
        interval = float(kwargs["poll_interval"])
        pace = Pace(interval, first=cls._first_pause(interval, kwargs))
        async for poll in poll_forever(
            kwargs["contacts_conn_id"], kwargs["filters"], kwargs["condition"], pace
        ):
            yield poll


class ContactTrigger(_PollingTrigger):
    """Waits until enough contacts match a condition, on behalf of a deferred ``ContactSensor``.

    It emits one event, a dict with ``status``: ``success`` with ``contacts``, a list of references; ``error`` with
    ``error``, as :func:`~airflow_provider_contacts.errors.serialize_error` returns it; or ``timeout`` with ``message``.
    It raises no exception, because Airflow would turn one into a skip under ``soft_fail``.

    On Airflow 3.3 all triggers of one triggerer with the same connection, filters, condition and interval share one
    poll.

    :param contacts_conn_id: connection of any vendor.
    :param condition: a condition as JSON types.
    :param filters: the vendor's own parameters.
    :param poll_interval: seconds between polls.
    :param contact_ids: pairs of account id (or an empty string) and contact id, or None for any contact.
    :param min_count: how many contacts have to match.
    :param max_consecutive_failures: how many polls in a row may fail.
    :param failures: how many have failed in a row already.
    :param ignore_errors: whether to continue after any error.
    :param end_time: Unix time after which a poll that is not enough ends the wait.
    :param retry_not_before: Unix time before which the vendor wants no request; failures before it do not count.
    :param exponential_backoff: double the pause after each poll; such a trigger shares no poll.
    :param max_wait: seconds that ``exponential_backoff`` may reach.
    """

    def __init__(
        self,
        *,
        contacts_conn_id: str,
        condition: Mapping[str, object],
        filters: Mapping[str, object] | None = None,
        poll_interval: float = 60.0,
        contact_ids: Sequence[Sequence[str]] | None = None,
        min_count: int = 1,
        max_consecutive_failures: int = 3,
        failures: int = 0,
        ignore_errors: bool = False,
        end_time: float | None = None,
        retry_not_before: float = 0.0,
        exponential_backoff: bool = False,
        max_wait: float | None = None,
    ) -> None:
        super().__init__(
            contacts_conn_id=contacts_conn_id,
            condition=condition,
            filters=filters,
            poll_interval=poll_interval,
        )
        self.contact_ids = contact_ids
        self.min_count = min_count
        self.max_consecutive_failures = max_consecutive_failures
        self.failures = failures
        self.ignore_errors = ignore_errors
        self.end_time = end_time
        self.retry_not_before = retry_not_before
        self.exponential_backoff = exponential_backoff
        self.max_wait = max_wait

    @property
    def _watches_an_asset(self) -> bool:
        # Airflow's inline runs (`dag.test()`) have neither a task instance nor an id.
        return self.task_instance is None and self.trigger_id is not None

    def shared_stream_key(self) -> Hashable | None:
        """Return the key of the shared poll, or None if the interval changes."""
        return None if self.exponential_backoff or self._watches_an_asset else super().shared_stream_key()

    async def filter_shared_stream(self, shared_stream: AsyncIterator[Any]) -> AsyncIterator[TriggerEvent]:
        """Yield the event that ends the wait."""
        try:
            event = await self._final_event(shared_stream)
        except Exception as error:
            event = {"status": "error", "error": serialize_error(wrap_unexpected(error))}
        yield TriggerEvent(event)

    async def _final_event(self, polls: AsyncIterator[Poll]) -> dict[str, object]:
        contacts = None
        if self.contact_ids is not None:
            contacts = [(account_id, contact_id) for account_id, contact_id in self.contact_ids]
        wait = WaitState(contacts, self.min_count, self.max_consecutive_failures, self.failures)
        async for poll in polls:
            if (event := self._event_after(poll, wait)) is not None:
                return event
        raise RuntimeError("the shared poll has ended")

    def _event_after(self, poll: Poll, wait: WaitState) -> dict[str, object] | None:
        if poll.error is not None and time.time() < self.retry_not_before:
            return None  # another trigger's poll, at a time at which this one would not have polled
        if poll.error is not None:
            ends_the_wait = wait.record_failure(poll.error)
            if ends_the_wait and not self.ignore_errors:
                return {"status": "error", "error": serialize_error(poll.error)}
            self.log.warning("Poll failed, %d in a row: %s", wait.failures, poll.error)
        elif (contacts := wait.observe(poll.matches)) is not None:
            return {"status": "success", "contacts": contacts}
        if self.end_time is not None and time.time() > self.end_time:
            return {"status": "timeout", "message": str(wait)}
        return None

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Poll without sharing."""
        if self._watches_an_asset:
            self.log.error(
                "ContactTrigger waits for a sensor and cannot watch an asset. Give AssetWatcher a ContactEventTrigger."
            )
            await asyncio.Event().wait()
        async with contextlib.aclosing(self._standalone_polls()) as polls:
            async for event in self.filter_shared_stream(polls):
                yield event

    @classmethod
    def _first_pause(cls, interval: float, kwargs: Mapping[str, Any]) -> float:
        # The worker has just polled.
        return max(interval, float(kwargs["retry_not_before"]) - time.time())

    async def _standalone_polls(self) -> AsyncGenerator[Poll, None]:
        interval = float(self.poll_interval)
        first = self._first_pause(interval, {"retry_not_before": self.retry_not_before})
        pace = Pace(interval, first, self.exponential_backoff, self.max_wait, self.end_time)
        async for poll in poll_forever(self.contacts_conn_id, self.filters, self.condition, pace):
            yield poll


class ContactEventTrigger(_PollingTrigger):
    """Watches for contacts that newly match a condition; for ``AssetWatcher``.

    ::

        Asset("replies", watchers=[AssetWatcher(name="mailstand", trigger=ContactEventTrigger(
            contacts_conn_id="mailstand_default", condition=Replied()))])

    Each poll that finds such contacts emits an event, a dict with ``contacts``, a list of references. Airflow may pass
    several events to one run: every contact is in some run's ``triggering_asset_events``. The first poll only records a
    baseline; set ``emit_existing=True`` to get an event for contacts that already match.

    On Airflow 3.3 the asset's state store remembers which contacts were seen, so that nothing is lost while the
    triggerer is down. An event that was emitted within two seconds before the triggerer stops may be emitted again. On
    Airflow 3.2 it keeps no state, and matches while the triggerer is down are missed. A contact that stops matching is
    forgotten, and emitted again when it matches again.

    The trigger never ends: after failures it polls less often, and it logs an error when it first occurs.

    :param contacts_conn_id: connection of any vendor.
    :param condition: a condition, or its JSON.
    :param filters: the vendor's own parameters.
    :param poll_interval: seconds between polls, or a ``timedelta``.
    :param emit_existing: whether the first poll emits the contacts that already match.
    :param asset_name: the asset that keeps the state, if several assets have watchers with the same arguments.
    """

    # How long Airflow takes at most to store an event.
    event_flush_seconds: ClassVar[float] = 2.0

    def __init__(
        self,
        *,
        contacts_conn_id: str,
        condition: ConditionLike,
        filters: Mapping[str, object] | None = None,
        poll_interval: float | timedelta = 60.0,
        emit_existing: bool = False,
        asset_name: str | None = None,
    ) -> None:
        super().__init__(
            contacts_conn_id=contacts_conn_id,
            condition=condition if isinstance(condition, Mapping) else _condition_json(condition),
            filters=filters,
            poll_interval=_parse_interval(poll_interval),
        )
        self.emit_existing = emit_existing
        self.asset_name = asset_name

    async def filter_shared_stream(self, shared_stream: AsyncIterator[Any]) -> AsyncIterator[TriggerEvent]:
        """Yield an event for each poll that found new matches."""
        store = SeenStore(
            getattr(self, "asset_state_store", None),
            self.asset_name,
            fingerprint(self.contacts_conn_id, self.filters, self.condition),
            self.log,
        )
        seen = await store.load()
        last_error = ""
        async for poll in self._with_fallback(shared_stream):
            if poll.error is not None:
                if str(poll.error) != last_error:
                    last_error = str(poll.error)
                    self.log.error(
                        "Poll failed; will keep retrying. %s: %s", type(poll.error).__name__, last_error
                    )
                continue
            if last_error:
                last_error = ""
                self.log.info("Polling works again.")
            current = {store.digest(reference): reference for reference in poll.matches.references}
            if seen is None:
                seen = set() if self.emit_existing else set(current)
            new = [reference for digest, reference in current.items() if digest not in seen]
            if new:
                yield TriggerEvent({"contacts": new})
                # If it were remembered before Airflow has stored the event, a triggerer that dies now would lose it.
                await asyncio.sleep(self.event_flush_seconds)
            seen = set(current)
            await store.save(seen)

    async def _with_fallback(self, shared_stream: AsyncIterator[Poll]) -> AsyncIterator[Poll]:
        """Continue without sharing if the shared poll ends: Airflow would restart the trigger again and again."""
        try:
            async for poll in shared_stream:
                yield poll
        except Exception as error:
            self.log.warning(
                "The shared poll has ended; this trigger continues on its own. %s", wrap_unexpected(error)
            )
        async for poll in self._standalone_polls():
            yield poll

    async def _standalone_polls(self) -> AsyncIterator[Poll]:
        pace = Pace(float(self.poll_interval), first=0.0)
        async for poll in poll_forever(self.contacts_conn_id, self.filters, self.condition, pace):
            yield poll

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Poll without sharing."""
        async for event in self.filter_shared_stream(self._standalone_polls()):
            yield event


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
