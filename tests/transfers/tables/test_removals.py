"""How many contacts one run may mark as removed; test_contacts_to_sql covers whole runs."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_contacts.errors import IncompleteListing, InvalidRequest
from airflow_provider_contacts.transfers.tables.removals import RemovalLimit, parse_removal_limit


@pytest.mark.parametrize(
    ("value", "limit"),
    [
        (None, RemovalLimit()),
        ("", RemovalLimit()),
        ("None", RemovalLimit()),
        (0, RemovalLimit(rows=0)),
        (" 7 ", RemovalLimit(rows=7)),
        ("30%", RemovalLimit(percent=30)),
        ("100 %", RemovalLimit(percent=100)),
    ],
)
def test_parse_removal_limit(value: Any, limit: RemovalLimit) -> None:
    assert parse_removal_limit("max_removed", value) == limit


@pytest.mark.parametrize("value", [-1, True, 0.3, "0.3", "-5", "101%", "%", "many", [], "\u00b2"])
def test_invalid_removal_limit(value: Any) -> None:
    with pytest.raises(InvalidRequest, match="`max_removed` must be"):
        parse_removal_limit("max_removed", value)


@pytest.mark.parametrize(
    ("limit", "present", "most"),
    [
        (RemovalLimit(), 50, 20),
        (RemovalLimit(), 1000, 200),
        (RemovalLimit(rows=0), 1000, 0),
        (RemovalLimit(percent=50), 10, 5),
    ],
)
def test_limits(limit: RemovalLimit, present: int, most: int) -> None:
    limit.check(listed=1, present=present, gone=most)
    with pytest.raises(IncompleteListing, match="Nothing was written"):
        limit.check(listed=1, present=present, gone=most + 1)


def test_empty_listing_marks_nothing_unless_a_limit_is_set() -> None:
    with pytest.raises(IncompleteListing):
        RemovalLimit().check(listed=0, present=5, gone=5)
    RemovalLimit(rows=5).check(listed=0, present=5, gone=5)
    RemovalLimit().check(listed=0, present=0, gone=0)


def test_shares_are_exact() -> None:
    for percent in range(101):
        RemovalLimit(percent=percent).check(listed=1, present=100, gone=percent)
