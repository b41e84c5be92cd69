"""Requests and responses."""

from __future__ import annotations

import pytest

from airflow_provider_contacts.core.request import Request, Response
from airflow_provider_contacts.errors import MalformedResponse


def test_repr_contains_no_personal_data() -> None:
    request = Request("GET", "/contacts", (("search", "ada@secret.test"),), {"name": "secret"})
    response = Response(200, {"x": "secret"}, b"secret")
    assert repr(request) == str(request) == "GET /contacts"
    assert repr(response) == str(response) == "<Response 200>"


def test_json() -> None:
    assert Response(200, {}, b'{"a": 1}').json() == {"a": 1}
    with pytest.raises(MalformedResponse, match="not JSON"):
        Response(200, {}, b"secret").json()
