"""The arguments of StopOutreachOperator."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_provider_contacts.errors import InvalidRequest
from airflow_provider_contacts.operators.arguments import parse_arguments
from airflow_provider_contacts.operators.stop_outreach import StopOutreachOperator
from airflow_provider_contacts.operators.stopping.arguments import StopOptions


def make(**arguments: Any) -> StopOutreachOperator:
    with DAG("test", schedule=None):
        return StopOutreachOperator(
            task_id="stop", contacts=[], actions={"thoughtly_default": "manual"}, **arguments
        )


def test_defaults() -> None:
    options = parse_arguments(make(), StopOptions)
    assert (options.preview, options.max_age) == (True, timedelta(days=1))
    assert (options.people_table, options.contacts_table) == ("contact_people", "contacts")
    assert (options.cause, options.on_unmatched) == (None, "fail")


@pytest.mark.parametrize(
    "arguments", [{"cause": "boredom"}, {"on_unmatched": "ignore"}, {"max_age": "soon"}, {"actions": {}}]
)
def test_invalid_literals_fail_when_the_dag_is_parsed(arguments: dict[str, Any]) -> None:
    [name] = arguments
    actions = {"actions": {"thoughtly_default": "manual"}, **arguments}
    with DAG("test", schedule=None), pytest.raises(InvalidRequest, match=f"`{name}`"):
        StopOutreachOperator(task_id="stop", contacts=[], **actions)
