"""A database per test, and loading contacts into it."""

from __future__ import annotations

import os
from typing import Any

import sqlalchemy as sa

from airflow_provider_contacts.transfers.contacts_to_sql import ContactsToSqlOperator

# `make test-databases` starts servers and says where they are.
POSTGRES = os.environ.get("CONTACTS_TEST_POSTGRES")
MYSQL = os.environ.get("CONTACTS_TEST_MYSQL")


class Database:
    """An empty database for one test."""

    def __init__(self, kind: str, conn_id: str, url: Any) -> None:
        self.kind = kind
        self.conn_id = conn_id
        self.engine = sa.create_engine(url)

    def rows(self, table: str = "contacts", order: str = "contact_id") -> list[dict[str, Any]]:
        with self.engine.connect() as connection:
            quoted = self.engine.dialect.identifier_preparer.quote(table)
            found = connection.execute(
                sa.text(f"SELECT * FROM {quoted} ORDER BY vendor, account_id, {order}")
            )
            return [dict(row._mapping) for row in found]

    def select(self, table: str) -> list[dict[str, Any]]:
        """Return the rows of a table in any order."""
        with self.engine.connect() as connection:
            return [
                dict(row._mapping)
                for row in connection.execute(sa.select(sa.text("*")).select_from(sa.table(table)))
            ]

    def run(self, *statements: str) -> None:
        with self.engine.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)


def load(
    database: Database, vendor: str = "talktohumans", context: Any = None, **arguments: Any
) -> dict[str, Any]:
    arguments = {"table": "contacts", "contacts_conn_id": f"{vendor}_default", **arguments}
    operator = ContactsToSqlOperator(task_id="load", sql_conn_id=database.conn_id, **arguments)
    return operator.execute(context or {})


def counts(summary: dict[str, Any]) -> tuple[int, ...]:
    return tuple(summary[name] for name in ("seen", "new", "changed", "unchanged", "removed"))
