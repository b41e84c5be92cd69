"""Requests that take too long, however slowly their response arrives."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from airflow_provider_contacts.core.http.deadline import limit_duration
from airflow_provider_contacts.core.http.interruption import _WatchedConnection, interruptible
from airflow_provider_contacts.errors import VendorUnavailable
from tests.conftest import Read
from tests.scripted import RawServer, Reply, ScriptedServer
from tests.tether import page

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def test_block_that_is_in_time() -> None:
    called = threading.Event()
    with limit_duration(60, called.set) as deadline:
        pass
    assert not deadline.is_expired
    assert not called.is_set()


def test_block_that_takes_too_long() -> None:
    called = threading.Event()
    with limit_duration(0.1, called.set) as deadline:
        assert called.wait(5)
    assert deadline.is_expired


@pytest.mark.parametrize("length", [True, False])
def test_body_that_drips(length: bool, tether: Callable[..., str], read: Read) -> None:
    headers = HEAD + (b"Content-Length: 1000\r\n" if length else b"Connection: close\r\n")
    drops = (headers + b"\r\n", *[b" "] * 200)
    with RawServer(drops) as server:
        conn_id = tether(server.url, extra={"request_deadline": 1, "retry_limit": 0})
        started = time.monotonic()
        with pytest.raises(VendorUnavailable, match="not complete after 1 s.*`request_deadline`"):
            read(conn_id)
    assert time.monotonic() - started < 5


def test_headers_that_drip(tether: Callable[..., str], read: Read) -> None:
    drops = (HEAD, *[b"X: y\r\n"] * 200)
    with RawServer(drops) as server:
        conn_id = tether(server.url, extra={"request_deadline": 1, "retry_limit": 0})
        started = time.monotonic()
        with pytest.raises(VendorUnavailable, match="not complete after 1 s"):
            read(conn_id)
    assert time.monotonic() - started < 5


def test_slow_response_that_is_in_time(
    tether: Callable[..., str], scripted: ScriptedServer, read: Read
) -> None:
    scripted.replies = [Reply(body=page({"_id": "1"}, total=1), drip=0.01)]
    assert len(read(tether(scripted.url, extra={"request_deadline": 10}))) == 1


def test_request_after_one_that_was_interrupted(
    tether: Callable[..., str], scripted: ScriptedServer, read: Read
) -> None:
    whole = page({"_id": "1"}, total=1)
    scripted.replies = [Reply(body=whole, drip=0.5), Reply(body=whole)]
    assert len(read(tether(scripted.url, extra={"request_deadline": 1, "retry_limit": 1}))) == 1


def test_deadline_that_passes_before_there_is_a_connection() -> None:
    """A slow connection attempt must not outlive the deadline by a dripping response."""
    with interruptible() as interruption:
        interruption.interrupt()
        left, right = socket.socketpair()
        connection = SimpleNamespace(sock=left)
        _WatchedConnection._register(connection)  # type: ignore[arg-type]
        assert right.recv(1) == b""
        left.close()
        right.close()
