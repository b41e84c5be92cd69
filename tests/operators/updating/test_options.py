"""The options of operators that update contacts."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_provider_contacts.errors import InvalidRequest
from airflow_provider_contacts.operators.updates import UpdateContactTagsOperator
from airflow_provider_contacts.operators.updating.options import CHECKS, parse_on_failure, parse_options


def make(**arguments: Any) -> UpdateContactTagsOperator:
    with DAG("test", schedule=None):
        return UpdateContactTagsOperator(
            task_id="t", contacts_conn_id="c", contacts=["1"], add="A", **arguments
        )


def test_defaults() -> None:
    options = parse_options(make())
    assert options.threshold is None
    assert (options.preview, options.max_updates, options.on_failure) == (False, 1000, "fail")
    assert options.approvers == []
    assert options.approval_timeout is None
    assert (options.suppressions, options.audit) == ("", "")
    assert options.secret_conn_id == "contacts_suppressions"


def test_rendered_templates() -> None:
    options = parse_options(
        make(
            require_approval="50",
            approvers="ada",
            approval_timeout="24h",
            suppressions="w.s",
            secret_conn_id="",
            audit="None",
            max_updates="7",
        )
    )
    assert options.threshold == 50
    assert options.approvers == [{"id": "ada", "name": "ada"}]
    assert options.approval_timeout == timedelta(hours=24)
    assert (options.suppressions, options.audit, options.max_updates) == ("w.s", "", 7)
    assert options.secret_conn_id == "contacts_suppressions"


@pytest.mark.parametrize(
    "arguments",
    [
        {"require_approval": "perhaps"},
        {"approvers": [5]},
        {"approval_timeout": "soon"},
        {"suppressions": "table"},
        {"contacts_table": "table"},
        {"audit": "table"},
        {"on_failure": "ignore"},
        {"preview": "perhaps"},
        {"max_updates": 0},
    ],
)
def test_invalid_literals_fail_when_the_dag_is_parsed(arguments: dict[str, Any]) -> None:
    [name] = arguments
    assert name in (*CHECKS, "contacts_table")
    with pytest.raises(InvalidRequest, match=f"`{name}`"):
        make(**arguments)


def test_on_failure() -> None:
    assert parse_on_failure("continue") == "continue"
    with pytest.raises(InvalidRequest, match="`fail` or `continue`"):
        parse_on_failure(None)
