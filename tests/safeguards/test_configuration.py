"""The section of Airflow's configuration."""

from __future__ import annotations

import pytest

from airflow_provider_contacts.safeguards.configuration import (
    find_audit_locations,
    find_suppression_locations,
    read_option,
)


def test_nothing_is_configured_by_default() -> None:
    assert read_option("suppressions") == ""
    assert find_suppression_locations("", "secret") == []
    assert find_suppression_locations("w.t", "secret") == [("w.t", "secret")]
    assert find_audit_locations("") == []
    assert find_audit_locations("w.a") == ["w.a"]


def test_configured_tables_are_added(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CONTACTS__SUPPRESSIONS", "w.configured")
    monkeypatch.setenv("AIRFLOW__CONTACTS__AUDIT", "w.audit")
    assert find_suppression_locations("w.own", "own") == [
        ("w.own", "own"),
        ("w.configured", "contacts_suppressions"),
    ]
    monkeypatch.setenv("AIRFLOW__CONTACTS__SUPPRESSIONS_SECRET_CONN_ID", "configured")
    assert find_suppression_locations("", "own") == [("w.configured", "configured")]
    assert find_suppression_locations("w.configured", "configured") == [("w.configured", "configured")]
    assert find_audit_locations("w.own") == ["w.own", "w.audit"]
    assert find_audit_locations("w.audit") == ["w.audit"]
