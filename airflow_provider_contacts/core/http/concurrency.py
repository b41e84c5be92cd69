"""Limit the requests in flight of one connection, across all its hooks in one process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import weakref
from collections.abc import AsyncIterator, Iterator

# How often a blocked caller checks for cancellation.
_STOP_POLL_SECONDS = 1.0

_slots: dict[tuple[int, tuple[str, ...], int], RequestSlots] = {}
_lock = threading.Lock()


class RequestSlots:
    """Limits the requests in flight: those of all threads together, and those of each event loop.

    :param count: how many requests may be in flight.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._threads = threading.BoundedSemaphore(count)
        # An asyncio semaphore belongs to one event loop.
        self._loops: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = (
            weakref.WeakKeyDictionary()
        )

    @contextlib.contextmanager
    def hold(self, stop: threading.Event) -> Iterator[bool]:
        """Wait for a slot and hold it. Provide False, without a slot, if ``stop`` is set meanwhile."""
        while not (acquired := self._threads.acquire(timeout=_STOP_POLL_SECONDS)):
            if stop.is_set():
                break
        try:
            yield acquired
        finally:
            if acquired:
                self._threads.release()

    @contextlib.asynccontextmanager
    async def ahold(self) -> AsyncIterator[None]:
        """Wait in an event loop for a slot and hold it."""
        loop = asyncio.get_running_loop()
        async with self._loops.setdefault(loop, asyncio.Semaphore(self._count)):
            yield


def get_slots(owner: tuple[str, ...], count: int) -> RequestSlots:
    """Return the slots of ``owner`` in this process."""
    key = (os.getpid(), owner, count)
    with _lock:
        if key not in _slots:
            _slots[key] = RequestSlots(count)
        return _slots[key]
