"""Who has replied is stored if the vendor's filter is seen to answer it."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_contacts.transfers.contacts_to_object_storage import ContactsToObjectStorageOperator
from tests.conftest import Sandbox
from tests.database import Database, load

ASKED: dict[str, dict[str, Any]] = {
    "tether": {"filters": {"messageStatus": "replied"}, "condition": {"condition": "replied"}},
    "mailstand": {"condition": {"condition": "replied"}},
}


@pytest.mark.parametrize("vendor", ASKED)
def test_replies_are_stored(
    vendor: str,
    sandbox: Sandbox,
    database: Database,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level("INFO")
    summary = load(database, vendor, **ASKED[vendor])
    assert 0 < summary["new"] < 60
    assert [bool(row["replied"]) for row in database.rows()] == [True] * summary["new"]
    log = caplog.text + capsys.readouterr().out
    assert f"contacts with `{'messageStatus' if vendor == 'tether' else 'has_replied'}` and 60 without" in log
    assert "empty" not in log
    # A second run changes nothing.
    assert load(database, vendor, **ASKED[vendor])["unchanged"] == summary["new"]


def test_a_filter_that_the_vendor_may_ignore_is_not_believed(
    sandbox: Sandbox, database: Database, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    table = sandbox.state.tables["tether"]
    for row in table.rows:
        row.message_status = "replied"
        table.invalidate(row)
    load(database, "tether", **ASKED["tether"])
    assert [row["replied"] for row in database.rows()] == [None] * 60
    log = caplog.text + capsys.readouterr().out
    assert (
        "Tether reports 60 contacts with `messageStatus` and 60 without, so it may ignore the filter" in log
    )


def test_records_that_report_replies_need_no_totals(sandbox: Sandbox, database: Database) -> None:
    summary = load(database, "talktohumans", condition={"condition": "replied"})
    assert {bool(row["replied"]) for row in database.rows()} == {True}
    assert load(database, "talktohumans", table="others")["requests"] == summary["requests"]


def test_without_a_total_nothing_is_believed(
    sandbox: Sandbox, database: Database, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    sandbox.fail("tether", path="/api/contacts", status=200, body='{"success": true, "data": []}')
    load(database, "tether", **ASKED["tether"])
    assert {row["replied"] for row in database.rows()} == {None}
    assert "Tether reports no total" in caplog.text + capsys.readouterr().out


def test_a_condition_of_which_replies_are_a_part(sandbox: Sandbox, database: Database) -> None:
    both = {"condition": "all", "of": [{"condition": "replied"}, {"condition": "has_phone"}]}
    load(database, "tether", filters={"messageStatus": "replied"}, condition=both)
    rows = database.rows()
    assert rows
    assert all(row["replied"] and row["phone"] for row in rows)


def test_a_filter_without_the_condition_says_nothing(sandbox: Sandbox, database: Database) -> None:
    """Only the author knows which message status means a reply."""
    load(database, "tether", filters={"messageStatus": "replied"})
    assert {row["replied"] for row in database.rows()} == {None}


def test_files_store_replies_too(sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "replied.csv"
    ContactsToObjectStorageOperator(
        task_id="export",
        contacts_conn_id="tether_default",
        path=str(path),
        include_raw=False,
        **ASKED["tether"],
    ).execute({})
    with path.open(newline="") as file:
        assert {row["replied"] for row in csv.DictReader(file)} == {"true"}
