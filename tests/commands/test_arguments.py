"""Filters and conditions on the command line."""

from __future__ import annotations

import pytest

from airflow_provider_contacts.commands.arguments import parse_conditions, parse_filters
from airflow_provider_contacts.conditions import AllOf, Replied, Tagged
from airflow_provider_contacts.errors import InvalidRequest


def test_no_filter_is_lost() -> None:
    assert parse_filters(["a=1", "b=x=y", "a=2", "a=3"]) == {"a": ["1", "2", "3"], "b": "x=y"}
    with pytest.raises(InvalidRequest):
        parse_filters(["=1"])


def test_conditions_are_all_required() -> None:
    assert parse_conditions([]) is None
    assert parse_conditions(["replied", "tagged:VIP"]) == AllOf((Replied(), Tagged("VIP")))
