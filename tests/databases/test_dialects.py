"""What differs between databases, as far as it shows in the definition of a table."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import mssql, mysql, postgresql, sqlite

from airflow_provider_contacts.databases.connecting import connect, transaction
from airflow_provider_contacts.databases.dialects import (
    TESTED_DIALECTS,
    identify_table,
    lock_contacts,
    read_clock,
    require_tested,
)
from airflow_provider_contacts.databases.tables import build_table
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


def test_a_table_has_one_identity_however_it_is_named(database: Database) -> None:
    """Otherwise two tasks that name it in two ways would not wait for each other."""
    database.run("CREATE TABLE contacts (id INTEGER)", "CREATE TABLE others (id INTEGER)")
    with connect(database.conn_id) as engine, engine.connect() as connection:
        schema = engine.dialect.default_schema_name or ""
        names = ("contacts", f"{schema}.contacts", "others")
        one, same, other = (
            identify_table(connection, build_table(name, [sa.Column("id", sa.Integer())])) for name in names
        )
    assert one == same != other


def test_the_clock_is_in_utc(database: Database) -> None:
    with connect(database.conn_id) as engine, transaction(engine) as connection:
        assert abs(read_clock(connection) - datetime.now(timezone.utc)) < timedelta(minutes=1)


def test_a_value_that_is_too_long_is_an_error(database: Database) -> None:
    """MySQL without a strict mode cuts it."""
    if database.kind == "sqlite":
        return  # it has no lengths
    database.run("CREATE TABLE short (name VARCHAR(3))")
    with connect(database.conn_id) as engine:
        if database.kind == "mysql":
            with engine.connect() as connection:
                connection.exec_driver_sql("SET sql_mode = ''")
        with pytest.raises(sa.exc.DBAPIError), transaction(engine) as connection:
            connection.exec_driver_sql("INSERT INTO short VALUES ('abcdef')")
