from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowSkipException

from airflow_provider_contacts.conditions import Connected, HasPhone, Opened, Replied, Tagged
from airflow_provider_contacts.errors import AuthenticationError, InvalidRequest, UnsupportedByVendor
from airflow_provider_contacts.hooks.base import ContactsHook
from airflow_provider_contacts.operators.contacts import FilterContactsOperator, ListContactsOperator
from tests.conftest import Sandbox
from tests.vendors import VENDORS


def run(context: dict[str, Any] | None = None, **arguments: Any) -> Any:
    """Render the templates of an operator and execute it."""
    with DAG("test", schedule=None):
        operator = ListContactsOperator(task_id="list", **arguments)
    if context is not None:
        operator.render_template_fields(context)  # type: ignore[arg-type]
    return operator.execute({})


@pytest.mark.parametrize("vendor", VENDORS)
def test_returns_every_contact(vendor: str, sandbox: Sandbox) -> None:
    contacts = run(contacts_conn_id=f"{vendor}_default")
    assert {(contact["account_id"], contact["contact_id"]) for contact in contacts} == sandbox.keys(vendor)
    assert all("raw" not in contact for contact in contacts)
    json.dumps(contacts)


@pytest.mark.parametrize("vendor", VENDORS)
def test_references_only(vendor: str, sandbox: Sandbox) -> None:
    contacts = run({"yes": True}, contacts_conn_id=f"{vendor}_default", references_only="{{ yes }}")
    assert {(contact["account_id"], contact["contact_id"]) for contact in contacts} == sandbox.keys(vendor)
    assert all(contact.keys() == {"vendor", "account_id", "contact_id"} for contact in contacts)


def test_templates(sandbox: Sandbox) -> None:
    contacts = run(
        {"conn": "mailstand_default", "most": 3, "yes": True},
        contacts_conn_id="{{ conn }}",
        filters={"has_replied": "{{ yes }}", "stage": "{{ 'Replied' }}"},
        limit="{{ most }}",
        max_xcom_contacts="{{ most }}",
    )
    assert len(contacts) == 3
    assert {contact["stage"] for contact in contacts} == {"Replied"}


def test_an_empty_template_does_not_widen_the_listing(sandbox: Sandbox) -> None:
    with pytest.raises(InvalidRequest, match="`stage` is empty"):
        run({}, contacts_conn_id="mailstand_default", filters={"stage": "{{ '' }}"})


@pytest.mark.parametrize("vendor", VENDORS)
def test_too_many_for_xcom(vendor: str, sandbox: Sandbox) -> None:
    with pytest.raises(InvalidRequest, match="more than 59 contacts.*ContactsToObjectStorageOperator"):
        run(contacts_conn_id=f"{vendor}_default", max_xcom_contacts=59)
    assert len(run(contacts_conn_id=f"{vendor}_default", max_xcom_contacts=60)) == 60


@pytest.mark.parametrize("limit", ["0", "-1", "ten", "1.5", 0, True, "١"])
def test_bad_limit(limit: Any, sandbox: Sandbox) -> None:
    with pytest.raises(InvalidRequest, match="`limit` must be a whole number"):
        run(contacts_conn_id="mailstand_default", limit=limit)


@pytest.mark.parametrize("limit", [None, "", "None", " 7 "])
def test_limit_from_a_template(limit: Any, sandbox: Sandbox) -> None:
    assert len(run(contacts_conn_id="mailstand_default", limit=limit)) == (7 if limit == " 7 " else 60)


def test_errors_are_not_airflow_exceptions(sandbox: Sandbox) -> None:
    from airflow.sdk.exceptions import AirflowException

    sandbox.connect("mailstand", password="wrong")
    with pytest.raises(AuthenticationError) as caught:
        run(contacts_conn_id="mailstand_default")
    assert not isinstance(caught.value, AirflowException)


def run_filter(contacts: Any, condition: Any, context: dict[str, Any] | None = None, **arguments: Any) -> Any:
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
    kept = run_filter(contacts, Tagged("VIP") & ~Replied())
    expected = [one for one in contacts if "VIP" in one["tags"] and one["replied"] is False]
    assert kept == expected
    assert kept


def test_several_vendors(sandbox: Sandbox) -> None:
    contacts = listed("mailstand") + listed("tether")
    assert run_filter(contacts, HasPhone()) == [one for one in contacts if one["phone"]]


def test_templated_condition(sandbox: Sandbox) -> None:
    condition = {"condition": "tagged", "name": "{{ tag }}"}
    kept = run_filter(listed("thoughtly"), condition, {"tag": "VIP"})
    assert kept
    assert all("VIP" in one["tags"] for one in kept)
    assert run_filter(listed("thoughtly"), Tagged("{{ tag }}"), {"tag": "VIP"}) == kept


@pytest.mark.parametrize("skip", [True, "True", "true"])
def test_skip_if_empty(skip: Any, sandbox: Sandbox) -> None:
    contacts = listed("talktohumans")
    with pytest.raises(AirflowSkipException):
        run_filter(contacts, Tagged("nobody"), skip_if_empty=skip)
    assert run_filter(contacts, Tagged("nobody")) == []
    assert run_filter(contacts, Tagged("VIP"), skip_if_empty=skip)
    with pytest.raises(AirflowSkipException):
        run_filter([], Tagged("VIP"), skip_if_empty=skip)


def test_skip_must_be_a_boolean() -> None:
    with pytest.raises(InvalidRequest, match="`skip_if_empty` must be true or false"):
        run_filter([], Tagged("VIP"), skip_if_empty="perhaps")


@pytest.mark.parametrize("condition", [Connected(), Opened(), ~Connected(), HasPhone()])
def test_condition_that_records_do_not_report(condition: Any, sandbox: Sandbox) -> None:
    with pytest.raises(UnsupportedByVendor, match="TalkToHumans records do not report the condition"):
        run_filter(listed("talktohumans"), condition)


@pytest.mark.parametrize(
    ("contacts", "message"),
    [
        ("text", "is text. Pass `task.output`"),
        ({"contact_id": "1"}, "must be a list"),
        (5, "must be a list"),
        (["1"], "Item 1 of `contacts` is not a contact"),
        (
            [{"vendor": "tether", "account_id": "", "contact_id": "1"}],
            "Item 1 .* not a complete contact.* only a reference",
        ),
        ([{"name": "Ada Lovelace"}], "Item 1 .* missing fields: vendor"),
    ],
)
def test_contacts_must_be_whole_contacts(contacts: Any, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message) as caught:
        run_filter(contacts, HasPhone())
    assert "Lovelace" not in str(caught.value)


@pytest.mark.parametrize("condition", [None, {}, {"condition": "replyed"}])
def test_bad_condition(condition: Any, sandbox: Sandbox) -> None:
    with pytest.raises(InvalidRequest):
        run_filter(listed("tether"), condition)
