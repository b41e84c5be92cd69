"""The section of Airflow's configuration."""

from __future__ import annotations

import pytest

from airflow_provider_contacts.core.validation import TableLocation
from airflow_provider_contacts.errors import InvalidRequest
from airflow_provider_contacts.safeguards.configuration import (
    Safeguards,
    find_secret_conn_id,
    locate_table,
    read_option,
    read_table_option,
)

OWN = TableLocation("w", "own")
CONFIGURED = TableLocation("company.dwh", "crm.configured")


def test_nothing_is_configured_by_default() -> None:
    assert read_option("suppressions_table") == ""
    assert read_table_option("audit_table") is None
    assert Safeguards.create(None, "secret", None, None, None) == Safeguards([], [], [], [])
    safeguards = Safeguards.create(OWN, "secret", OWN, OWN, OWN)
    assert safeguards == Safeguards([(OWN, "secret")], [OWN], [(OWN, "own")], [OWN])
    assert str(safeguards) == "Suppressions: 'own' in 'w'. Audit: 'own' in 'w'."
    assert str(Safeguards([], [], [], [])) == "Suppressions: none. Audit: none."


def test_configured_tables_are_added(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CONTACTS__SQL_CONN_ID", "company.dwh")
    for option in ("SUPPRESSIONS", "CONTACTS", "AUDIT"):
        monkeypatch.setenv(f"AIRFLOW__CONTACTS__{option}_TABLE", "crm.configured")
    assert Safeguards.create(OWN, "own", OWN, None, OWN) == Safeguards(
        [(OWN, "own"), (CONFIGURED, "contacts_suppressions")], [OWN, CONFIGURED], [], [OWN, CONFIGURED]
    )
    monkeypatch.setenv("AIRFLOW__CONTACTS__SUPPRESSIONS_SECRET_CONN_ID", "configured")
    only_configured = Safeguards([(CONFIGURED, "configured")], [CONFIGURED], [], [CONFIGURED])
    assert Safeguards.create(None, "own", None, None, None) == only_configured
    assert Safeguards.create(CONFIGURED, "configured", CONFIGURED, None, CONFIGURED) == only_configured


def test_table_without_a_database(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        InvalidRequest, match="`audit_table` names a table, but no database. Set `sql_conn_id`"
    ):
        locate_table("audit_table", "contact_audit", "")
    monkeypatch.setenv("AIRFLOW__CONTACTS__SQL_CONN_ID", "w")
    assert locate_table("audit_table", "own", "") == OWN
    assert locate_table("audit_table", "crm.configured", "company.dwh") == CONFIGURED


def test_secret_conn_id() -> None:
    for empty in (None, ""):
        assert find_secret_conn_id(empty) == "contacts_suppressions"
    assert find_secret_conn_id("own") == "own"
