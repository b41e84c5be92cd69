"""The arguments of sensors."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_contacts.errors import InvalidRequest
from airflow_provider_contacts.hooks.talktohumans import TALKTOHUMANS
from airflow_provider_contacts.operators.arguments import parse_arguments
from airflow_provider_contacts.sensors.arguments import WaitOptions
from airflow_provider_contacts.sensors.contacts import ContactRepliedSensor


def parse(contact_ids: object = None, filters: object = None, **arguments: Any) -> Any:
    sensor = ContactRepliedSensor(task_id="wait", contacts_conn_id="c", **arguments)
    return parse_arguments(sensor, WaitOptions).parse_wait(contact_ids, filters, TALKTOHUMANS)


def test_defaults() -> None:
    wait = parse()
    assert (wait.contacts, wait.min_count, wait.max_consecutive_failures) == (None, 1, 3)
    wait = parse(["1", {"contact_id": "2", "account_id": "101"}])
    assert (wait.contacts, wait.min_count) == ([("", "1"), ("101", "2")], 2)


@pytest.mark.parametrize(
    ("contact_ids", "filters", "arguments", "problem"),
    [
        (["1", "2"], None, {"max_contacts": 1}, "2 `contact_ids`, but only 1 references"),
        (["1"], None, {"min_count": 2}, "`min_count` is 2, but there are only 1"),
        (None, {"a": {1}}, {}, "`filters` must be JSON"),
        (None, {"a": float("nan")}, {}, "`filters` must be JSON"),
    ],
)
def test_invalid_waits(contact_ids: Any, filters: Any, arguments: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidRequest, match=problem):
        parse(contact_ids, filters, **arguments)
