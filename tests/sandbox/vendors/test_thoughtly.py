from __future__ import annotations

from tests.conftest import Sandbox
from tests.sandbox.client import THOUGHTLY, get


def test_pages_start_at_zero_and_report_no_total(sandbox: Sandbox) -> None:
    pages = [
        get(sandbox, f"/thoughtly/contact?limit=50&page={number}", headers=THOUGHTLY).json()
        for number in range(3)
    ]
    assert [len(page["data"]["contacts"]) for page in pages] == [50, 10, 0]
    assert all("total" not in page["data"] for page in pages)


def test_excluded_tags(sandbox: Sandbox) -> None:
    everyone = get(sandbox, "/thoughtly/contact?limit=50", headers=THOUGHTLY).json()["data"]["contacts"]
    without = get(sandbox, "/thoughtly/contact?limit=50&excluded_tags=VIP", headers=THOUGHTLY).json()
    tags = [contact["tags"] for contact in without["data"]["contacts"]]
    assert any("VIP" in contact["tags"] for contact in everyone)
    assert not any("VIP" in names for names in tags)
