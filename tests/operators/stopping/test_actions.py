"""The actions that stop outreach."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_contacts.core.changes import StageChange, TagChange
from airflow_provider_contacts.errors import InvalidRequest, UnsupportedByVendor
from airflow_provider_contacts.hooks.registry import hook_classes
from airflow_provider_contacts.operators.stopping.actions import (
    StopAction,
    adapt_actions,
    find_connection_of,
    parse_actions,
)

VENDORS = {f"{name}_default": hook_class.vendor for name, hook_class in hook_classes().items()}


def adapt(actions: Any, vendors: Any = VENDORS) -> dict[str, StopAction]:
    return adapt_actions(parse_actions("actions", actions), vendors)


def test_changes() -> None:
    actions = parse_actions(
        "actions",
        {
            "a": {"stage": "Lost"},
            "b": {"add_tags": ["Replied elsewhere"], "remove_tags": "Active"},
            "c": {"notes": {"text": "x"}},
            "d": "suppress",
            " e ": {"action": "manual", "accounts": "101"},
        },
    )
    assert actions["a"].change == StageChange("Lost")
    assert actions["b"].change == TagChange((("Replied elsewhere", None),), ("Active",))
    assert str(actions["c"]) == "replace the notes"
    assert (actions["d"].type, actions["d"].change) == ("suppress", None)
    assert (actions["e"].type, actions["e"].accounts) == ("manual", ("101",))
    assert actions["a"].digest != actions["b"].digest


@pytest.mark.parametrize(
    ("actions", "problem"),
    [
        (None, "must be a mapping of connections"),
        ({}, "must be a mapping of connections"),
        ("suppress", "`actions` is text. Set render_template_as_native_obj=True"),
        ({"": "manual"}, "Keys must be connection ids"),
        ({"a": "stop"}, '\'a\' is invalid. Write "default", "manual"'),
        ({"a": None}, 'Write "default"'),
        ({"a": {}}, 'Write "default"'),
        (
            {"a": {"stage": "Lost", "add_tags": ["x"]}},
            r"It combines tags, stage, but each connection takes one action",
        ),
        ({"a": {"stage": "Lost", "action": "manual"}}, "It combines stage, action"),
        ({"a": {"status": "Lost"}}, "unknown keys: status. Known keys: add_tags"),
        ({"a": {"stage": " "}}, "'a' is invalid. `stage` must be the name of a stage"),
        ({"a": {"add_tags": []}}, "`add_tags` and `remove_tags` are empty"),
        ({"a": {"campaign": "all"}}, "`stage` must be"),
        ({"a": {"stage": "Lost", "accounts": []}}, "`accounts` is empty"),
        ({"a": {"stage": "Lost", "accounts": [1.5]}}, "`accounts` must be a list of account ids"),
        ({"a": "manual", "a ": "manual"}, "names the connection 'a' twice"),
    ],
)
def test_invalid_actions(actions: object, problem: str) -> None:
    with pytest.raises(InvalidRequest, match=problem):
        parse_actions("actions", actions)


def test_spelling_does_not_make_another_action() -> None:
    first = parse_actions("actions", {"a": {"add_tags": ["A", "B"]}, "b": {"stage": "Lost"}})
    second = parse_actions("actions", {"a": {"add_tags": ["B", "A"]}, "b": {"stage": "lost"}})
    assert {conn_id: action.digest for conn_id, action in first.items()} == {
        conn_id: action.digest for conn_id, action in second.items()
    }
    assert first["a"].digest != parse_actions("actions", {"a": {"add_tags": ["A"]}})["a"].digest


def test_defaults_are_the_mildest_documented_changes() -> None:
    actions = adapt(dict.fromkeys(("talktohumans_default", "mailstand_default"), "default"))
    assert str(actions["talktohumans_default"]) == "add 'Stop outreach'"
    assert str(actions["mailstand_default"]) == "move to stage 'Not Interested' in all campaigns"
    with pytest.raises(InvalidRequest, match='Thoughtly has no default. Write "manual"'):
        adapt({"thoughtly_default": "default"})
    with pytest.raises(InvalidRequest, match="Tether has no default. Set a change"):
        adapt({"tether_default": "default"})


def test_a_stage_per_campaign_is_set_in_all_campaigns() -> None:
    actions = adapt({"mailstand_default": {"stage": "Do Not Contact"}})
    assert actions["mailstand_default"].change == StageChange("Do Not Contact", "all")
    actions = adapt({"mailstand_default": {"stage": "Not Interested", "campaign": "camp_1"}})
    assert actions["mailstand_default"].change == StageChange("Not Interested", "camp_1")


@pytest.mark.parametrize(
    ("conn_id", "action", "problem"),
    [
        (
            "thoughtly_default",
            {"stage": "Lost"},
            "changes the stage, but Thoughtly's API cannot change contacts. Write `manual`",
        ),
        (
            "tether_default",
            {"add_tags": "x"},
            "changes the tags, but Tether's API can change only stage. Change stage, or",
        ),
        ("talktohumans_default", {"stage": "x"}, "TalkToHumans's API can change only tags and notes"),
    ],
)
def test_errors_list_the_supported_changes(conn_id: str, action: object, problem: str) -> None:
    with pytest.raises(UnsupportedByVendor, match=problem):
        adapt({conn_id: action})


def test_several_connections_of_a_vendor_need_accounts() -> None:
    vendors = dict.fromkeys(("one", "two"), VENDORS["mailstand_default"])
    for actions, problem in (
        ({"one": "default", "two": "default"}, "Mailstand: one, two. Set `accounts` of one, two, such as"),
        ({"one": {"action": "default", "accounts": "a"}, "two": "default"}, "Set `accounts` of two, such as"),
        (
            {"one": {"action": "default", "accounts": "a"}, "two": {"action": "manual", "accounts": "a"}},
            "the account 'a' in several connections of Mailstand: one, two. Keep it in one",
        ),
    ):
        with pytest.raises(InvalidRequest, match=problem):
            adapt(actions, vendors)
    actions = adapt(
        {"one": {"action": "default", "accounts": "a"}, "two": {"action": "manual", "accounts": ["b"]}},
        vendors,
    )
    assert find_connection_of("mailstand", "a", actions, vendors) == "one"
    assert find_connection_of("mailstand", "b", actions, vendors) == "two"
    assert find_connection_of("mailstand", "c", actions, vendors) is None
    assert find_connection_of("tether", "a", actions, vendors) is None
