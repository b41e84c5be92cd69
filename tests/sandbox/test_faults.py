"""Injected faults."""

from __future__ import annotations

import time

import pytest
import requests

from tests.conftest import Sandbox
from tests.sandbox.client import TETHER, get, post


def test_faults_and_their_log(sandbox: Sandbox) -> None:
    post(sandbox, "/sandbox/fail", vendor="tether", status=503, retry_after="7", latency=0.1)
    started = time.monotonic()
    answer = get(sandbox, "/tether/api/contacts", headers=TETHER)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "7")
    assert time.monotonic() - started >= 0.1
    assert get(sandbox, "/tether/api/contacts", headers=TETHER).status_code == 200
    log = get(sandbox, "/sandbox/requests?vendor=tether").json()
    assert [entry["status"] for entry in log] == [503, 200]
    assert post(sandbox, "/sandbox/fail", vendor="tether", colour="red").status_code == 400
    post(sandbox, "/sandbox/fail", vendor="tether", reset=True)
    with pytest.raises(requests.ConnectionError):
        get(sandbox, "/tether/api/contacts", headers=TETHER)


def test_line_per_request(sandbox: Sandbox) -> None:
    lines: list[str] = []
    sandbox.state.print_line = lines.append
    get(sandbox, "/tether/api/contacts?search=ada&size=5", headers=TETHER)
    post(sandbox, "/sandbox/fail", vendor="tether", reset=True)
    with pytest.raises(requests.ConnectionError):
        get(sandbox, "/tether/api/contacts", headers=TETHER)
    assert [line.partition(" ")[2] for line in lines] == [
        "tether: GET /api/contacts (search, size) -> 200",
        "tether: GET /api/contacts -> no response",
    ]
