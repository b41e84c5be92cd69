"""The part of a logger that this package uses, and progress lines for long operations."""

from __future__ import annotations

import time
from typing import Protocol

_SECONDS_BETWEEN_LINES = 10.0


class Log(Protocol):
    """A logger of the standard library or of structlog."""

    def info(self, msg: str, /, *args: object) -> object:
        """Log a line that needs no attention."""

    def warning(self, msg: str, /, *args: object) -> object:
        """Log a line that may need attention."""

    def error(self, msg: str, /, *args: object) -> object:
        """Log a line that needs attention."""


class PollLog:
    """Logs lines of polls that need no attention only once, because every poll has the same ones.

    :param log: where the lines go.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self._seen: set[tuple[object, ...]] = set()

    def info(self, msg: str, /, *args: object) -> None:
        """Log a line, unless it was logged before."""
        if (msg, *args) not in self._seen:
            self._seen.add((msg, *args))
            self._log.info(msg, *args)

    def warning(self, msg: str, /, *args: object) -> None:
        """Log a line that may need attention."""
        self._log.warning(msg, *args)

    def error(self, msg: str, /, *args: object) -> None:
        """Log a line that needs attention."""
        self._log.error(msg, *args)


class ProgressLog:
    """Logs the progress of a long operation every ten seconds.

    :param log: where the lines go.
    :param line: a format string for the count, the total text and the count per second.
    """

    def __init__(self, log: Log, line: str) -> None:
        self._log = log
        self._line = line
        self._started = time.monotonic()
        self._logged = self._started

    def update(self, count: int, total: int | None) -> None:
        """Log a line if the last one is ten seconds old.

        :param count: how many items are done since the start.
        :param total: how many there are, or None if that is unknown.
        """
        now = time.monotonic()
        if now - self._logged < _SECONDS_BETWEEN_LINES:
            return
        self._logged = now
        of_total = "" if total is None else f" of {total}"
        self._log.info(self._line, count, of_total, count / (now - self._started))
