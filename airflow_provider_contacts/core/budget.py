"""How many requests a connection may send, shared by all its hooks in one process.

Only an Airflow pool bounds what several workers send together.
"""

from __future__ import annotations

import os
import threading
from typing import Any

Rates = tuple[tuple[int, float], ...]

# Seconds after which a wait looks whether it is still wanted.
_LOOK_UP = 1.0

_budgets: dict[tuple[Any, ...], Budget] = {}
_lock = threading.Lock()


class Budget:
    """A rate to be kept.

    :param rates: pairs of a number of requests and the seconds it holds for, as :func:`combined` gives them.
    """

    def __init__(self, rates: Rates) -> None:
        from pyrate_limiter import InMemoryBucket, Limiter, Rate
        from pyrate_limiter.limiter import SingleBucketFactory

        self.rates = rates
        self._bucket = InMemoryBucket([Rate(limit, int(seconds * 1000)) for limit, seconds in rates])
        # Its own way to drop expired entries is a thread per bucket; `_drop_expired` needs none.
        self._limiter = Limiter(SingleBucketFactory(self._bucket, schedule_leak=False))

    def take(self, stop: threading.Event) -> bool:
        """Take one request, waiting for it until ``stop`` is set; return whether there was one."""
        self._drop_expired()
        while not self._limiter.try_acquire(timeout=_LOOK_UP):
            if stop.is_set():
                return False
        return True

    def take_at_once(self) -> bool:
        """Take one request if there is one."""
        self._drop_expired()
        return bool(self._limiter.try_acquire(blocking=False))

    async def atake(self) -> None:
        """Do what :meth:`take` does, in an event loop."""
        self._drop_expired()
        await self._limiter.try_acquire_async()

    def _drop_expired(self) -> None:
        self._bucket.leak(int(self._bucket.now()))


def shared(owner: tuple[str, ...], rates: Rates) -> Budget | None:
    """Return the budget of ``owner`` in this process, or None where there are no rates to keep."""
    if not rates:
        return None
    key = (os.getpid(), owner, rates)
    with _lock:
        if key not in _budgets:
            _budgets[key] = Budget(rates)
        return _budgets[key]


def combined(published: Rates, requests_per_minute: int | None) -> Rates:
    """Return the rates to keep, as pairs of a number and the seconds it holds for.

    The author's ``requests_per_minute`` below what the vendor publishes is kept beside it; above it, the
    vendor has raised the account's limit, and only the author's holds. Windows that another one implies
    are dropped, since the limiter wants limits to rise and density to fall.
    """
    rates = set(published)
    if requests_per_minute is not None:
        own = (requests_per_minute, 60.0)
        if any(limit / seconds < own[0] / own[1] for limit, seconds in published):
            rates = set()
        rates.add(own)
    kept = [rate for rate in rates if not any(_implies(other, rate) for other in rates - {rate})]
    return tuple(sorted(kept, key=lambda rate: rate[1]))


def _implies(other: tuple[int, float], rate: tuple[int, float]) -> bool:
    """Tell whether who keeps ``other`` keeps ``rate`` as well."""
    if other[0] <= rate[0] and other[1] >= rate[1]:
        return True
    return other[1] < rate[1] and other[0] / other[1] < rate[0] / rate[1]
