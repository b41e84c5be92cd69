"""The sandbox requires the credentials that the API docs document."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import Sandbox
from tests.sandbox.client import BEARER, THOUGHTLY, WORKSPACE, get


@pytest.mark.parametrize(
    ("path", "options"),
    [
        ("/talktohumans/v1/contacts", {}),
        ("/talktohumans/v1/contacts", {"auth": ("sandbox-key", "")}),
        ("/thoughtly/contact", {"headers": {"x-api-token": "sandbox-key"}}),
        ("/thoughtly/contact", {"headers": {**THOUGHTLY, "team_id": "other"}}),
        (f"/mailstand/contacts?{WORKSPACE}", {"headers": BEARER}),
        (f"/mailstand/contacts?{WORKSPACE}", {"auth": ("sandbox-key", "word")}),
        ("/tether/api/contacts", {"headers": BEARER}),
    ],
)
def test_credentials(path: str, options: dict[str, Any], sandbox: Sandbox) -> None:
    assert get(sandbox, path, **options).status_code == 401
