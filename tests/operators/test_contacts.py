from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_provider_contacts.errors import AuthenticationError, InvalidRequest
from airflow_provider_contacts.operators.contacts import ListContactsOperator
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


def test_lineage_names_the_vendor_and_host(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.sdk import lineage, plugins_manager

    # Airflow collects only where a plugin reads.
    monkeypatch.setattr(
        plugins_manager, "get_hook_lineage_readers_plugins", lambda: [lineage.HookLineageReader]
    )
    lineage.get_hook_lineage_collector.cache_clear()
    try:
        run(contacts_conn_id="tether_default")
        uris = [entry.asset.uri for entry in lineage.get_hook_lineage_collector().collected_assets.inputs]
    finally:
        lineage.get_hook_lineage_collector.cache_clear()
    assert uris == [f"contacts://tether/{sandbox.url.split('/')[2]}"]
