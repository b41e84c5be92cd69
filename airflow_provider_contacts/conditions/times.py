"""Times, and durations relative to now."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

# A time, or a duration before now. msgspec has no union of both, because both are text in JSON.
if TYPE_CHECKING:
    TimeLike: TypeAlias = datetime | date | timedelta | str
else:
    TimeLike = Any

_DURATION = re.compile(r"(\d{1,6})\s?([smhdw])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_MAX_DURATION = timedelta(days=36_525)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def parse_time_or_duration(value: object, field: str, relation: str) -> datetime | timedelta:
    """Return a time in UTC, or a duration.

    :param field: the field's name, for messages.
    :param relation: what durations are relative to, for messages.
    :raises ValueError: if it is neither.
    """
    parsed = _parse_time_text(value.strip()) if isinstance(value, str) else value
    if isinstance(parsed, date) and not isinstance(parsed, datetime):
        parsed = datetime.combine(parsed, datetime.min.time())
    if isinstance(parsed, datetime):
        # Airflow passes times of pendulum's class, which msgspec does not encode.
        moment = datetime.fromisoformat(parsed.isoformat())
        return moment.astimezone(timezone.utc) if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
    if isinstance(parsed, timedelta) and timedelta() < parsed < _MAX_DURATION:
        return timedelta(seconds=parsed.total_seconds())
    hint = ". Airflow renders a template only in a condition's JSON" if "{{" in str(value) else ""
    raise ValueError(
        f"`{field}` must be a time such as 2026-03-01T12:00:00Z, a date such as 2026-03-01, or a duration "
        f"{relation} such as 7d, 12h or 30m{hint}"
    )


def _parse_time_text(text: str) -> object:
    """Return the time, date or duration that text stands for, or None."""
    if duration := _DURATION.fullmatch(text):
        return timedelta(**{_UNITS[duration[2]]: int(duration[1])})
    if _DATE.fullmatch(text):
        text = f"{text}T00:00:00Z"
    for kind in (datetime, timedelta):
        try:
            return msgspec.convert(text, kind)
        except msgspec.ValidationError:
            continue
    return None


def to_time(value: TimeLike) -> datetime:
    """Return the time that a normalized field means at this moment."""
    if isinstance(value, timedelta):
        return datetime.now(timezone.utc) - value
    assert isinstance(value, datetime)
    return value
