"""What operators that read contacts have in common."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_provider_contacts.conditions import Replied, Tagged
from airflow_provider_contacts.errors import InvalidRequest
from airflow_provider_contacts.operators.base import BaseContactsOperator
from airflow_provider_contacts.operators.contacts import ListContactsOperator
from airflow_provider_contacts.sensors.contacts import ContactSensor
from airflow_provider_contacts.transfers.contacts_to_object_storage import ContactsToObjectStorageOperator
from airflow_provider_contacts.transfers.contacts_to_sql import ContactsToSqlOperator

READERS = {
    ListContactsOperator: {},
    ContactsToObjectStorageOperator: {"path": "x.jsonl"},
    ContactsToSqlOperator: {"sql_conn_id": "warehouse", "table": "contacts"},
}
each_reader = pytest.mark.parametrize(
    ("operator", "arguments"), READERS.items(), ids=lambda value: getattr(value, "__name__", "")
)


def make(operator: type, **arguments: Any) -> Any:
    with DAG("test", schedule=None):
        return operator(task_id="read", contacts_conn_id="{{ conn }}", **arguments)


@each_reader
def test_connection_filters_and_condition_are_templated(operator: type, arguments: Any) -> None:
    assert issubclass(operator, BaseContactsOperator)
    task = make(
        operator, filters={"tag": "{{ tag }}"}, condition=Tagged("{{ tag }}") & ~Replied(), **arguments
    )
    task.render_template_fields({"conn": "talktohumans_default", "tag": "VIP"})
    assert task.contacts_conn_id == "talktohumans_default"
    assert task.filters == {"tag": "VIP"}
    assert task.condition == (Tagged("VIP") & ~Replied()).to_dict()


@each_reader
def test_class_of_a_condition_is_an_error_when_the_dag_is_parsed(operator: type, arguments: Any) -> None:
    with pytest.raises(InvalidRequest, match="Write Replied"):
        make(operator, condition=Replied, **arguments)


def test_sensor_takes_the_same_arguments() -> None:
    assert set(BaseContactsOperator.template_fields) <= set(ContactSensor.template_fields)
