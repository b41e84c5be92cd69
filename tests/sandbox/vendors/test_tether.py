from __future__ import annotations

import json
from typing import Any

import pytest
import requests

from tests.conftest import Sandbox
from tests.sandbox.client import TETHER, get, strict


def test_tether_returns_own_contacts_by_default(sandbox: Sandbox) -> None:
    answer = get(sandbox, "/tether/api/contacts", headers=TETHER).json()
    assert answer["total"] == answer["data"]["total"] < 60
    assert answer["contacts"] == answer["data"]["contacts"]
    everyone = get(sandbox, "/tether/api/contacts?ownerFilter=all&size=60", headers=TETHER).json()
    phones = {type(contact["phoneNumber"]) for contact in everyone["contacts"]}
    assert phones == {str, list}


@strict
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "/{id}", {}),
        ("PATCH", "/{id}", {"status": ["x"]}),
        ("PATCH", "/{id}", {"status": 5}),
        ("PATCH", "/{id}", {"stage": "Won"}),
        ("PUT", "/bulk-update-status", {"contactIds": ["{id}"], "foo": 1, "bar": 2}),
        ("PUT", "/bulk-update-status", {"contactIds": [], "status": "Won", "pipelineStageId": "a" * 24}),
        ("PUT", "/bulk-update-status", {"contactIds": ["x"], "status": "Won", "pipelineStageId": "a" * 24}),
        ("POST", "", {"size": "5"}),
        ("POST", "", {"page": 1}),
        ("POST", "", {"tags": ["x"]}),
    ],
)
def test_bad_bodies(method: str, path: str, body: Any, sandbox: Sandbox) -> None:
    contact_id = sandbox.state.tables["tether"].rows[0].contact_id
    before = [row.status for row in sandbox.state.tables["tether"].rows]
    content = json.dumps(body).replace("{id}", contact_id)
    url = f"{sandbox.url}/tether/api/contacts{path.replace('{id}', contact_id)}"
    headers = {**TETHER, "Content-Type": "application/json"}
    assert requests.request(method, url, data=content, headers=headers, timeout=5).status_code == 400
    assert len(sandbox.state.violations) == 1
    assert [row.status for row in sandbox.state.tables["tether"].rows] == before
