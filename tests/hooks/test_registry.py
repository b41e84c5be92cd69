"""Known vendors and their hooks."""

from __future__ import annotations

import pytest

from airflow_provider_contacts.hooks.base import ContactsHook
from airflow_provider_contacts.hooks.mailstand import MAILSTAND, MailstandHook
from airflow_provider_contacts.hooks.registry import find_hook_class, hook_classes
from airflow_provider_contacts.hooks.talktohumans import TalkToHumansHook
from airflow_provider_contacts.hooks.tether import TetherHook
from airflow_provider_contacts.hooks.thoughtly import ThoughtlyHook
from tests.conftest import Sandbox


def test_for_connection_returns_the_vendors_hook(sandbox: Sandbox) -> None:
    for vendor, hook in (
        ("talktohumans", TalkToHumansHook),
        ("thoughtly", ThoughtlyHook),
        ("mailstand", MailstandHook),
        ("tether", TetherHook),
    ):
        assert type(ContactsHook.for_connection(f"{vendor}_default")) is hook
        assert hook().contacts_conn_id == f"{vendor}_default"
        assert hook.hook_name == hook.vendor.title
        assert hook.conn_type == hook.vendor.name == vendor


def test_class_of_another_package_does_not_replace_a_vendor() -> None:
    class Impostor(MailstandHook):
        vendor = MAILSTAND

    assert Impostor.conn_type == "mailstand"
    assert hook_classes()["mailstand"] is MailstandHook


@pytest.mark.parametrize(
    ("conn_type", "problem"),
    [
        ("", "could not be loaded"),
        ("unheard_of", "could not be loaded"),
        ("sqlite", "not a contacts connection type"),
    ],
)
def test_type_without_a_vendor(conn_type: str, problem: str) -> None:
    with pytest.raises(LookupError, match=problem):
        find_hook_class(conn_type)
