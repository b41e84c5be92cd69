"""The sandbox rejects what the API docs do not document."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import Sandbox
from tests.sandbox.client import BEARER, TETHER, THOUGHTLY, WORKSPACE, get, strict


@strict
@pytest.mark.parametrize(
    ("path", "options"),
    [
        ("/talktohumans/v1/contacts?tags=a", {"headers": BEARER}),
        ("/talktohumans/v1/contacts?limit=0", {"headers": BEARER}),
        ("/talktohumans/v1/contacts?limit=ten", {"headers": BEARER}),
        ("/talktohumans/v1/contacts?tag=a&tag=b", {"headers": BEARER}),
        ("/talktohumans/v1/contacts?account_id=007", {"headers": BEARER}),
        ("/talktohumans/v1/contacts?invitation_status=accepted", {"headers": BEARER}),
        ("/talktohumans/v1/contacts?cursor=made-up", {"headers": BEARER}),
        ("/talktohumans/v1/contacts?query=", {"headers": BEARER}),
        ("/thoughtly/contact?limit=51", {"headers": THOUGHTLY}),
        ("/thoughtly/contact?page=-1", {"headers": THOUGHTLY}),
        ("/thoughtly/contact?tags[]=a", {"headers": THOUGHTLY}),
        ("/thoughtly/contact?phone_numbers_only=1", {"headers": THOUGHTLY}),
        ("/thoughtly/contact?sortDirection=up", {"headers": THOUGHTLY}),
        ("/mailstand/contacts?workspace=space_sandbox&page=1", {"auth": ("sandbox-key", "")}),
        ("/mailstand/contacts?display=5&page=1", {"auth": ("sandbox-key", "")}),
        ("/mailstand/contacts?workspace=space_sandbox&display=5", {"auth": ("sandbox-key", "")}),
        ("/mailstand/contacts?workspace=space_sandbox&display=2001&page=1", {"auth": ("sandbox-key", "")}),
        (f"/mailstand/contacts?{WORKSPACE}&stage=replied", {"auth": ("sandbox-key", "")}),
        (f"/mailstand/contacts?{WORKSPACE}&tag=a", {"auth": ("sandbox-key", "")}),
        ("/tether/api/contacts?page=0", {"headers": TETHER}),
        ("/tether/api/contacts?limit=5", {"headers": TETHER}),
        ("/tether/api/contacts?dateRange=yesterday", {"headers": TETHER}),
        ("/tether/api/contacts?dateRange={}", {"headers": TETHER}),
        ('/tether/api/contacts?dateRange={"start": 5}', {"headers": TETHER}),
        ("/tether/api/contacts?page=%2B1", {"headers": TETHER}),
        ("/tether/api/contacts?page=01", {"headers": TETHER}),
        ("/tether/api/contacts?page=1_0", {"headers": TETHER}),
        ("/talktohumans/v1/contacts?limit=2.0", {"headers": BEARER}),
    ],
)
def test_undocumented_requests_are_rejected_and_recorded(
    path: str, options: dict[str, Any], sandbox: Sandbox
) -> None:
    assert get(sandbox, path, **options).status_code == 400
    [violation] = get(sandbox, "/sandbox/violations").json()
    assert violation["vendor"] == path.split("/")[1]
    assert violation["problem"]


@strict
def test_unknown_endpoints_are_recorded(sandbox: Sandbox) -> None:
    assert get(sandbox, "/tether/api/tags", headers=TETHER).status_code == 404
    assert len(get(sandbox, "/sandbox/violations").json()) == 1
