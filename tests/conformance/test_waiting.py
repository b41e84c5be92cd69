"""Waiting at every vendor, in every mode, for every supported condition."""

from __future__ import annotations

import pytest

from airflow_provider_contacts.conditions import get_condition_name
from airflow_provider_contacts.sensors.contacts import ContactSensor
from tests.conformance.test_conditions import TRUTHS
from tests.conftest import Sandbox
from tests.sensors.modes import MODES, run
from tests.vendors import CASES, VENDORS


@pytest.mark.parametrize(
    ("vendor", "number"), [(vendor, number) for vendor in VENDORS for number in range(len(TRUTHS[vendor]))]
)
@pytest.mark.parametrize("mode", MODES)
def test_wait_returns_the_matching_contacts(vendor: str, number: int, mode: str, sandbox: Sandbox) -> None:
    condition, filters, truth = TRUTHS[vendor][number]
    expected = {(row.account_id, row.contact_id) for row in sandbox.state.tables[vendor].rows if truth(row)}
    outcome = run(
        ContactSensor,
        mode,
        contacts_conn_id=CASES[vendor].conn_id,
        condition=condition,
        filters=filters,
        timeout=0.2,
    )
    if not expected:
        assert outcome.kind == "timeout", get_condition_name(condition)
        return
    assert outcome.kind == "success"
    assert {(one["account_id"], one["contact_id"]) for one in outcome.value} == expected
    assert {one["vendor"] for one in outcome.value} == {vendor}
