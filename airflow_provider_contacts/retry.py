"""Which failures Airflow should try again, and when.

Airflow has retry policies since 3.3. Without them :data:`default_retry_policy` gives None, and a task's
``retries`` and ``retry_delay`` decide alone.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_contacts.errors import CANNOT_HEAL, ContactsError

if TYPE_CHECKING:
    from airflow.sdk import Context, RetryDecision, RetryPolicy

    _HAS_POLICIES = True
else:
    try:
        from airflow.sdk import RetryDecision, RetryPolicy

        _HAS_POLICIES = True
    except ImportError:
        RetryDecision, RetryPolicy = None, object
        _HAS_POLICIES = False

# A vendor that asks for more than a day is asked again after one.
LONGEST_WAIT = 86_400.0


class ContactsRetryPolicy(RetryPolicy):
    """Retries a rate limit after the vendor's ``Retry-After``, and fails at once on what cannot heal.

    Everything else, errors of other packages included, is left to the task's ``retries`` and ``retry_delay``.
    It is the default of every operator of this package; give ``retry_policy`` for another one.
    """

    def evaluate(
        self, exception: BaseException, try_number: int, max_tries: int, context: Context | None = None
    ) -> RetryDecision:
        """Decide about one failure."""
        if not isinstance(exception, ContactsError):
            return RetryDecision.default()
        # An update that failed for some contacts is worth another try if one of its causes is.
        hopeless = isinstance(exception, CANNOT_HEAL) or (
            type(exception) is ContactsError and not exception.transient
        )
        if hopeless:
            return RetryDecision.fail(f"{type(exception).__name__} cannot heal by itself")
        if exception.retry_after:
            return RetryDecision.retry(
                timedelta(seconds=min(exception.retry_after, LONGEST_WAIT)), "the vendor asks to wait"
            )
        return RetryDecision.default()

    def serialize(self) -> dict[str, Any]:
        """Return the policy's settings: it has none."""
        return {}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> ContactsRetryPolicy:
        """Return a policy."""
        return cls()


def default_retry_policy() -> ContactsRetryPolicy | None:
    """Return the policy where the platform has retry policies, and None elsewhere."""
    return ContactsRetryPolicy() if _HAS_POLICIES else None
