"""The limits of a connection in one process: requests per window, and requests at a time.

Each task process has its own limit, so several tasks together can exceed a vendor's limit. An
Airflow pool bounds how many tasks run, not how many requests they send. When the vendor throttles
one request, the process pauses all requests of the connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
import weakref
from collections.abc import AsyncIterator, Iterator

Rates = tuple[tuple[int, float], ...]

# How often a blocked caller checks for cancellation.
_STOP_POLL_SECONDS = 1.0

_limiters: dict[tuple[int, tuple[str, ...], Rates], RateLimiter] = {}
_slots: dict[tuple[int, tuple[str, ...], int], RequestSlots] = {}
_lock = threading.Lock()


class RateLimiter:
    """Delays requests so that they stay within one or several rates, or none.

    :param rates: pairs of a number of requests and a window in seconds, as :func:`compute_rates`
        returns them.
    """

    def __init__(self, rates: Rates) -> None:
        self.rates = rates
        self._paused_until = 0.0
        if not rates:
            return
        from pyrate_limiter import InMemoryBucket, Limiter, Rate, SingleBucketFactory

        self._bucket = InMemoryBucket([Rate(limit, int(seconds * 1000)) for limit, seconds in rates])
        # The library's own removal of expired entries needs a thread per bucket; `_drop_expired`
        # needs none.
        self._limiter = Limiter(SingleBucketFactory(self._bucket, schedule_leak=False))
        self._leak_lock = threading.Lock()

    @property
    def window_seconds(self) -> float:
        """The longest window of the rates; 0 without rates."""
        return max((seconds for _, seconds in self.rates), default=0.0)

    def pause(self, seconds: float) -> None:
        """Pause all requests for at least ``seconds``."""
        self._paused_until = max(self._paused_until, time.monotonic() + seconds)

    def acquire(self, stop: threading.Event) -> bool:
        """Wait until a request may be sent, or ``stop`` is set; return whether it may be sent."""
        while (seconds := self._paused_until - time.monotonic()) > 0:
            if stop.wait(seconds):
                return False
        if not self.rates:
            return not stop.is_set()
        self._drop_expired()
        while not self._limiter.try_acquire(timeout=_STOP_POLL_SECONDS):
            if stop.is_set():
                return False
        return True

    async def aacquire(self) -> None:
        """Wait in an event loop until a request may be sent."""
        # The pause may have become longer meanwhile.
        while (seconds := self._paused_until - time.monotonic()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(seconds)
        if not self.rates:
            return
        self._drop_expired()
        await self._limiter.try_acquire_async()

    def _drop_expired(self) -> None:
        with self._leak_lock:
            self._bucket.leak(int(self._bucket.now()))


def get_limiter(owner: tuple[str, ...], rates: Rates) -> RateLimiter:
    """Return this process's rate limiter of ``owner``."""
    key = (os.getpid(), owner, rates)
    with _lock:
        if key not in _limiters:
            _limiters[key] = RateLimiter(rates)
        return _limiters[key]


def compute_rates(published: Rates, requests_per_minute: int | None) -> Rates:
    """Return the rates to keep, ordered by their seconds.

    A user's ``requests_per_minute`` below the vendor's published rates applies in addition to them.
    Above them, the vendor has raised the account's limit, and only the user's rate applies.
    Redundant rates are dropped, because the limiter requires longer windows to allow more requests
    at a lower rate.
    """
    rates = set(published)
    if requests_per_minute is not None:
        own = (requests_per_minute, 60.0)
        if any(limit / seconds < own[0] / own[1] for limit, seconds in published):
            rates = set()
        rates.add(own)
    kept = [rate for rate in rates if not any(_dominates(other, rate) for other in rates - {rate})]
    return tuple(sorted(kept, key=lambda rate: rate[1]))


def _dominates(other: tuple[int, float], rate: tuple[int, float]) -> bool:
    """Return whether staying within ``other`` implies staying within ``rate``."""
    if other[0] <= rate[0] and other[1] >= rate[1]:
        return True
    return other[1] < rate[1] and other[0] / other[1] < rate[0] / rate[1]


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
        """Wait for a slot and hold it. Provide False, without a slot, if ``stop`` is set."""
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
