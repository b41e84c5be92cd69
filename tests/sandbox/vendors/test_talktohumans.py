from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.conftest import Sandbox
from tests.sandbox.client import BEARER, get, strict


def patch(sandbox: Sandbox, contact_id: str, **body: Any) -> requests.Response:
    url = f"{sandbox.url}/talktohumans/v1/contacts/{contact_id}"
    return requests.patch(url, json=body, headers=BEARER, timeout=5)


def test_talktohumans_clamps_at_25(sandbox: Sandbox) -> None:
    data = get(sandbox, "/talktohumans/v1/contacts?limit=500", headers=BEARER).json()["data"]
    assert (len(data["contacts"]), data["pagination"]["limit"]) == (25, 25)
    assert len(get(sandbox, "/talktohumans/v1/contacts", headers=BEARER).json()["data"]["contacts"]) == 10


def test_update_contact(sandbox: Sandbox) -> None:
    row = sandbox.state.tables["talktohumans"].rows[0]
    update = {"add": [{"name": "New", "color": "red"}], "remove": list(row.tags)}
    answer = patch(sandbox, row.contact_id, tags=update).json()
    assert answer["data"]["contact"]["tags"] == [{"name": "New"}]
    answer = patch(sandbox, row.contact_id, tags={"set": []}, notes_json='{"a": 1}').json()
    assert answer["data"]["contact"]["tags"] == []
    assert answer["data"]["contact"]["notes_json"] == '{"a": 1}'
    twin = sandbox.state.tables["talktohumans"].rows[9]
    assert patch(sandbox, twin.contact_id, tags={"set": []}).status_code == 400
    assert patch(sandbox, twin.contact_id, tags={"set": []}, account_id=twin.account_id).status_code == 200


@strict
@pytest.mark.parametrize(
    "body",
    [
        {},
        {"tag": "x"},
        {"tags": {"set": [], "add": []}},
        {"tags": {"add": ["x"]}},
        {"tags": {"remove": [{"name": "x"}]}},
        {"tags": {"add": [{"name": ""}]}},
        {"tags": []},
        {"tags": {}},
        {"tags": {"add": []}},
        {"notes_json": "{not json"},
        {"tags": {"set": []}, "account_id": 42},
    ],
)
def test_bad_updates(body: dict[str, Any], sandbox: Sandbox) -> None:
    assert patch(sandbox, "5000", **body).status_code == 400
    assert len(sandbox.state.violations) == 1
