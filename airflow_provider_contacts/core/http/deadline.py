"""End a request that takes too long, however slowly its response arrives.

The timeouts of an HTTP library apply to each read from the socket. A server that sends one byte now and then never
exceeds them.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator

_CHECK_SECONDS = 0.5


class Deadline:
    """The end of one request.

    :param seconds: how long the request may take.
    :param on_expiry: ends the request. It runs in another thread.
    """

    def __init__(self, seconds: float, on_expiry: Callable[[], None]) -> None:
        self._due = time.monotonic() + seconds
        self._on_expiry = on_expiry
        self._lock = threading.Lock()
        self._is_over = False
        self.is_expired = False

    def finish(self) -> None:
        """Record that the request has ended."""
        with self._lock:
            self._is_over = True

    def check(self) -> None:
        """End the request if it has taken too long."""
        with self._lock:
            if not self._is_over and not self.is_expired and time.monotonic() >= self._due:
                self.is_expired = True
                self._on_expiry()


class _Watchdog:
    """Checks deadlines in one daemon thread, because a thread per request would cost more than a small request."""

    def __init__(self) -> None:
        self._active: set[Deadline] = set()
        self._changed = threading.Condition()
        threading.Thread(target=self._run, name="contacts-deadlines", daemon=True).start()

    def add(self, deadline: Deadline) -> None:
        with self._changed:
            self._active.add(deadline)
            if len(self._active) == 1:
                self._changed.notify()

    def discard(self, deadline: Deadline) -> None:
        with self._changed:
            self._active.discard(deadline)

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._active:
                    self._changed.wait()
                active = list(self._active)
            for deadline in active:
                deadline.check()
            time.sleep(_CHECK_SECONDS)


_watchdogs: dict[int, _Watchdog] = {}
_lock = threading.Lock()


@contextlib.contextmanager
def limit_duration(seconds: float, on_expiry: Callable[[], None]) -> Iterator[Deadline]:
    """Call ``on_expiry`` in another thread if the block takes longer than ``seconds``."""
    deadline = Deadline(seconds, on_expiry)
    with _lock:
        # Threads do not survive a fork.
        watchdog = _watchdogs.get(os.getpid())
        if watchdog is None:
            watchdog = _watchdogs[os.getpid()] = _Watchdog()
    watchdog.add(deadline)
    try:
        yield deadline
    finally:
        deadline.finish()
        watchdog.discard(deadline)
