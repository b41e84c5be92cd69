from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_contacts import errors
from airflow_provider_contacts.operators.contacts import ListContactsOperator
from airflow_provider_contacts.retry import ContactsRetryPolicy, default_retry_policy

sdk: Any = pytest.importorskip("airflow.sdk.definitions.retry_policy", reason="retry policies came with 3.3")


@pytest.mark.parametrize(
    ("error", "action", "delay"),
    [
        (errors.RateLimited("x", retry_after=3600, transient=True), "retry", timedelta(hours=1)),
        (errors.VendorUnavailable("x", retry_after=5, transient=True), "retry", timedelta(seconds=5)),
        (errors.RateLimited("x", transient=True), "default", None),
        (errors.VendorUnavailable("x"), "default", None),
        (errors.MalformedResponse("x"), "default", None),
        (errors.IncompleteListing("x"), "default", None),
        (errors.AuthenticationError("x"), "fail", None),
        (errors.PermissionDenied("x"), "fail", None),
        (errors.InvalidConnection("x"), "fail", None),
        (errors.InvalidRequest("x"), "fail", None),
        (errors.UnsupportedByVendor("x"), "fail", None),
        (errors.QuotaExhausted("x"), "fail", None),
        (errors.NotFound("x"), "fail", None),
        (errors.MalformedRecord("x"), "fail", None),
        (errors.ContactsError("x"), "fail", None),
        (errors.ContactsError("x", transient=True), "default", None),
        (KeyError("x"), "default", None),
    ],
)
def test_decisions(error: Exception, action: str, delay: timedelta | None) -> None:
    decision = ContactsRetryPolicy().evaluate(error, 1, 3)
    assert (decision.action.value, decision.retry_delay) == (action, delay)


def test_default_policy_can_be_replaced() -> None:
    operator = ListContactsOperator(task_id="a", contacts_conn_id="c")
    assert isinstance(operator.retry_policy, ContactsRetryPolicy)
    own = sdk.ExceptionRetryPolicy(rules=[])
    assert ListContactsOperator(task_id="b", contacts_conn_id="c", retry_policy=own).retry_policy is own
    assert isinstance(default_retry_policy(), ContactsRetryPolicy)


def test_mapped_tasks_use_the_policy() -> None:
    from airflow.sdk import DAG

    with DAG("mapped", schedule=None):
        mapped = ListContactsOperator.partial(task_id="m").expand(contacts_conn_id=["a", "b"])
    operator = mapped.unmap({"contacts_conn_id": "a"})
    assert isinstance(operator.retry_policy, ContactsRetryPolicy)
