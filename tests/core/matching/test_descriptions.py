"""What vendors support, for people."""

from __future__ import annotations

from airflow_provider_contacts.conditions import SIMPLE_CONDITIONS, get_condition_name
from airflow_provider_contacts.core.matching.descriptions import describe_conditions
from airflow_provider_contacts.core.matching.parsing import parse_condition
from airflow_provider_contacts.hooks.mailstand import MAILSTAND
from airflow_provider_contacts.hooks.talktohumans import TALKTOHUMANS
from airflow_provider_contacts.hooks.tether import TETHER


def test_every_condition_is_described() -> None:
    found = describe_conditions(MAILSTAND)
    assert [one.name for one in found] == [get_condition_name(condition) for condition in SIMPLE_CONDITIONS]
    for one in found:
        condition = parse_condition(one.text)
        assert condition is not None
        assert get_condition_name(condition) == one.name
        assert one.meaning.endswith(".")


def test_support() -> None:
    support = {
        vendor.name: {one.name: one.support for one in describe_conditions(vendor)}
        for vendor in (TALKTOHUMANS, MAILSTAND, TETHER)
    }
    assert support["talktohumans"]["connected"] == "server only"
    assert support["talktohumans"]["replied"] == "record"
    assert support["mailstand"]["in_stage"] == "server"
    assert support["mailstand"]["opened"] == "server, with the filter `campaign`"
    assert support["mailstand"]["tagged"] == "no"
    assert support["tether"]["replied"] == "server only, with the filter `messageStatus`"


def test_python() -> None:
    assert [one.python for one in describe_conditions(MAILSTAND)][:4] == [
        "Replied()",
        "InvitationPending()",
        "Connected()",
        'Tagged("VIP")',
    ]
