"""What differs between databases, as far as it shows in the definition of a table."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import mssql, mysql, postgresql, sqlite

from airflow_provider_contacts.databases.dialects import TESTED_DIALECTS, lock_contacts, require_tested
from airflow_provider_contacts.errors import InvalidRequest
from airflow_provider_contacts.transfers.tables.table import define_table
from tests.database import Database


def ddl(dialect: sa.Dialect) -> str:
    return str(sa.schema.CreateTable(define_table("contacts")).compile(dialect=dialect))


def test_mysql_holds_long_text_and_fractions_of_seconds() -> None:
    found = ddl(mysql.dialect())
    assert "raw LONGTEXT CHARACTER SET utf8mb4" in found
    assert "created_at DATETIME(6)" in found
    assert "contact_id VARCHAR(255) COLLATE utf8mb4_bin NOT NULL" in found
    assert "CHARSET=utf8mb4" in found


def test_sql_server_holds_unicode() -> None:
    found = ddl(mssql.dialect())
    assert "name NTEXT" in found
    assert "contact_id NVARCHAR(255)" in found


def test_other_databases_have_plain_types() -> None:
    for dialect in (postgresql.dialect(), sqlite.dialect()):
        assert "raw TEXT NOT NULL" in ddl(dialect)


@pytest.mark.parametrize("dialect", ["mssql", "duckdb", "bigquery"])
def test_untested_databases_are_refused(dialect: str) -> None:
    with pytest.raises(InvalidRequest, match="allow_untested_dialect=True"):
        require_tested(dialect, allow_untested=False)
    require_tested(dialect, allow_untested=True)


def test_tested_databases_are_accepted() -> None:
    for dialect in TESTED_DIALECTS:
        require_tested(dialect, allow_untested=False)


def test_transactions_with_the_same_lock_wait_for_each_other(database: Database) -> None:
    with database.engine.connect() as connection, lock_contacts(connection, [5, -7]):
        connection.execute(sa.select(1))
        connection.rollback()
    with database.engine.connect() as connection, lock_contacts(connection, [5, -7]):
        connection.rollback()
