"""Errors of databases keep their reason, and nothing of the contacts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from airflow_provider_contacts.databases.errors import database_errors
from airflow_provider_contacts.errors import ContactsError, InvalidRequest
from tests.conftest import Sandbox
from tests.database import Database, load


class DriverError(Exception):
    """An error of a driver, with the attributes that some drivers set."""

    def __init__(self, *arguments: object, **attributes: object) -> None:
        super().__init__(*arguments)
        vars(self).update(attributes)


class OperationalError(DriverError):
    """What PostgreSQL's drivers raise if they cannot connect."""


@pytest.mark.parametrize(
    ("original", "shown", "transient"),
    [
        (
            OperationalError('connection failed: FATAL:  password authentication failed for user "ada"'),
            "OperationalError: the login was rejected.",
            False,
        ),
        (
            OperationalError('FATAL:  database "ada" does not exist'),
            "OperationalError: the database does not exist.",
            False,
        ),
        (
            OperationalError("FATAL:  sorry, too many clients already"),
            "OperationalError: there are too many connections.",
            True,
        ),
        (DriverError(sqlstate="3F000"), "DriverError 3F000: the schema does not exist.", False),
        (DriverError(pgcode="42501"), "DriverError 42501: the user lacks a privilege.", False),
        (DriverError(sqlstate="28P01"), "DriverError 28P01: the login was rejected.", False),
        (DriverError(sqlstate="40P01"), "DriverError 40P01: another transaction locked the same rows.", True),
        (DriverError(1044, "text"), "DriverError 1044: the user lacks a privilege.", False),
        (DriverError(1205, "text"), "DriverError 1205: another transaction holds a lock.", True),
        (DriverError(9999, "ada@example.com"), "DriverError 9999.", True),
        (DriverError(sqlstate="XX000"), "DriverError XX000.", True),
        (DriverError("ada@example.com"), "DriverError.", True),
        (DriverError(), "DriverError.", True),
        (
            DriverError("unknown database outreach", sqlite_errorname="SQLITE_ERROR"),
            "DriverError SQLITE_ERROR: unknown database outreach.",
            True,
        ),
        (DriverError("near ada", sqlite_errorname="SQLITE_ERROR"), "DriverError SQLITE_ERROR.", True),
        (
            DriverError("x", sqlite_errorname="SQLITE_READONLY_DIRECTORY"),
            "DriverError SQLITE_READONLY_DIRECTORY: the file is read-only.",
            False,
        ),
    ],
)
def test_reasons(original: Exception, shown: str, transient: bool) -> None:
    with pytest.raises(ContactsError) as caught, database_errors("Writing failed"):
        raise sa.exc.OperationalError("INSERT", {"email": "ada@example.com"}, original)
    assert str(caught.value) == f"Writing failed: The database returned {shown}"
    assert caught.value.transient is transient
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("code", "transient"),
    [("25P03", True), ("57P01", True), ("08006", True), ("42501", False), ("22001", False)],
)
def test_transient_codes(code: str, transient: bool) -> None:
    with pytest.raises(ContactsError) as caught, database_errors("Writing failed"):
        raise sa.exc.ProgrammingError("INSERT", {}, DriverError(sqlstate=code))
    assert caught.value.transient is transient


@pytest.mark.parametrize(("code", "transient"), [("23505", True), ("23502", False), ("23514", False)])
def test_only_duplicate_keys_are_transient(code: str, transient: bool) -> None:
    with pytest.raises(ContactsError) as caught, database_errors("Writing failed"):
        raise sa.exc.IntegrityError("INSERT", {}, DriverError(sqlstate=code))
    assert caught.value.transient is transient


def test_other_errors_pass() -> None:
    with pytest.raises(KeyError), database_errors("Writing failed"):
        raise KeyError
    with pytest.raises(InvalidRequest), database_errors("Writing failed"):
        raise InvalidRequest("no")
    with pytest.raises(ContactsError, match="Unexpected ValueError"), database_errors("Writing failed"):
        raise ValueError("ada@example.com")


def test_unknown_schema(sandbox: Sandbox, database: Database) -> None:
    if database.kind == "sqlite":
        expected = 'SQLite has no schemas. Write the name of the table without a schema, such as "contacts".'
    else:
        expected = "the schema does not exist"
    with pytest.raises(ContactsError, match=expected) as caught:
        load(database, table="outreach.contacts")
    assert caught.value.permanent
    assert not sandbox.requests("talktohumans")


def test_main_schema_of_sqlite(sandbox: Sandbox, database: Database) -> None:
    if database.kind == "sqlite":
        assert load(database, table="main.contacts")["new"] == 60


def test_file_that_is_not_a_database(sandbox: Sandbox, connect: Callable[..., str], tmp_path: Path) -> None:
    path = tmp_path / "not_a_database.db"
    path.write_text("x" * 4096)
    connect("warehouse", conn_type="sqlite", host=str(path))
    database: Any = Database("sqlite", "warehouse", "sqlite://")
    with pytest.raises(ContactsError, match="the file is not a SQLite database") as caught:
        load(database)
    assert caught.value.permanent
    assert not sandbox.requests("talktohumans")
