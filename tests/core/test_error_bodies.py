"""Errors in response bodies."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given

from airflow_provider_contacts.core.error_bodies import ErrorFormat, ReportedError, decode_json
from airflow_provider_contacts.errors import (
    MalformedResponse,
)
from tests.strategies import anything

FORMAT = ErrorFormat(status_key="statusCode")


@pytest.mark.parametrize(
    ("body", "failure"),
    [
        ({"error": {"code": "x", "message": "y"}}, ReportedError("x", "y")),
        ({"error": "x", "message": "y", "statusCode": 400}, ReportedError("x", "y", 400)),
        ({"message": "y", "code": "x"}, ReportedError("x", "y")),
        ({"success": False, "message": "y"}, ReportedError("", "y")),
        ([{"error": "x", "message": "y"}], ReportedError("x", "y")),
        ({"errors": [{"error": "x", "message": "y"}]}, ReportedError("x", "y")),
        ({"error": {"code": 401, "message": "y"}}, ReportedError("401", "y", 401)),
        ({"error": ["x"]}, ReportedError("x", "")),
        ({"error": {}, "data": {}}, None),
        ({"error": None, "data": {}}, None),
        ({"status": "ok"}, None),
        ([], None),
        (5, None),
    ],
)
def test_find_error(body: Any, failure: ReportedError | None) -> None:
    assert FORMAT.find_error(json.dumps(body).encode()) == failure


@given(anything)
def test_any_json_is_an_error_or_none(body: Any) -> None:
    found = FORMAT.find_error(json.dumps(body).encode())
    assert found is None or isinstance(found.label + found.message, str)


@pytest.mark.parametrize(
    ("body", "again"), [(b'{"a": ', True), (b"[1,", True), (b"<html>", False), (b"", False)]
)
def test_only_cut_json_is_transient(body: bytes, again: bool) -> None:
    with pytest.raises(MalformedResponse) as caught:
        decode_json(body)
    assert caught.value.transient is again
