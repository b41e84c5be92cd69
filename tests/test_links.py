from __future__ import annotations

from typing import Any

import pytest
from airflow.providers.common.compat.sdk import XCom
from airflow.providers_manager import ProvidersManager

from airflow_provider_contacts.links import _XCOM_KEY, ContactLink, push_contact_url
from airflow_provider_contacts.operators.contacts import ListContactsOperator
from airflow_provider_contacts.operators.updates import UpdateContactTagsOperator
from tests.conftest import Sandbox


class TaskInstance:
    """A task instance that stores pushed XComs."""

    def __init__(self) -> None:
        self.pushed: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushed[key] = value


def test_list_and_update_push_the_first_contacts_url(sandbox: Sandbox) -> None:
    ti = TaskInstance()
    operator = ListContactsOperator(task_id="a", contacts_conn_id="talktohumans_default")
    contacts = operator.execute({"ti": ti})
    assert ti.pushed == {_XCOM_KEY: contacts[0]["url"]}
    other = TaskInstance()
    update = UpdateContactTagsOperator(
        task_id="b", contacts_conn_id="talktohumans_default", contacts=contacts[3:5], add=["x"]
    )
    update.execute({"ti": other})
    assert other.pushed == {_XCOM_KEY: contacts[3]["url"]}
    for one in (operator, update):
        assert [type(link) for link in one.operator_extra_links] == [ContactLink]


@pytest.mark.parametrize("url", [None, "", "javascript:alert(1)", "http://plain.example", "data:text/html,x"])
def test_only_pages_are_linked(url: str | None) -> None:
    ti = TaskInstance()
    push_contact_url({"ti": ti}, url)
    assert ti.pushed == {_XCOM_KEY: ""}


@pytest.mark.parametrize(("stored", "link"), [("https://app.example/1", "https://app.example/1"), (None, "")])
def test_link_returns_the_pushed_url(stored: str | None, link: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(XCom, "get_value", lambda *, key, ti_key: stored if key == _XCOM_KEY else "wrong key")
    assert ContactLink().get_link(None, ti_key=None) == link  # type: ignore[arg-type]


def test_airflow_registers_the_link() -> None:
    assert "airflow_provider_contacts.links.ContactLink" in ProvidersManager().extra_links_class_names
