"""How many polls of a sensor have failed in a row, across the processes of `reschedule` mode."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_contacts.core.logs import Log
from airflow_provider_contacts.errors import wrap_unexpected

if TYPE_CHECKING:
    from airflow.sdk import Context

_KEY = "contacts-sensor-failures"


class FailureCount:
    """Keeps the number of failures in the task's state store, if that does not fail.

    :param log: where a failing store is reported.
    :param enabled: whether every poll runs in its own process.
    """

    def __init__(self, context: Context, log: Log, *, enabled: bool) -> None:
        fields = dict(context)
        self._store: Any = fields.get("task_state_store") if enabled else None
        self._is_enabled = enabled
        # The store outlives the task's success and clearing, so the attempt is stored too.
        self._try_number = getattr(fields.get("ti"), "try_number", None)
        self._log = log

    def load(self, *, default: int) -> int:
        """Return the number of failures in a row.

        :param default: what to return if this process makes all polls.
        """
        if not self._is_enabled:
            return default
        try:
            stored: Any = {} if self._store is None else self._store.get(_KEY) or {}
            return int(stored["failures"]) if stored and stored["try"] == self._try_number else 0
        except Exception as error:
            self._log.warning("Could not read the task's state store: %s", wrap_unexpected(error))
            return 0

    def save(self, failures: int) -> None:
        """Store the number of failures in a row."""
        if self._store is None:
            return
        try:
            if failures:
                self._store.set(_KEY, {"try": self._try_number, "failures": failures})
            elif self._store.get(_KEY) is not None:
                self._store.delete(_KEY)
        except Exception as error:
            self._log.warning("Could not write the task's state store: %s", wrap_unexpected(error))
