"""Tables that are loaded with filters or a condition: contacts that no longer match."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_contacts.errors import IncompleteListing, InvalidRequest
from tests.conftest import Sandbox
from tests.database import Database, counts, load

INTERESTED = {"condition": {"condition": "in_stage", "name": "Interested"}}


def move(sandbox: Sandbox, stage: str, rows: slice = slice(None)) -> None:
    table = sandbox.state.tables["mailstand"]
    for row in table.rows[rows]:
        row.stage = stage
        table.invalidate(row)


def marked(database: Database) -> int:
    return sum(row["removed_at"] is not None for row in database.rows())


def read_log(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> str:
    return caplog.text + capsys.readouterr().out


@pytest.fixture
def interested(sandbox: Sandbox, database: Database) -> Database:
    """A table with 60 interested contacts; then one is in another stage."""
    move(sandbox, "Interested")
    load(database, "mailstand", **INTERESTED)
    move(sandbox, "Nurture", slice(1))
    return database


def test_without_mark_removed_they_are_reported(
    interested: Database, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    load(interested, "mailstand", **INTERESTED)
    assert "1 contacts in the table are not in this listing" in read_log(caplog, capsys)
    assert marked(interested) == 0


def test_they_are_marked_and_unmarked(
    sandbox: Sandbox,
    interested: Database,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert counts(load(interested, "mailstand", mark_removed=True, **INTERESTED)) == (59, 0, 0, 59, 1)
    assert "not in this listing" not in read_log(caplog, capsys)
    assert marked(interested) == 1
    move(sandbox, "Interested")
    assert counts(load(interested, "mailstand", mark_removed=True, **INTERESTED)) == (60, 0, 1, 59, 0)
    assert marked(interested) == 0


@pytest.mark.parametrize("other", [{}, {"condition": {"condition": "in_stage", "name": "Nurture"}}])
def test_a_table_with_contacts_of_other_questions(
    other: dict[str, Any],
    interested: Database,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    load(interested, "mailstand", **other)
    read_log(caplog, capsys)
    caplog.clear()
    assert counts(load(interested, "mailstand", mark_removed=True, **INTERESTED))[-1] == 0
    assert "1 contacts in the table are not in this listing" in read_log(caplog, capsys)


def test_a_table_whose_loads_are_not_recorded(interested: Database) -> None:
    """Its contacts may come from a listing without filters."""
    interested.run("DELETE FROM contact_loads")
    for _ in range(2):
        assert load(interested, "mailstand", mark_removed=True, **INTERESTED)["removed"] == 0


def test_other_tables_connections_and_vendors_do_not_count(sandbox: Sandbox, interested: Database) -> None:
    load(interested, "mailstand", table="others")
    load(interested, "tether")
    assert load(interested, "mailstand", mark_removed=True, **INTERESTED)["removed"] == 1
    conn_id = sandbox.connect("mailstand", conn_id="second")
    move(sandbox, "Nurture", slice(2))
    same = {"contacts_conn_id": conn_id, "mark_removed": True, **INTERESTED}
    assert load(interested, "mailstand", **same)["removed"] == 0
    assert load(interested, "mailstand", mark_removed=True, **INTERESTED)["removed"] == 0


def test_the_limit_holds_if_nobody_matches_any_more(sandbox: Sandbox, interested: Database) -> None:
    move(sandbox, "Nurture")
    with pytest.raises(IncompleteListing, match="listed no contacts of an account, so all 60"):
        load(interested, "mailstand", mark_removed=True, **INTERESTED)
    assert marked(interested) == 0
    assert load(interested, "mailstand", mark_removed=True, max_removed="100%", **INTERESTED)["removed"] == 60


def test_a_filter_of_another_kind(sandbox: Sandbox, database: Database) -> None:
    table = sandbox.state.tables["talktohumans"]
    for row in table.rows:
        row.tags = ["VIP"]
        table.invalidate(row)
    load(database, filters={"tag": "VIP"})
    table.rows[0].tags = []
    table.invalidate(table.rows[0])
    assert load(database, filters={"tag": "VIP"}, mark_removed=True)["removed"] == 1


def test_an_erased_person_is_no_row_of_another_question(sandbox: Sandbox, database: Database) -> None:
    move(sandbox, "Interested")
    load(database, "mailstand")
    database.run("UPDATE contacts SET digest = 'erased'", "DELETE FROM contact_loads")
    sandbox.state.tables["mailstand"].add(3)
    move(sandbox, "Interested")
    assert load(database, "mailstand", **INTERESTED)["new"] == 3
    move(sandbox, "Nurture", slice(60, 61))
    assert load(database, "mailstand", mark_removed=True, **INTERESTED)["removed"] == 1


def test_a_condition_that_only_records_answer(sandbox: Sandbox, database: Database) -> None:
    """A record that does not report it would look as if its contact no longer matched."""
    with pytest.raises(InvalidRequest, match="needs a complete listing. Mailstand's filters do not answer"):
        load(database, "mailstand", mark_removed=True, condition={"condition": "has_phone"})
    assert not sandbox.requests("mailstand")


def test_a_load_is_recorded_for_each_account(sandbox: Sandbox, database: Database) -> None:
    load(database, "talktohumans")
    load(database, "talktohumans")
    loads = sorted(database.select("contact_loads"), key=lambda row: (row["started_at"], row["account_id"]))
    assert [row["account_id"] for row in loads] == ["101", "102", "101", "102"]
    assert [row["seen"] for row in loads[:2]] == [row["new"] for row in loads[:2]]
    assert [row["rows_before"] for row in loads[2:]] == [row["unchanged"] for row in loads[2:]]
    assert sum(row["seen"] for row in loads[:2]) == 60
    assert len({row["question"] for row in loads}) == 1
    assert len({row["load_id"] for row in loads}) == 2
    assert {row["contacts_conn_id"] for row in loads} == {"talktohumans_default"}
