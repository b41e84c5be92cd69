"""Which failures Airflow should retry, and when.

Airflow has retry policies since 3.3. On older versions, a task's ``retries`` and ``retry_delay``
decide alone.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from airflow_provider_contacts.errors import MAX_RETRY_AFTER_SECONDS, ContactsError

if TYPE_CHECKING:
    from airflow.sdk import Context, RetryDecision, RetryPolicy

    _HAS_POLICIES = True
else:
    try:
        from airflow.sdk import RetryDecision, RetryPolicy

        _HAS_POLICIES = True
    except ImportError:
        RetryDecision = None
        RetryPolicy = object
        _HAS_POLICIES = False

__all__ = ["ContactsRetryPolicy", "RetryPolicyOperator", "default_retry_policy"]


class ContactsRetryPolicy(RetryPolicy):
    """Retry after the vendor's ``Retry-After``, and fail immediately on permanent errors.

    Everything else, including errors of other packages, is left to the task's ``retries`` and
    ``retry_delay``. This is the default policy of all operators of this package; set
    ``retry_policy`` on a task to replace it.
    """

    def evaluate(
        self, exception: BaseException, try_number: int, max_tries: int, context: Context | None = None
    ) -> RetryDecision:
        """Decide whether and when to retry after a failure."""
        if not isinstance(exception, ContactsError):
            return RetryDecision.default()
        if exception.permanent:
            return RetryDecision.fail(f"{type(exception).__name__} is permanent; not retrying")
        if exception.retry_after:
            seconds = min(exception.retry_after, MAX_RETRY_AFTER_SECONDS)
            return RetryDecision.retry(timedelta(seconds=seconds), "the vendor asks to wait")
        return RetryDecision.default()

    def serialize(self) -> dict[str, Any]:
        """Return an empty dict; the policy has no settings."""
        return {}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> ContactsRetryPolicy:
        """Return a policy."""
        return cls()


def default_retry_policy() -> ContactsRetryPolicy | None:
    """Return the policy, or None if this Airflow has no retry policies."""
    return ContactsRetryPolicy() if _HAS_POLICIES else None


class RetryPolicyOperator(BaseOperator):
    """An operator that uses :class:`ContactsRetryPolicy` unless ``retry_policy`` is set."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if getattr(self, "retry_policy", None) is None and (policy := default_retry_policy()) is not None:
            self.retry_policy = policy
