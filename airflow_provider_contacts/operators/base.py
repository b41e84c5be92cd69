"""What every operator of this package is."""

from __future__ import annotations

from typing import Any

from airflow.sdk import BaseOperator

from airflow_provider_contacts.retry import default_retry_policy


class ContactsBaseOperator(BaseOperator):
    """An operator that leaves it to :class:`~airflow_provider_contacts.retry.ContactsRetryPolicy` what to retry.

    The author's own ``retry_policy`` wins; where the platform has no retry policies, nothing changes.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if getattr(self, "retry_policy", None) is None and (policy := default_retry_policy()) is not None:
            self.retry_policy = policy
