"""An adapter of `requests` whose requests another thread can interrupt."""

from __future__ import annotations

import contextlib
import functools
import socket
import threading
from collections.abc import Iterator
from typing import Any

from requests.adapters import HTTPAdapter

_running = threading.local()


class Interruption:
    """Interrupts the request that one thread is sending."""

    def __init__(self) -> None:
        # The socket itself: a connection drops its reference when a response ends with the connection.
        self.sock: Any = None
        self.is_interrupted = False

    def interrupt(self) -> None:
        """Shut down the request's socket, now or as soon as there is one, so that reading from it ends."""
        self.is_interrupted = True
        # `SSLSocket.shutdown` waits for the server, so the plain socket's method is called.
        with contextlib.suppress(OSError, TypeError):
            socket.socket.shutdown(self.sock, socket.SHUT_RDWR)


@contextlib.contextmanager
def interruptible() -> Iterator[Interruption]:
    """Provide a way to interrupt the request that this thread sends inside the block."""
    interruption = Interruption()
    _running.interruption = interruption
    try:
        yield interruption
    finally:
        _running.interruption = None


class InterruptibleAdapter(HTTPAdapter):
    """Knows the socket that each thread is using."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Create the pools of direct connections."""
        super().init_poolmanager(*args, **kwargs)
        _watch(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        """Return the pools of connections through a proxy."""
        manager = super().proxy_manager_for(*args, **kwargs)
        _watch(manager)
        return manager


def _watch(manager: Any) -> None:
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
    """Registers itself with the request that uses it."""

    sock: Any

    def connect(self) -> None:
        super().connect()  # type: ignore[misc]
        self._register()

    def request(self, *args: Any, **kwargs: Any) -> None:
        self._register()
        super().request(*args, **kwargs)  # type: ignore[misc]

    def _register(self) -> None:
        interruption = getattr(_running, "interruption", None)
        if interruption is not None:
            interruption.sock = self.sock
            if interruption.is_interrupted:
                interruption.interrupt()
