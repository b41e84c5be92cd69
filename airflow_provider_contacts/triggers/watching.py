"""What a watcher does between two polls: save what it has seen, and report problems once."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

from airflow_provider_contacts.core.logs import Log
from airflow_provider_contacts.triggers.groups import PollAnswer
from airflow_provider_contacts.triggers.seen import SeenMemory, SeenStore

Item = TypeVar("Item")


class DelayedSaving:
    """Saves what a watcher has seen, but not before Airflow has stored the events that it emitted.

    :param seconds: how long Airflow takes at most.
    """

    def __init__(self, store: SeenStore, seconds: float) -> None:
        self._store = store
        self._seconds = seconds
        self._planned: set[str] | None = None
        self._due = 0.0

    def plan(self, seen: set[str]) -> None:
        """Schedule a save, unless an earlier one is pending."""
        if self._planned is None:
            self._planned = seen
            self._due = time.monotonic() + self._seconds

    def seconds_left(self) -> float | None:
        """Return the seconds until there is something to save, or None if there is nothing."""
        return None if self._planned is None else max(0.0, self._due - time.monotonic())

    async def save_if_due(self) -> None:
        """Save what was planned long enough ago."""
        if self._planned is not None and time.monotonic() >= self._due:
            planned = self._planned
            self._planned = None
            await self._store.save(planned)


class ErrorLog:
    """Logs each problem of a watcher when it first occurs, and when it is over.

    :param watcher: which watcher it is.
    """

    def __init__(self, log: Log, watcher: str) -> None:
        self._log = log
        self._watcher = watcher
        self._last_error = ""
        self._held_back = False

    def report(self, answer: PollAnswer) -> bool:
        """Log an error when it changes or ends, and return whether the answer is an error."""
        if answer.error is not None:
            if str(answer.error) != self._last_error:
                self._last_error = str(answer.error)
                self._log.error(
                    "%s: Poll failed; will keep retrying. %s: %s",
                    self._watcher,
                    type(answer.error).__name__,
                    self._last_error,
                )
            return True
        if self._last_error:
            self._last_error = ""
            self._log.info("%s: Polling works again.", self._watcher)
        return False

    def report_holding_back(self, memory: SeenMemory) -> None:
        """Log that most contacts are suddenly missing."""
        if memory.is_holding_back and not self._held_back:
            self._log.warning(
                "%s: At least half of the %d contacts seen so far are missing from the last poll. The "
                "vendor may have returned a partial listing, so they are kept for up to 60 polls. Check the "
                "connection and the filters.",
                self._watcher,
                len(memory.digests),
            )
        self._held_back = memory.is_holding_back


async def with_pauses(
    stream: AsyncIterator[Item], seconds_left: Callable[[], float | None]
) -> AsyncIterator[Item | None]:
    """Yield the items of a stream, and None whenever none has arrived within ``seconds_left()``."""
    next_item: asyncio.Future[Item] | None = None
    try:
        while True:
            next_item = next_item or asyncio.ensure_future(anext(stream))
            await asyncio.wait({next_item}, timeout=seconds_left())
            if not next_item.done():
                yield None
                continue
            arrived = next_item
            next_item = None
            try:
                item = arrived.result()
            except StopAsyncIteration:
                return
            yield item
    finally:
        if next_item is not None:
            next_item.cancel()
            with contextlib.suppress(asyncio.CancelledError, StopAsyncIteration, Exception):
                await next_item
