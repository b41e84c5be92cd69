"""Times and durations of conditions."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone

import pytest

from airflow_provider_contacts.conditions import (
    Replied,
)
from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.core.matching.parsing import parse_condition
from tests.strategies import NOW


def test_since_accepts_times_and_dates() -> None:
    from datetime import date

    for value in (date(2026, 1, 2), "2026-01-02", " 2026-01-02T00:00:00Z", NOW.replace(tzinfo=None)):
        assert Replied(value) == Replied(NOW)
    for bad in (
        "yesterday",
        "7 years",
        "0d",
        "-1d",
        "",
        "99999999d",
        timedelta(),
        timedelta(days=-1),
        timedelta(days=36_525),
        5,
        True,
        {},
    ):
        with pytest.raises(
            ValueError,
            match=r"`since` must be a time such as .*, or a duration before now such as 7d, 12h or 30m\Z",
        ):
            Replied(bad)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="renders a template only in a condition's JSON"):
        Replied("{{ ds }}")


def test_time_without_a_zone_is_in_utc_on_every_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as environment:
        environment.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        for moment in (NOW, NOW.replace(tzinfo=None)):
            assert Replied(moment).to_dict() == {"condition": "replied", "since": "2026-01-02T00:00:00Z"}
    time.tzset()


def test_durations_are_relative_to_now() -> None:
    now = datetime.now(timezone.utc)
    for value in ("7d", "1w", "168h", "10080m", "P7D", timedelta(days=7)):
        condition = Replied(since=value)
        assert condition == Replied(since="7d")
        assert parse_condition(condition.to_dict()) == condition
        recent, old = (
            Contact("v", "", "1", replied=True, replied_at=now - timedelta(days=days)) for days in (6, 8)
        )
        assert condition.evaluate(recent) is True
        assert condition.evaluate(old) is False


def test_pendulum_times() -> None:
    import pendulum

    moment = pendulum.datetime(2026, 3, 1, tz="Europe/Berlin")
    condition = Replied(since=moment)
    assert condition == Replied(since=datetime(2026, 2, 28, 23, tzinfo=timezone.utc))
    assert parse_condition(condition.to_dict()) == condition
    assert (
        parse_condition({"condition": "not", "of": {"condition": "replied", "since": moment}}) == ~condition
    )
