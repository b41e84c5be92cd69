"""Digests of what is asked."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from airflow_provider_contacts.conditions import Tagged
from airflow_provider_contacts.triggers.fingerprints import fingerprint
from tests.strategies import anything

VIP = Tagged("VIP").to_dict()


@given(anything)
def test_fingerprint_is_the_same_for_the_same_question_only(value: Any) -> None:
    assert fingerprint({"a": value}, VIP, "c") == fingerprint({"a": value}, dict(VIP), "c")
    assert fingerprint({"a": value}, VIP, "c") != fingerprint({"a": [value]}, VIP, "c")
    assert fingerprint({"a": value}, VIP, "c") != fingerprint({"a": value}, VIP, "d")
    assert fingerprint({"a": value}, VIP) != fingerprint({"a": value}, VIP, "d")


def test_fingerprint_ignores_order_and_missing_filters() -> None:
    assert fingerprint({"a": 1, "b": 2}, VIP) == fingerprint({"b": 2, "a": 1}, VIP)
    assert fingerprint(None, VIP) == fingerprint({}, VIP)
    with pytest.raises(TypeError):
        fingerprint({"a": {1}}, VIP)
