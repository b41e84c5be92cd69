"""The vendors of the sandbox, and the samples that they provide for the conformance tests."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_contacts.hooks.registry import hook_classes, list_vendors
from airflow_provider_contacts.sandbox.app import create_state
from airflow_provider_contacts.sandbox.vendor import sandbox_vendors
from tests.vendors import VENDORS


def test_every_vendor_has_a_sandbox() -> None:
    assert list(sandbox_vendors()) == list(hook_classes())


@pytest.mark.parametrize("vendor", list_vendors(), ids=lambda vendor: vendor.name)
def test_samples_cover_what_the_vendor_supports(vendor: Any) -> None:
    samples = sandbox_vendors()[vendor.name].samples
    conditions = {sample.condition["condition"] for sample in samples.conditions}
    assert conditions == set(vendor.contacts.conditions)
    changed = {sample.kind for sample in samples.changes}
    assert changed == {kind for kind in ("tags", "notes", "stage") if vendor.updates.supports(kind)}
    assert set(samples.filters) == set(vendor.contacts.filters.__annotations__)


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_sample_condition_divides_the_contacts(vendor: str) -> None:
    """A condition that matches all contacts, or none in any of its samples, would test nothing."""
    rows = create_state(60).tables[vendor].rows
    matched: dict[object, int] = {}
    for sample in sandbox_vendors()[vendor].samples.conditions:
        count = sum(1 for row in rows if sample.matches(row))
        assert count < len(rows)
        name = sample.condition["condition"]
        matched[name] = matched.get(name, 0) + count
    assert all(matched.values()), matched


@pytest.mark.parametrize("vendor", VENDORS)
def test_events_change_a_contact(vendor: str) -> None:
    for event in sandbox_vendors()[vendor].events.values():
        rows = create_state(60).tables[vendor].rows
        before = [_fields(row) for row in rows]
        for row in rows:
            event(row, 1_790_000_000.0)
        assert [_fields(row) for row in rows] != before


def _fields(row: Any) -> dict[str, str]:
    return {name: repr(getattr(row, name)) for name in type(row).__slots__}
