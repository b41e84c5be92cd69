from __future__ import annotations

from tests.conftest import Sandbox
from tests.sandbox.client import WORKSPACE, get


def test_mailstand_reports_events_with_a_campaign_only(sandbox: Sandbox) -> None:
    auth = {"auth": ("sandbox-key", "")}
    plain = get(sandbox, f"/mailstand/contacts?{WORKSPACE}", **auth).json()["data"][0]
    with_campaign = get(sandbox, f"/mailstand/contacts?{WORKSPACE}&campaign=camp_spring", **auth).json()[
        "data"
    ][0]
    assert "last_reply" not in plain
    assert "last_reply" in with_campaign
    assert plain["created_at"] == "47 minutes ago"
