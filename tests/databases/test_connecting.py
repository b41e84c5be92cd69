"""Connections that are not databases, or lack a package."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from airflow_provider_contacts.databases.connecting import connect, transaction
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
