"""Tables: only what changed is written, and either all of it or nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from airflow.sdk import Asset

from airflow_provider_contacts.errors import (
    ContactsError,
    IncompleteListing,
    InvalidConnection,
    InvalidRequest,
)
from airflow_provider_contacts.hooks.base import ContactsHook
from airflow_provider_contacts.transfers.columns import COLUMNS
from airflow_provider_contacts.transfers.contacts_to_sql import ContactsToSqlOperator
from airflow_provider_contacts.transfers.tables.table import BOOKKEEPING_COLUMNS
from tests.conftest import Sandbox
from tests.database import POSTGRES, Database, counts, load
from tests.vendors import VENDORS


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_contact_with_every_field(vendor: str, sandbox: Sandbox, database: Database) -> None:
    summary = load(database, vendor)
    assert counts(summary) == (60, 60, 0, 0, 0)
    json.dumps(summary)
    rows = {(row["account_id"], row["contact_id"]): row for row in database.rows()}
    assert set(rows) == sandbox.keys(vendor)
    assert list(database.rows()[0]) == [*(column.name for column in COLUMNS), *BOOKKEEPING_COLUMNS]
    for contact in ContactsHook.for_connection(f"{vendor}_default").list_contacts():
        row = rows[contact.account_id, contact.contact_id]
        for column in COLUMNS:
            value = getattr(contact, column.name)
            if column.name == "raw":
                assert row["raw"] == bytes(contact.raw).decode()
            elif column.kind == "texts":
                assert json.loads(row[column.name]) == list(value)
            elif column.kind == "time" and value is not None:
                stored = row[column.name]
                stored = datetime.fromisoformat(stored) if isinstance(stored, str) else stored
                assert stored.replace(tzinfo=value.tzinfo) == value or stored == value
            elif column.kind == "flag" and value is not None:
                assert bool(row[column.name]) == value
            else:
                assert row[column.name] == value
        assert row["first_seen_at"] == row["changed_at"]
        assert row["removed_at"] is None


def test_a_second_run_writes_no_contact(sandbox: Sandbox, database: Database) -> None:
    for vendor in VENDORS:
        load(database, vendor)
    before = database.rows()
    statements: list[str] = []

    def note(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        # Of no row, to see whether one may write; or of the load itself.
        if " false" not in statement and "contact_loads" not in statement:
            statements.append(statement.split()[0].upper())

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        for vendor in VENDORS:
            assert counts(load(database, vendor)) == (60, 0, 0, 60, 0)
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)
    assert statements
    assert not {"INSERT", "UPDATE", "DELETE", "CREATE"} & set(statements)
    assert database.rows() == before


def test_only_changed_contacts_are_updated(sandbox: Sandbox, database: Database) -> None:
    load(database)
    before = {row["contact_id"] + row["account_id"]: row for row in database.rows()}
    table = sandbox.state.tables["talktohumans"]
    row = table.rows[3]
    row.tags = ["Brand new"]
    table.invalidate(row)
    table.add(2)
    assert counts(load(database)) == (62, 2, 1, 59, 0)
    after = {row["contact_id"] + row["account_id"]: row for row in database.rows()}
    changed = {key for key in before if after[key] != before[key]}
    key = row.contact_id + row.account_id
    assert changed == {key}
    assert json.loads(after[key]["tags"]) == ["Brand new"]
    assert "Brand new" in after[key]["raw"]
    assert after[key]["first_seen_at"] == before[key]["first_seen_at"]
    assert after[key]["changed_at"] > before[key]["changed_at"]


@pytest.mark.parametrize("vendor", VENDORS)
def test_removed_contacts_are_marked_and_unmarked(vendor: str, sandbox: Sandbox, database: Database) -> None:
    load(database, vendor)
    table = sandbox.state.tables[vendor]
    row = table.rows[5]
    place = table.rows.index(row)
    table.remove(row)
    assert counts(load(database, vendor)) == (59, 0, 0, 59, 0)
    assert counts(load(database, vendor, mark_removed="true")) == (59, 0, 0, 59, 1)
    marked = [one for one in database.rows() if one["removed_at"] is not None]
    assert [(one["account_id"], one["contact_id"]) for one in marked] == [(row.account_id, row.contact_id)]
    assert counts(load(database, vendor, mark_removed=True)) == (59, 0, 0, 59, 0)
    table.rows.insert(place, row)
    table.invalidate(row)
    assert counts(load(database, vendor)) == (60, 0, 1, 59, 0)
    assert all(one["removed_at"] is None for one in database.rows())


def test_an_account_that_has_become_empty(sandbox: Sandbox, database: Database) -> None:
    load(database, "mailstand")
    table = sandbox.state.tables["mailstand"]
    for row in list(table.rows):
        table.remove(row)
    with pytest.raises(
        IncompleteListing, match="The vendor listed no contacts of an account, so all 60 of its contacts"
    ):
        load(database, "mailstand", mark_removed=True)
    assert all(row["removed_at"] is None for row in database.rows())
    assert counts(load(database, "mailstand", mark_removed=True, max_removed=60)) == (0, 0, 0, 0, 60)


def test_an_account_that_lists_nobody_any_more(sandbox: Sandbox, database: Database) -> None:
    """The vendor's list of accounts proves that it was read."""
    load(database)
    table = sandbox.state.tables["talktohumans"]
    gone = [row for row in table.rows if row.account_id == "102"]
    for row in gone:
        table.remove(row)
    assert counts(load(database, mark_removed=True, max_removed="60%"))[-1] == len(gone) > 0


def test_without_a_list_of_accounts_an_empty_one_is_not_marked(sandbox: Sandbox, database: Database) -> None:
    load(database)
    table = sandbox.state.tables["talktohumans"]
    for row in [row for row in table.rows if row.account_id == "102"]:
        table.remove(row)
    sandbox.fail("talktohumans", path="/accounts", status=404)
    assert counts(load(database, mark_removed=True, max_removed="60%"))[-1] == 0


def test_max_removed_needs_mark_removed(sandbox: Sandbox, database: Database) -> None:
    with pytest.raises(InvalidRequest, match="no effect without `mark_removed=True`"):
        load(database, "mailstand", max_removed=5)
    assert not sandbox.requests("mailstand")


def test_each_account_is_checked(sandbox: Sandbox, database: Database) -> None:
    """A vendor that leaves out a small account does not lose it."""
    table = sandbox.state.tables["talktohumans"]
    table.add(200)
    for row in [row for row in table.rows if row.account_id == "102"][3:]:
        table.remove(row)
    load(database)
    for row in [row for row in table.rows if row.account_id == "102"]:
        table.remove(row)
    with pytest.raises(IncompleteListing, match="no contacts of an account"):
        load(database, mark_removed=True)


@pytest.mark.parametrize(
    ("gone", "limit", "accepted"),
    [
        (20, None, True),
        (21, None, False),
        (3, 2, False),
        (3, "3", True),
        (31, "50%", False),
        (30, "50%", True),
        (0, 0, True),
        (59, None, False),
    ],
)
def test_max_removed(gone: int, limit: Any, accepted: bool, sandbox: Sandbox, database: Database) -> None:
    load(database, "mailstand")
    table = sandbox.state.tables["mailstand"]
    for row in table.rows[:gone]:
        table.remove(row)
    table.rows[0].stage = "Excluded"
    table.invalidate(table.rows[0])
    before = database.rows()
    if accepted:
        assert load(database, "mailstand", mark_removed=True, max_removed=limit)["removed"] == gone
        return
    with pytest.raises(IncompleteListing, match="more than max_removed") as caught:
        load(database, "mailstand", mark_removed=True, max_removed=limit)
    assert not caught.value.permanent
    assert database.rows() == before


@pytest.mark.parametrize("extra", [{"pipeline_id": ""}, {"pipeline_id": "0" * 24, "on_incomplete": "warn"}])
def test_removals_need_listings_that_are_whole(extra: Any, sandbox: Sandbox, database: Database) -> None:
    sandbox.connect("tether", extra=extra)
    with pytest.raises(InvalidRequest, match="needs a complete listing"):
        load(database, "tether", mark_removed=True)
    assert not sandbox.requests("tether")


def test_other_accounts_and_vendors_are_left_alone(sandbox: Sandbox, database: Database) -> None:
    for vendor in VENDORS:
        load(database, vendor)
    assert counts(load(database, "talktohumans", mark_removed=True))[-1] == 0
    assert len(database.rows()) == 240
    assert all(row["removed_at"] is None for row in database.rows())


def test_database_error_contains_no_personal_data(
    sandbox: Sandbox, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    load(database, "tether")
    before = database.rows()
    if database.kind == "sqlite":
        database.run("CREATE TRIGGER no BEFORE INSERT ON contacts BEGIN SELECT raise(ABORT, 'no'); END")
    else:
        database.run("ALTER TABLE contacts ADD CONSTRAINT short CHECK (vendor <> 'mailstand')")
    with pytest.raises(ContactsError, match="nothing was written: The database returned") as caught:
        load(database, "mailstand")
    for text in (str(caught.value), repr(caught.value.__cause__), *capsys.readouterr()):
        assert "contacts.example" not in text
    assert database.rows() == before


def test_unreachable_database_fails_before_reading(
    sandbox: Sandbox, database: Database, connect: Callable[..., str]
) -> None:
    if database.kind == "sqlite":
        connect("warehouse", conn_type="sqlite", host="/nonexistent/folder/x.db")
    else:
        connect("warehouse", conn_type="postgres", host="127.0.0.1", port=1, login="x", schema="x")
    with pytest.raises(ContactsError, match="'warehouse' cannot be reached") as caught:
        load(database)
    assert caught.value.transient
    assert not sandbox.requests("talktohumans")


def test_connections_that_are_not_databases(sandbox: Sandbox, database: Database) -> None:
    database.conn_id = "tether_default"
    with pytest.raises(InvalidRequest, match="is not a SQL database connection"):
        load(database)
    database.conn_id = "nowhere"
    with pytest.raises(InvalidConnection, match="Connection 'nowhere' does not exist"):
        load(database)


class Events(dict):
    """The part of a task's ``outlet_events`` that the operator uses."""

    def __missing__(self, key: Any) -> Any:
        self[key] = SimpleNamespace(extra={})
        return self[key]


def test_asset_events_contain_the_counts(sandbox: Sandbox, database: Database) -> None:
    asset = Asset("warehouse_contacts")
    events = Events()
    load(database, "tether", {"outlet_events": events}, outlets=[asset])
    assert events[asset].extra == {
        "seen": 60, "new": 60, "changed": 0, "unchanged": 0, "removed": 0, "table": "contacts",
    }  # fmt: skip


def test_skip_unchanged(sandbox: Sandbox, database: Database) -> None:
    from airflow.sdk.exceptions import AirflowSkipException

    assert load(database, "tether", skip_unchanged=True)["new"] == 60
    with pytest.raises(AirflowSkipException, match="Nothing has changed"):
        load(database, "tether", skip_unchanged="True")
    sandbox.state.tables["tether"].add(1)
    assert load(database, "tether", skip_unchanged=True)["new"] == 1


def test_openlineage(sandbox: Sandbox, database: Database) -> None:
    operator = ContactsToSqlOperator(
        task_id="load", contacts_conn_id="tether_default", sql_conn_id=database.conn_id, table="contacts"
    )
    assert operator.get_openlineage_facets_on_complete(None) is None
    operator.execute({})
    lineage = operator.get_openlineage_facets_on_complete(None)
    [source], [target] = lineage.inputs, lineage.outputs
    assert source.name == "tether/contacts"
    assert source.namespace.startswith("http://127.0.0.1")
    scheme = {"postgresql": "postgres"}.get(database.kind, database.kind)
    assert target.namespace.startswith(f"{scheme}://")
    schema = database.engine.url.database
    names = {"sqlite": "contacts", "postgresql": f"{schema}.public.contacts", "mysql": f"{schema}.contacts"}
    assert target.name == names[database.kind]
    assert [one.name for one in target.facets["schema"].fields] == [column.name for column in COLUMNS]
    assert target.outputFacets["outputStatistics"].rowCount == 60


def test_a_retry_is_not_skipped(sandbox: Sandbox, database: Database) -> None:
    load(database, "tether")
    context = {"ti": SimpleNamespace(try_number=2)}
    assert counts(load(database, "tether", context, skip_unchanged=True)) == (60, 0, 0, 60, 0)


if POSTGRES:

    def test_missing_write_permission_fails_before_reading(
        sandbox: Sandbox, connect: Callable[..., str]
    ) -> None:
        url = sa.make_url(POSTGRES)
        engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
        connect("warehouse", conn_type="postgres", host=url.host, port=url.port, login=url.username,
                schema="postgres")  # fmt: skip
        operator = {"contacts_conn_id": "tether_default", "sql_conn_id": "warehouse", "table": "guarded"}
        ContactsToSqlOperator(task_id="a", **operator).execute({})
        with engine.connect() as connection:
            connection.exec_driver_sql("CREATE ROLE reader LOGIN")
            connection.exec_driver_sql("GRANT SELECT ON guarded TO reader")
        connect(
            "warehouse", conn_type="postgres", host=url.host, port=url.port, login="reader", schema="postgres"
        )
        before = len(sandbox.requests("tether"))
        with pytest.raises(
            ContactsError, match="'guarded' cannot be used: The database returned InsufficientPrivilege"
        ):
            ContactsToSqlOperator(task_id="b", **operator).execute({})
        assert len(sandbox.requests("tether")) == before


@pytest.mark.parametrize(
    ("vendor", "line"),
    [
        ("tether", "Tether's records do not report replies, so `replied` stays empty"),
        ("thoughtly", "Thoughtly's records do not report replies, so `replied` stays empty"),
        ("mailstand", "Mailstand reports replies reliably only in a listing with the filter `campaign`"),
        ("talktohumans", ""),
    ],
)
def test_a_load_says_if_replies_are_not_reported(
    vendor: str,
    line: str,
    sandbox: Sandbox,
    database: Database,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level("INFO")
    load(database, vendor)
    log = caplog.text + capsys.readouterr().out
    assert line in log
    assert ("`replied`" in log) == bool(line)


def test_rows_of_a_clock_that_was_ahead_are_updated(
    sandbox: Sandbox, database: Database, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    load(database, "mailstand")
    database.run("UPDATE contacts SET changed_at = '2126-01-01 00:00:00.000000'")
    table = sandbox.state.tables["mailstand"]
    for row in table.rows:
        row.stage = "Nurture" if row.stage != "Nurture" else "Interested"
        table.invalidate(row)
    assert load(database, "mailstand")["changed"] == 60
    assert "60 rows of the table had a `changed_at` in the future" in caplog.text + capsys.readouterr().out


def test_an_erased_contact_does_not_come_back_in_another_account(
    sandbox: Sandbox, database: Database
) -> None:
    load(database)
    first = database.rows()[0]
    database.run(
        f"DELETE FROM contacts WHERE contact_id = '{first['contact_id']}' AND account_id <> "
        f"'{first['account_id']}'",
        f"UPDATE contacts SET digest = 'erased', account_id = '999' WHERE contact_id = '{first['contact_id']}'",
    )
    load(database)
    assert [row["account_id"] for row in database.rows() if row["contact_id"] == first["contact_id"]] == [
        "999"
    ]
