from __future__ import annotations

from tests.conftest import Sandbox
from tests.sandbox.client import TETHER, get


def test_tether_returns_own_contacts_by_default(sandbox: Sandbox) -> None:
    answer = get(sandbox, "/tether/api/contacts", headers=TETHER).json()
    assert answer["total"] == answer["data"]["total"] < 60
    assert answer["contacts"] == answer["data"]["contacts"]
    everyone = get(sandbox, "/tether/api/contacts?ownerFilter=all&size=60", headers=TETHER).json()
    phones = {type(contact["phoneNumber"]) for contact in everyone["contacts"]}
    assert phones == {str, list}
