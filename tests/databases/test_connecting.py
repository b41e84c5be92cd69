"""Connections that are not databases, or lack a package."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from airflow_provider_contacts.databases.connecting import connect, snapshot, transaction
from airflow_provider_contacts.errors import InvalidRequest
from tests.conftest import Sandbox
from tests.database import Database, load


@pytest.mark.parametrize(
    ("conn_type", "package"),
    [
        ("snowflake", "apache-airflow-providers-snowflake"),
        ("mssql", "apache-airflow-providers-microsoft-mssql"),
        ("gcpbigquery", "apache-airflow-providers-google"),
    ],
)
def test_missing_database_provider(
    conn_type: str, package: str, sandbox: Sandbox, connect: Callable[..., str]
) -> None:
    connect("warehouse", conn_type=conn_type, host="database.example")
    database: Any = Database("sqlite", "warehouse", "sqlite://")
    with pytest.raises(InvalidRequest, match=f"'{conn_type}'.*pip install {package}$"):
        load(database)
    assert not sandbox.requests("talktohumans")


def insert(connection: sa.Connection, *tables: str) -> None:
    for table in tables:
        connection.execute(sa.text(f"INSERT INTO {table} VALUES (1)"))


def test_transaction_is_committed_or_rolled_back(database: Database) -> None:
    database.run("CREATE TABLE numbers (number INTEGER)")
    with connect(database.conn_id) as engine:
        with transaction(engine) as connection:
            insert(connection, "numbers")
        with pytest.raises(sa.exc.DBAPIError), transaction(engine) as connection:
            insert(connection, "numbers", "nowhere")
        with transaction(engine) as connection:
            assert connection.scalars(sa.text("SELECT number FROM numbers")).all() == [1]


def test_errors_of_a_database_do_not_show_values(database: Database) -> None:
    insert_address = sa.text("INSERT INTO nowhere VALUES (:email)")
    with (
        connect(database.conn_id) as engine,
        transaction(engine) as connection,
        pytest.raises(sa.exc.DBAPIError) as caught,
    ):
        connection.execute(insert_address, {"email": "ana@contacts.example"})
    assert "SQL parameters hidden" in str(caught.value)
    assert "[parameters:" not in str(caught.value)


def test_reads_of_a_snapshot_see_the_same_state(database: Database) -> None:
    database.run("CREATE TABLE numbers (number INTEGER)", "INSERT INTO numbers VALUES (1)")
    count = sa.text("SELECT count(*) FROM numbers")
    with connect(database.conn_id) as engine:
        with snapshot(engine) as connection:
            assert connection.scalar(count) == 1
            writer = threading.Thread(target=database.run, args=("INSERT INTO numbers VALUES (2)",))
            writer.start()
            writer.join(1 if database.kind == "sqlite" else 30)
            assert connection.scalar(count) == 1
        writer.join(30)
        with snapshot(engine) as connection:
            assert connection.scalar(count) == 2
