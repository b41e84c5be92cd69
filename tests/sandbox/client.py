"""A client of the sandbox that shares no code with the package."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.conftest import Sandbox

BEARER = {"Authorization": "Bearer sandbox-key"}

THOUGHTLY = {"x-api-token": "sandbox-key", "team_id": "sandbox-team"}

TETHER = {"Authorization": "Bearer sandbox-token"}

WORKSPACE = "workspace=space_sandbox&display=5&page=1"

strict = pytest.mark.sandbox(violations=True)


def get(sandbox: Sandbox, path: str, **options: Any) -> requests.Response:
    return requests.get(f"{sandbox.url}{path}", timeout=5, **options)


def post(sandbox: Sandbox, path: str, **body: Any) -> requests.Response:
    return requests.post(f"{sandbox.url}{path}", json=body, timeout=5)
