"""What the triggers have in common: arguments that are JSON, and a poll that can be shared."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Hashable, Mapping
from typing import Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from airflow_provider_contacts.core.waiting import PollPace
from airflow_provider_contacts.triggers import groups
from airflow_provider_contacts.triggers.groups import Poll, PollGroup, compute_fingerprint, open_shared_group
from airflow_provider_contacts.triggers.polling import poll_forever

# Part of the key of a shared poll: triggers of two versions of this package must not share one.
_STREAM_VERSION = ("airflow_provider_contacts.poll", 3)


class PollingTrigger(BaseEventTrigger):
    """Polls a vendor for the contacts that match a condition. All arguments are JSON."""

    supports_triggerer_queue = True

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
        return _stream_key(self.serialize()[1])

    @classmethod
    async def open_shared_stream(cls, kwargs: dict[str, Any]) -> AsyncIterator[Poll]:
        """Poll for all triggers with the same key."""
        pace = PollPace(float(kwargs["poll_interval"]))
        with open_shared_group(_stream_key(kwargs)) as group:
            min_pause = groups.MIN_SECONDS_BETWEEN_POLLS
            async for poll in poll_forever(kwargs["contacts_conn_id"], group, pace, min_pause=min_pause):
                yield poll

    async def filter_shared_stream(self, shared_stream: AsyncIterator[Any]) -> AsyncIterator[TriggerEvent]:
        """Yield the events that follow from the answers of the shared poll."""
        with open_shared_group(self.shared_stream_key()) as group:
            async for event in self.events(shared_stream, group):
                yield event

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Poll without sharing."""
        group = PollGroup()
        async with contextlib.aclosing(self.polls(group)) as polls:
            async for event in self.events(polls, group):
                yield event

    async def polls(self, group: PollGroup) -> AsyncGenerator[Poll, None]:
        """Poll for the members of a group, without sharing."""
        min_pause = groups.JOIN_WINDOW_SECONDS
        async for poll in poll_forever(self.contacts_conn_id, group, self.pace(), min_pause=min_pause):
            yield poll

    def pace(self) -> PollPace:
        """Return how long to wait from one poll to the next."""
        return PollPace(float(self.poll_interval))

    def events(self, polls: AsyncIterator[Poll], group: PollGroup) -> AsyncIterator[TriggerEvent]:
        """Yield the events that follow from polls, as a member of a group."""
        raise NotImplementedError


def _stream_key(arguments: Mapping[str, Any]) -> Hashable | None:
    """Return the key of the shared poll for arguments, or None if they are not JSON."""
    conn_id = arguments["contacts_conn_id"]
    # Triggers with the same query share a poll, even if they test records differently.
    query = arguments.get("query")
    asked = (arguments["filters"], arguments["condition"]) if query is None else (query, {})
    try:
        digest = compute_fingerprint(*asked, conn_id)
        return (*_STREAM_VERSION, conn_id, digest, float(arguments["poll_interval"]))
    except (TypeError, ValueError, RecursionError):
        return None
