"""State of the sandbox."""

from __future__ import annotations

import requests

from tests.conftest import Sandbox


def test_mailstand_rate_limit(sandbox: Sandbox) -> None:
    with requests.Session() as session:
        session.auth = ("sandbox-key", "")
        statuses = [
            session.get(f"{sandbox.url}/mailstand/workspaces", timeout=5).status_code for _ in range(101)
        ]
    assert statuses == [200] * 100 + [429]
