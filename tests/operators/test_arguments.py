"""Arguments that are checked when the DAG is parsed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from airflow.sdk import DAG, BaseOperator, task
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_contacts.conditions import Replied
from airflow_provider_contacts.errors import InvalidRequest
from airflow_provider_contacts.operators.arguments import is_literal
from airflow_provider_contacts.operators.contacts import FilterContactsOperator, ListContactsOperator
from airflow_provider_contacts.operators.updates import (
    UpdateContactStageOperator,
    UpdateContactTagsOperator,
)
from airflow_provider_contacts.sensors.contacts import ContactSensor
from airflow_provider_contacts.transfers.contacts_to_object_storage import ContactsToObjectStorageOperator
from airflow_provider_contacts.transfers.contacts_to_sql import ContactsToSqlOperator
from tests.conftest import Sandbox

CONN = {"task_id": "task", "contacts_conn_id": "mailstand_default"}
SQL = {**CONN, "sql_conn_id": "warehouse", "table": "contacts"}

with DAG("literals", schedule=None):
    OPERATOR = ListContactsOperator(**CONN)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(alphabet="ab {%}#"),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(alphabet="a"), inner),
)


@given(json_values)
def test_is_literal(value: Any) -> None:
    has_template = any(mark in repr(value) for mark in ("{{", "{%", "{#"))
    is_nested_repr = isinstance(value, dict | list)  # a repr of nested mappings also has two braces in a row
    if not is_nested_repr:
        assert is_literal(value, OPERATOR) is not has_template
    assert is_literal([value, {"a": value}], OPERATOR) is is_literal(value, OPERATOR)


@pytest.mark.parametrize(
    "value", [object(), [object()], {"a": [object()]}, "{{ ds }}", ["{% if x %}"], {"{{ a }}": 1}]
)
def test_not_literal(value: Any) -> None:
    assert not is_literal(value, OPERATOR)


def test_times_are_literals() -> None:
    assert is_literal(date(2026, 3, 1), OPERATOR)


MISTAKES: list[tuple[type[BaseOperator], dict[str, Any], str]] = [
    (ListContactsOperator, {**CONN, "filters": [("stage", "Interested")]}, "`filters` must be a mapping"),
    (ListContactsOperator, {**CONN, "filters": "stage=Interested"}, "`filters` must be a mapping"),
    (ListContactsOperator, {**CONN, "condition": {"condition": "repiled"}}, "Unknown condition `repiled`"),
    (ListContactsOperator, {**CONN, "condition": Replied}, "a class, not an instance"),
    (
        ListContactsOperator,
        {**CONN, "max_xcom_contacts": "many"},
        "whole number of at least 1, but it is 'many'",
    ),
    (ListContactsOperator, {**CONN, "limit": 0}, "`limit` must be a whole number of at least 1, but it is 0"),
    (
        FilterContactsOperator,
        {"task_id": "task", "contacts": [], "condition": "taged:x"},
        "Did you mean `tagged`",
    ),
    (
        UpdateContactTagsOperator,
        {**CONN, "contacts": [], "add": ["x"], "on_failure": "ignore"},
        "`on_failure` must",
    ),
    (
        UpdateContactTagsOperator,
        {**CONN, "contacts": [], "add": ["x"], "preview": "maybe"},
        "but it is 'maybe'",
    ),
    (UpdateContactTagsOperator, {**CONN, "contacts": []}, "`add`"),
    (UpdateContactStageOperator, {**CONN, "contacts": [], "stage": ""}, "stage"),
    (ContactSensor, {**CONN, "condition": "replied", "min_count": 0}, "`min_count` must be"),
    (
        ContactsToObjectStorageOperator,
        {**CONN, "path": "contacts.xlsx"},
        "The extension of `path` must be one of",
    ),
    (ContactsToObjectStorageOperator, {**CONN, "path": "contacts.csv", "content": "raw"}, "as jsonl only"),
    (
        ContactsToObjectStorageOperator,
        {**CONN, "path": "contacts.csv", "content": "full"},
        "`content` must be",
    ),
    (ContactsToSqlOperator, {**SQL, "mark_removed": "yes"}, "`mark_removed` must be true or false"),
    (ContactsToSqlOperator, {**SQL, "max_removed": "lots"}, "`max_removed`"),
]


@pytest.mark.parametrize(("operator", "arguments", "message"), MISTAKES)
def test_mistakes_are_found_when_the_dag_is_parsed(
    operator: Callable[..., Any], arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidRequest, match=message), DAG("mistakes", schedule=None):
        operator(**arguments)


def test_templates_and_outputs_are_checked_later() -> None:
    with DAG("later", schedule=None):

        @task
        def choose() -> Any:
            return None

        ListContactsOperator(
            **CONN,
            filters="{{ params.filters }}",
            condition={"condition": "{{ params.condition }}"},
            limit="{{ params.limit }}",
            max_xcom_contacts=choose(),
        )
        ContactsToObjectStorageOperator(
            task_id="export",
            contacts_conn_id="mailstand_default",
            path="{{ params.path }}",
            content=choose(),
        )
        UpdateContactTagsOperator(
            task_id="tag",
            contacts_conn_id="talktohumans_default",
            contacts=choose(),
            add=choose(),
            preview="{{ params.preview }}",
        )


def test_values_that_may_be_personal_are_not_shown() -> None:
    with pytest.raises(InvalidRequest) as caught, DAG("secret", schedule=None):
        ListContactsOperator(**CONN, limit="ada@example.com")
    assert str(caught.value) == "`limit` must be a whole number of at least 1."


@pytest.mark.parametrize(
    "options",
    [
        {"render_template_as_native_obj": True},
        {"jinja_environment_kwargs": {"variable_start_string": "[[", "variable_end_string": "]]"}},
    ],
)
def test_text_is_not_checked_if_its_dag_renders_it_differently(options: dict[str, Any]) -> None:
    with DAG("different", schedule=None, **options):
        ListContactsOperator(**CONN, filters='{"stage": "Interested"}', limit="[[ params.limit ]]")
        with pytest.raises(InvalidRequest):
            ListContactsOperator(task_id="other", contacts_conn_id="x", limit=-1)


def test_text_is_not_checked_without_a_dag() -> None:
    ListContactsOperator(**CONN, limit="[[ params.limit ]]")


def test_subclasses_are_not_checked() -> None:
    class Later(UpdateContactTagsOperator):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.add = ["VIP"]

    class FromFile(ListContactsOperator):
        template_ext = (".json",)

    with DAG("subclasses", schedule=None):
        Later(**CONN, contacts=[])
        FromFile(task_id="file", contacts_conn_id="x", condition="query.json")


def test_mapped_tasks_are_checked_when_they_run(sandbox: Sandbox) -> None:
    with DAG("mapped", schedule=None) as dag:
        ListContactsOperator.partial(**CONN).expand(condition=["repiled"])
    mapped: Any = dag.get_task("task")
    operator = mapped.unmap({"condition": "repiled"})
    with pytest.raises(InvalidRequest, match="Unknown condition"):
        operator.execute({})
