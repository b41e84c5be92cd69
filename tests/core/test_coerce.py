"""Times as vendors send them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from airflow_provider_contacts.core.coerce import from_unix, utc


@pytest.mark.parametrize(
    "value", ["47 minutes ago", "01/01/2022", "", None, True, -5, 0, "1e9", "²", 1e30, [], {}]
)
def test_values_that_are_not_unix_times(value: Any) -> None:
    assert from_unix(value) is None


@pytest.mark.parametrize("value", [1654714807, 1654714807.0, "1654714807"])
def test_unix_time(value: Any) -> None:
    assert from_unix(value) == datetime(2022, 6, 8, 19, 0, 7, tzinfo=timezone.utc)


def test_times_are_in_utc() -> None:
    there = timezone(timedelta(hours=2))
    assert utc(datetime(2026, 1, 1, 2, tzinfo=there)) == datetime(2026, 1, 1, tzinfo=timezone.utc)
    assert utc(datetime(2026, 1, 1)) == datetime(2026, 1, 1, tzinfo=timezone.utc)
    assert utc(None) is None
