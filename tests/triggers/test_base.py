"""What the triggers have in common."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_contacts.conditions import Tagged
from airflow_provider_contacts.triggers.base import PollingTrigger
from airflow_provider_contacts.triggers.contacts import ContactEventTrigger, ContactTrigger

VIP = Tagged("VIP").to_dict()


@pytest.mark.parametrize("kind", [ContactTrigger, ContactEventTrigger])
def test_arguments_survive_the_row_of_a_trigger(kind: Any) -> None:
    trigger = kind(contacts_conn_id="c", condition=VIP, filters={"tag": "x"}, poll_interval=5)
    path, kwargs = trigger.serialize()
    assert path == f"airflow_provider_contacts.triggers.contacts.{kind.__name__}"
    again = kind(**json.loads(json.dumps(kwargs)))
    assert again.serialize() == trigger.serialize()
    assert again.shared_stream_key() == trigger.shared_stream_key()


def test_key_is_that_of_the_query_if_it_is_known() -> None:
    def key(**arguments: Any) -> Any:
        trigger = ContactTrigger(**{"contacts_conn_id": "c", "condition": VIP, **arguments})
        trigger._task_instance = object()
        return trigger.shared_stream_key()

    other = Tagged("x").to_dict()
    assert key(query={"tag": "VIP"}) == key(query={"tag": "VIP"}, condition=other)
    assert key(query={"tag": "VIP"}) != key(query={"tag": "x"})
    assert key() != key(condition=other)
    assert key(query={}) != key(query={}, poll_interval=61)


def test_repr_contains_no_filters() -> None:
    trigger = PollingTrigger(contacts_conn_id="c", condition=VIP, filters={"search": "ada@secret.test"})
    assert repr(trigger) == "<PollingTrigger contacts_conn_id='c'>"
