"""Digests of what is asked."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from airflow_provider_contacts.conditions import Tagged
from airflow_provider_contacts.triggers.fingerprints import compute_fingerprint
from tests.strategies import anything

VIP = Tagged("VIP").to_dict()


@given(anything)
def test_fingerprint_is_the_same_for_the_same_question_only(value: Any) -> None:
    assert compute_fingerprint({"a": value}, VIP, "c") == compute_fingerprint({"a": value}, dict(VIP), "c")
    assert compute_fingerprint({"a": value}, VIP, "c") != compute_fingerprint({"a": [value]}, VIP, "c")
    assert compute_fingerprint({"a": value}, VIP, "c") != compute_fingerprint({"a": value}, VIP, "d")
    assert compute_fingerprint({"a": value}, VIP) != compute_fingerprint({"a": value}, VIP, "d")


def test_fingerprint_ignores_order_and_missing_filters() -> None:
    assert compute_fingerprint({"a": 1, "b": 2}, VIP) == compute_fingerprint({"b": 2, "a": 1}, VIP)
    assert compute_fingerprint(None, VIP) == compute_fingerprint({}, VIP)
    with pytest.raises(TypeError):
        compute_fingerprint({"a": {1}}, VIP)
