"""End a request that takes too long, however slowly its response arrives.

The timeouts of an HTTP library apply to each read from the socket. A server that sends one byte now
and then never exceeds them. So one thread watches the requests of a process, and shuts down the
socket of one that is too slow.
"""

from __future__ import annotations

import contextlib
import functools
import os
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from requests.adapters import HTTPAdapter

_CHECK_SECONDS = 0.5
# The deadline of the request that each thread is sending.
_current = threading.local()


class Deadline:
    """The end of one request.

    :param seconds: how long the request may take.
    """

    def __init__(self, seconds: float) -> None:
        self._due = time.monotonic() + seconds
        self._lock = threading.Lock()
        self._is_over = False
        self.is_expired = False
        # The socket itself: a connection drops its reference when a response ends with the
        # connection.
        self.sock: Any = None

    def finish(self) -> None:
        """Record that the request has ended, so that its socket may serve another one."""
        with self._lock:
            self._is_over = True

    def check(self) -> None:
        """End the request if it has taken too long."""
        if not self.is_expired and time.monotonic() >= self._due:
            self.expire()

    def expire(self) -> None:
        """End the request now, or as soon as it has a socket, unless it has ended."""
        with self._lock:
            if not self._is_over:
                self.is_expired = True
                # `SSLSocket.shutdown` waits for the server, so the plain socket's method is called.
                with contextlib.suppress(OSError, TypeError):
                    socket.socket.shutdown(self.sock, socket.SHUT_RDWR)


class _Watched(NamedTuple):
    """The deadlines that one thread watches."""

    deadlines: set[Deadline]
    changed: threading.Condition


_watched: dict[int, _Watched] = {}
_lock = threading.Lock()


@contextlib.contextmanager
def limit_duration(seconds: float) -> Iterator[Deadline]:
    """End the request that this thread sends inside the block after ``seconds``."""
    deadline = Deadline(seconds)
    with _lock:
        # Threads do not survive a fork.
        watched = _watched.get(os.getpid())
        if watched is None:
            watched = _watched[os.getpid()] = _Watched(set(), threading.Condition())
            # One daemon thread for all requests, because a thread for each would cost more than a
            # small request.
            threading.Thread(target=_watch, args=watched, name="contacts-deadlines", daemon=True).start()
    deadlines, changed = watched
    with changed:
        deadlines.add(deadline)
        if len(deadlines) == 1:
            changed.notify()
    _current.deadline = deadline
    try:
        yield deadline
    finally:
        _current.deadline = None
        deadline.finish()
        with changed:
            deadlines.discard(deadline)


def _watch(deadlines: set[Deadline], changed: threading.Condition) -> None:
    while True:
        with changed:
            while not deadlines:
                changed.wait()
            active = list(deadlines)
        for deadline in active:
            deadline.check()
        time.sleep(_CHECK_SECONDS)


class InterruptibleAdapter(HTTPAdapter):
    """An adapter of `requests` whose connections let the thread's deadline know their socket."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Create the pools of direct connections."""
        super().init_poolmanager(*args, **kwargs)
        _watch_connections(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        """Return the pools of connections through a proxy."""
        manager = super().proxy_manager_for(*args, **kwargs)
        _watch_connections(manager)
        return manager


def _watch_connections(manager: Any) -> None:
    manager.pool_classes_by_scheme = {
        scheme: _watched_pool(pool) for scheme, pool in manager.pool_classes_by_scheme.items()
    }


@functools.cache
def _watched_pool(pool: Any) -> Any:
    if issubclass(pool.ConnectionCls, _WatchedConnection):
        return pool
    connection = type(pool.ConnectionCls.__name__, (_WatchedConnection, pool.ConnectionCls), {})
    return type(pool.__name__, (pool,), {"ConnectionCls": connection})


class _WatchedConnection:
    """Hands its socket to the deadline of the thread that uses it."""

    sock: Any

    def connect(self) -> None:
        super().connect()  # type: ignore[misc]
        watch_socket(self.sock)

    def request(self, *args: Any, **kwargs: Any) -> None:
        watch_socket(self.sock)
        super().request(*args, **kwargs)  # type: ignore[misc]


def watch_socket(sock: Any) -> None:
    """Hand a socket to the deadline of this thread's request, if there is one."""
    deadline: Deadline | None = getattr(_current, "deadline", None)
    if deadline is not None:
        deadline.sock = sock
        if deadline.is_expired:
            deadline.expire()
