"""Interrupting a request from another thread."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
import requests

from airflow_provider_contacts.core.http.interruption import InterruptibleAdapter, interruptible
from tests.scripted import Reply, ScriptedServer


@pytest.fixture
def session() -> requests.Session:
    """Return a session with an interruptible adapter."""
    found = requests.Session()
    found.trust_env = False
    found.mount("http://", InterruptibleAdapter())
    return found


def test_interrupting_ends_reading(session: requests.Session, scripted: ScriptedServer) -> None:
    scripted.replies = [Reply(delay=30)]
    started = time.monotonic()
    with interruptible() as interruption:
        threading.Timer(0.3, interruption.interrupt).start()
        with pytest.raises(requests.ConnectionError):
            session.get(scripted.url)
    assert time.monotonic() - started < 5


def test_each_thread_has_its_own_socket(session: requests.Session, scripted: ScriptedServer) -> None:
    scripted.replies = [Reply(delay=0.1)]
    sockets: list[Any] = []

    def send() -> None:
        with interruptible() as interruption:
            session.get(scripted.url)
            sockets.append(interruption.sock)

    threads = [threading.Thread(target=send) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(set(map(id, sockets))) == 3


def test_interrupting_before_there_is_a_connection_does_nothing() -> None:
    with interruptible() as interruption:
        interruption.interrupt()


def test_proxies_are_interruptible(session: requests.Session, scripted: ScriptedServer) -> None:
    scripted.replies = [Reply()]
    with interruptible() as interruption:
        assert session.get("http://vendor.example/x", proxies={"http": scripted.url}).status_code == 200
        assert interruption.sock is not None
