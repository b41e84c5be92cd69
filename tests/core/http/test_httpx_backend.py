"""Behavior of both backends: cookies and response sizes."""

from __future__ import annotations

import gzip
from collections.abc import Callable

import pytest

from airflow_provider_contacts.errors import (
    MalformedResponse,
)
from tests.conftest import Read
from tests.scripted import ReceivedRequest, Reply, ScriptedServer
from tests.tether import page


def test_cookies_are_not_kept(tether: Callable[..., str], scripted: ScriptedServer, read: Read) -> None:
    def respond(request: ReceivedRequest) -> Reply:
        number = int(request.params["page"][0])
        records = [{"_id": str(number)}] if number <= 3 else []
        return Reply(body=page(*records, total=3), headers={"Set-Cookie": "a=b; Path=/"})

    scripted.respond = respond
    assert len(read(tether(scripted.url))) == 3
    assert not any("cookie" in request.headers for request in scripted.received)


def test_a_gzip_bomb(tether: Callable[..., str], scripted: ScriptedServer, read: Read) -> None:
    bomb = gzip.compress(b'{"success": true, "data": "' + b" " * (150 << 20), 9)
    scripted.replies = [Reply(body=bomb, headers={"Content-Encoding": "gzip"})]
    with pytest.raises(MalformedResponse, match="more than 128 MiB"):
        read(tether(scripted.url))
    assert len(scripted.received) == 1
