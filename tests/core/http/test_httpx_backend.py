"""What holds for both ways to send."""

from __future__ import annotations

import gzip
from collections.abc import Callable

import pytest

from airflow_provider_contacts.errors import (
    MalformedResponse,
)
from tests.conftest import Read
from tests.scripted import Asked, Reply, ScriptedServer
from tests.tether import page


def test_cookies_are_not_kept(tether: Callable[..., str], scripted: ScriptedServer, read: Read) -> None:
    def decide(asked: Asked) -> Reply:
        number = int(asked.params["page"][0])
        return Reply(body=page({"_id": str(number)}, total=3), headers={"Set-Cookie": "a=b; Path=/"})

    scripted.decide = decide
    assert len(read(tether(scripted.url))) == 3
    assert not any("cookie" in asked.headers for asked in scripted.asked)


def test_a_gzip_bomb(tether: Callable[..., str], scripted: ScriptedServer, read: Read) -> None:
    bomb = gzip.compress(b'{"success": true, "data": "' + b" " * (150 << 20), 9)
    scripted.replies = [Reply(body=bomb, headers={"Content-Encoding": "gzip"})]
    with pytest.raises(MalformedResponse, match="more than 128 MiB"):
        read(tether(scripted.url))
    assert len(scripted.asked) == 1
