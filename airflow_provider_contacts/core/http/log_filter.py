"""Keep the HTTP libraries from logging this package's requests, which contain personal data."""

from __future__ import annotations

import contextlib
import contextvars
import logging
from collections.abc import Iterator

_LOGGERS = (
    "httpx",
    "httpcore.connection",
    "httpcore.http11",
    "httpcore.proxy",
    "urllib3.connection",
    "urllib3.connectionpool",
    "urllib3.poolmanager",
    "urllib3.response",
    "urllib3.util.retry",
)
_is_suppressed: contextvars.ContextVar[bool] = contextvars.ContextVar("suppress_http_logs", default=False)


class SuppressHttpLogs(logging.Filter):
    """Drops records while a request of this package is being sent."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the record is logged."""
        return not _is_suppressed.get()


for _name in _LOGGERS:
    logging.getLogger(_name).addFilter(SuppressHttpLogs())


@contextlib.contextmanager
def suppress_http_logs() -> Iterator[None]:
    """Suppress the HTTP libraries' log lines within the block."""
    token = _is_suppressed.set(True)
    try:
        yield
    finally:
        _is_suppressed.reset(token)
