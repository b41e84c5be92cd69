from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowSkipException

from airflow_provider_contacts.conditions import Connected, HasPhone, Opened, Replied, Tagged
from airflow_provider_contacts.errors import InvalidRequest, UnsupportedByVendor
from airflow_provider_contacts.hooks.base import ContactsHook
from airflow_provider_contacts.operators.contacts import FilterContactsOperator
from tests.conftest import Sandbox


def run(contacts: Any, condition: Any, context: dict[str, Any] | None = None, **arguments: Any) -> Any:
    with DAG("test", schedule=None):
        operator = FilterContactsOperator(
            task_id="filter", contacts=contacts, condition=condition, **arguments
        )
    operator.render_template_fields(context or {})  # type: ignore[arg-type]
    return operator.execute({})


def listed(vendor: str) -> list[dict[str, Any]]:
    return [contact.to_dict() for contact in ContactsHook.for_connection(f"{vendor}_default").list_contacts()]


def test_matching_contacts_are_returned_unchanged(sandbox: Sandbox) -> None:
    contacts = listed("talktohumans")
    kept = run(contacts, Tagged("VIP") & ~Replied())
    expected = [one for one in contacts if "VIP" in one["tags"] and one["replied"] is False]
    assert kept == expected
    assert kept


def test_several_vendors(sandbox: Sandbox) -> None:
    contacts = listed("mailstand") + listed("tether")
    assert run(contacts, HasPhone()) == [one for one in contacts if one["phone"]]


def test_templated_condition(sandbox: Sandbox) -> None:
    condition = {"condition": "tagged", "name": "{{ tag }}"}
    kept = run(listed("thoughtly"), condition, {"tag": "VIP"})
    assert kept
    assert all("VIP" in one["tags"] for one in kept)
    assert run(listed("thoughtly"), Tagged("{{ tag }}"), {"tag": "VIP"}) == kept


@pytest.mark.parametrize("skip", [True, "True", "true"])
def test_skip_if_empty(skip: Any, sandbox: Sandbox) -> None:
    contacts = listed("talktohumans")
    with pytest.raises(AirflowSkipException):
        run(contacts, Tagged("nobody"), skip_if_empty=skip)
    assert run(contacts, Tagged("nobody")) == []
    assert run(contacts, Tagged("VIP"), skip_if_empty=skip)
    with pytest.raises(AirflowSkipException):
        run([], Tagged("VIP"), skip_if_empty=skip)


def test_skip_must_be_a_boolean() -> None:
    with pytest.raises(InvalidRequest, match="`skip_if_empty` must be true or false"):
        run([], Tagged("VIP"), skip_if_empty="perhaps")


@pytest.mark.parametrize("condition", [Connected(), Opened(), ~Connected(), HasPhone()])
def test_condition_that_records_do_not_report(condition: Any, sandbox: Sandbox) -> None:
    with pytest.raises(UnsupportedByVendor, match="TalkToHumans records do not report the condition"):
        run(listed("talktohumans"), condition)


@pytest.mark.parametrize(
    ("contacts", "message"),
    [
        ("text", "is text. Pass `task.output`"),
        ({"contact_id": "1"}, "must be a list"),
        (5, "must be a list"),
        (["1"], "Item 1 of `contacts` is not a contact"),
        (
            [{"vendor": "tether", "account_id": "", "contact_id": "1"}],
            "Item 1 .* not a whole contact.* missing fields: name",
        ),
        ([{"name": "Ada Lovelace"}], "Item 1 .* missing fields: vendor"),
    ],
)
def test_contacts_must_be_whole_contacts(contacts: Any, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message) as caught:
        run(contacts, HasPhone())
    assert "Lovelace" not in str(caught.value)


@pytest.mark.parametrize("condition", [None, {}, {"condition": "replyed"}])
def test_bad_condition(condition: Any, sandbox: Sandbox) -> None:
    with pytest.raises(InvalidRequest):
        run(listed("tether"), condition)
