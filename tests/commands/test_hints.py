"""Explaining a listing without contacts."""

from __future__ import annotations

from airflow_provider_contacts.commands.hints import explain_no_matches
from airflow_provider_contacts.conditions import InStage, Replied, Tagged
from airflow_provider_contacts.hooks.base import ContactsHook
from tests.conftest import Sandbox


def test_similar_names(sandbox: Sandbox) -> None:
    hook = ContactsHook.for_connection("tether_default")
    explain = explain_no_matches
    assert explain(hook, {}, InStage("new leed")) == "No contacts match. Did you mean 'New Lead'?"
    assert explain(hook, {"status": ["new lead"]}, None) == "No contacts match. Did you mean 'New Lead'?"
    assert explain(hook, {}, Replied() & Tagged("something else")) == "No contacts match."


def test_failing_sample_costs_only_the_hint(sandbox: Sandbox) -> None:
    hook = ContactsHook.for_connection("tether_default")
    sandbox.fail("tether", status=403)
    assert explain_no_matches(hook, {}, Tagged("vip")) == "No contacts match."
