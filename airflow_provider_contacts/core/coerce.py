"""Turn the times that vendors send into UTC datetimes."""

from __future__ import annotations

from datetime import datetime, timezone

# `isinstance` is faster with a tuple than with `int | float`.
_NUMBERS = (int, float)


def utc(moment: datetime | None) -> datetime | None:
    """Return a time in UTC. Naive times are assumed to be in UTC."""
    if moment is None or moment.tzinfo is timezone.utc:
        return moment
    if moment.tzinfo is None:
        return moment.replace(tzinfo=timezone.utc)
    try:
        return moment.astimezone(timezone.utc)
    except OverflowError:
        return None


def from_unix(value: object) -> datetime | None:
    """Return the time for a number of seconds since 1970, or None for another value.

    Text counts only if it consists of digits: "47 minutes ago" is not a time.
    """
    if not value:  # most records lack most times
        return None
    if isinstance(value, str):
        value = int(value) if len(value) < 20 and value.isascii() and value.isdigit() else None
    if isinstance(value, bool) or not isinstance(value, _NUMBERS) or value <= 0:
        return None
    try:
        return datetime.fromtimestamp(value, timezone.utc)
    except (OverflowError, OSError, ValueError):
        return None
