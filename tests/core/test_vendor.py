"""What every vendor file has to declare."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_contacts.conditions import SIMPLE_CONDITIONS, Replied, Tagged, get_condition_name
from airflow_provider_contacts.core.changes import VENDOR_CHANGE_KINDS
from airflow_provider_contacts.core.vendor import ConditionSupport
from airflow_provider_contacts.hooks.registry import hook_classes, list_vendors

each_vendor = pytest.mark.parametrize("vendor", list_vendors(), ids=lambda vendor: vendor.name)


@each_vendor
def test_names_are_known(vendor: Any) -> None:
    assert vendor.contacts.conditions.keys() <= {
        get_condition_name(condition) for condition in SIMPLE_CONDITIONS
    }
    assert vendor.docs_url.startswith("https://")
    assert vendor.name == vendor.title.lower()
    assert not set(vendor.contacts.paging.reserved_params) & vendor.contacts.filters.__annotations__.keys()


@each_vendor
def test_bulk_updates_need_a_resolved_stage(vendor: Any) -> None:
    updates = vendor.updates
    assert (updates.bulk_stage is None) == (updates.bulk_limit == 1)
    assert [kind for kind in VENDOR_CHANGE_KINDS if updates.supports(kind)] == [
        kind for kind in VENDOR_CHANGE_KINDS if getattr(updates, kind) is not None
    ]


@pytest.mark.parametrize("hook_class", hook_classes().values(), ids=lambda hook_class: hook_class.__name__)
def test_vendor_file_does_no_io(hook_class: Any) -> None:
    tree = ast.parse(Path(str(__import__("inspect").getfile(hook_class))).read_text())
    imported = {
        name.name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for name in node.names
    } | {(node.module or "").split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not imported & {"requests", "httpx", "urllib", "socket", "airflow", "threading", "asyncio"}


def test_support_by_fixed_filters() -> None:
    support = ConditionSupport.from_filters({"stage": "x"}, is_on_record=False)
    assert support.to_filters(Replied(), True) == {"stage": "x"}
    assert support.to_filters(Replied(), False) is None
    assert not support.is_on_record


def test_support_by_name() -> None:
    support = ConditionSupport.from_name(lambda name: {"tag": name}, negated=lambda name: {"not_tag": name})
    assert support.to_filters(Tagged("VIP"), True) == {"tag": "VIP"}
    assert support.to_filters(Tagged("VIP"), False) == {"not_tag": "VIP"}
