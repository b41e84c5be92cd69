"""The vendors that are known."""

from __future__ import annotations

from airflow_provider_contacts.hooks.base import ContactsHook
from airflow_provider_contacts.hooks.mailstand import MailstandHook
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
