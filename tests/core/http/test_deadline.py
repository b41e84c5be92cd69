"""Requests that take too long, however slowly their response arrives."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from airflow_provider_contacts.core.http.deadline import InterruptibleAdapter, limit_duration, watch_socket
from airflow_provider_contacts.errors import VendorUnavailable
from tests.conftest import Read
from tests.scripted import RawServer, Reply, ScriptedServer
from tests.tether import page

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.fixture
def sockets() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Return two sockets that are connected."""
    left, right = socket.socketpair()
    right.settimeout(5)
    with left, right:
        yield left, right


@pytest.fixture
def session() -> requests.Session:
    """Return a session with an interruptible adapter."""
    found = requests.Session()
    found.trust_env = False
    found.mount("http://", InterruptibleAdapter())
    return found


def test_block_that_is_in_time(sockets: tuple[socket.socket, socket.socket]) -> None:
    left, right = sockets
    with limit_duration(60) as deadline:
        watch_socket(left)
    # The socket may serve another request now.
    deadline.expire()
    assert not deadline.is_expired
    left.send(b"x")
    assert right.recv(1) == b"x"


def test_block_that_takes_too_long(sockets: tuple[socket.socket, socket.socket]) -> None:
    left, right = sockets
    with limit_duration(0.1) as deadline:
        watch_socket(left)
        assert right.recv(1) == b""
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


def test_deadline_that_passes_before_there_is_a_connection(
    sockets: tuple[socket.socket, socket.socket],
) -> None:
    """A slow connection attempt must not outlive the deadline by a dripping response."""
    left, right = sockets
    with limit_duration(60) as deadline:
        deadline.expire()
        watch_socket(left)
        assert right.recv(1) == b""


def test_interrupting_ends_reading(session: requests.Session, scripted: ScriptedServer) -> None:
    scripted.replies = [Reply(delay=30)]
    started = time.monotonic()
    with limit_duration(60) as deadline:
        threading.Timer(0.3, deadline.expire).start()
        with pytest.raises(requests.ConnectionError):
            session.get(scripted.url)
    assert time.monotonic() - started < 5


def test_each_thread_has_its_own_socket(session: requests.Session, scripted: ScriptedServer) -> None:
    scripted.replies = [Reply(delay=0.1)]
    sockets: list[Any] = []

    def send() -> None:
        with limit_duration(60) as deadline:
            session.get(scripted.url)
            sockets.append(deadline.sock)

    threads = [threading.Thread(target=send) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(set(map(id, sockets))) == 3


def test_interrupting_before_there_is_a_connection_does_nothing() -> None:
    with limit_duration(60) as deadline:
        deadline.expire()


def test_proxies_are_interruptible(session: requests.Session, scripted: ScriptedServer) -> None:
    scripted.replies = [Reply()]
    with limit_duration(60) as deadline:
        assert session.get("http://vendor.example/x", proxies={"http": scripted.url}).status_code == 200
        assert deadline.sock is not None
