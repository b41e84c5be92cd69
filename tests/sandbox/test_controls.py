"""Endpoints that change and inspect the sandbox."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import Sandbox
from tests.sandbox.client import BEARER, get, post


def test_replies_and_invitations(sandbox: Sandbox) -> None:
    pending = get(sandbox, "/talktohumans/v1/contacts?invitation_status=pending", headers=BEARER).json()
    contact = pending["data"]["contacts"][0]
    who = {
        "vendor": "talktohumans",
        "contact_id": contact["contact_id"],
        "account_id": contact["account"]["account_id"],
    }
    assert post(sandbox, "/sandbox/accept", **who).status_code == 200
    assert post(sandbox, "/sandbox/reply", **who).json() == [who]
    [now] = [
        one
        for one in get(
            sandbox, f"/talktohumans/v1/contacts?account_id={who['account_id']}&limit=25", headers=BEARER
        ).json()["data"]["contacts"]
        if one["contact_id"] == who["contact_id"]
    ]
    assert now["sequence"]["status"] == "replied"
    assert now["connection_invitation"]["invite_state"] == "accepted"
    assert post(sandbox, "/sandbox/reply", vendor="thoughtly", contact_id="x").status_code == 404


def test_adding_and_removing_contacts(sandbox: Sandbox) -> None:
    [added] = post(sandbox, "/sandbox/add", vendor="tether").json()
    assert get(sandbox, "/sandbox/population").json()["tether"] == 61
    assert post(sandbox, "/sandbox/remove", **added).json() == [added]
    assert get(sandbox, "/sandbox/population").json()["tether"] == 60


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("add", {}),
        ("add", {"vendor": "x"}),
        ("add", {"vendor": "tether", "count": "x"}),
        ("fail", {"vendor": "tether", "status": "503"}),
        ("reply", {"contact_id": "1"}),
    ],
)
def test_invalid_control_requests(path: str, body: dict[str, Any], sandbox: Sandbox) -> None:
    assert post(sandbox, f"/sandbox/{path}", **body).status_code == 400


@pytest.mark.parametrize("retry_after", [600, "600", 1.5, "Fri, 01 Jan 2027 00:00:00 GMT"])
def test_retry_after_is_a_number_or_text(retry_after: Any, sandbox: Sandbox) -> None:
    body = {"vendor": "tether", "status": 429, "retry_after": retry_after}
    assert post(sandbox, "/sandbox/fail", **body).status_code == 200
    assert get(sandbox, "/tether/api/contacts").headers["retry-after"] == str(retry_after)


def test_last_requests(sandbox: Sandbox) -> None:
    for path in ("/tether/a", "/tether/b", "/tether/c"):
        get(sandbox, path)
    sandbox.state.violations.clear()
    for last, expected in ((2, ["/b", "/c"]), (0, []), (9, ["/a", "/b", "/c"])):
        found = get(sandbox, f"/sandbox/requests?last={last}").json()
        assert [entry["path"] for entry in found] == expected
