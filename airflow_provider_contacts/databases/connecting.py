"""Connect to a database through an Airflow connection."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from airflow_provider_contacts.databases import sa
from airflow_provider_contacts.databases.dialects import is_mysql, prepare_session
from airflow_provider_contacts.databases.errors import database_errors
from airflow_provider_contacts.errors import InvalidRequest
from airflow_provider_contacts.hooks.connections import find_connection

if TYPE_CHECKING:
    from airflow.providers.common.sql.hooks.sql import DbApiHook
    from airflow.sdk import Connection

# How long to wait for another task's transaction on SQLite.
_SQLITE_BUSY_TIMEOUT_SECONDS = 60
# Providers by connection type. Others are not guessed: a wrong name may be another project's
# package.
_PROVIDERS = {
    "gcpbigquery": "google",
    "mssql": "microsoft-mssql",
    "mysql": "mysql",
    "oracle": "oracle",
    "postgres": "postgres",
    "redshift": "amazon",
    "snowflake": "snowflake",
    "sqlite": "sqlite",
    "trino": "trino",
    "vertica": "vertica",
}


@contextlib.contextmanager
def connect(conn_id: str) -> Iterator[sa.Engine]:
    """Provide an engine for a database connection.

    :raises ContactsError: if it is not a database, or unreachable.
    """
    engine = _create_engine(conn_id)
    try:
        with (
            database_errors(f"The database of connection {conn_id!r} cannot be reached"),
            engine.connect() as session,
        ):
            session.execute(sa.select(1))
        yield engine
    finally:
        engine.dispose()


@contextlib.contextmanager
def transaction(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Start a transaction in which times without a zone are in UTC, and commit it at the end."""
    with engine.begin() as connection:
        prepare_session(connection)
        yield connection


@contextlib.contextmanager
def snapshot(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Provide a connection whose reads all see the same state of the database."""
    dialect = engine.dialect.name
    options = {"isolation_level": "REPEATABLE READ"} if dialect == "postgresql" or is_mysql(dialect) else {}
    with transaction(engine.execution_options(**options)) as connection:
        if dialect == "sqlite":
            # Python starts a transaction only for writes.
            connection.exec_driver_sql("BEGIN")
        yield connection


def _create_engine(conn_id: str) -> sa.Engine:
    connection = find_connection(conn_id)
    # Contacts must not appear in logs and errors. A server may close a connection that is idle for
    # long.
    options: dict[str, Any] = {"hide_parameters": True, "pool_pre_ping": True}
    if connection.conn_type == "sqlite":
        options["connect_args"] = {"timeout": _SQLITE_BUSY_TIMEOUT_SECONDS}
    try:
        engine: sa.Engine = _find_database_hook(connection, conn_id).get_sqlalchemy_engine(options)
    except ImportError as error:
        raise InvalidRequest(
            f"Connection {conn_id!r} ({connection.conn_type}) needs the Python package {error.name}, which "
            "is not installed."
        ) from None
    except (ValueError, sa.exc.ArgumentError) as error:
        raise InvalidRequest(
            f"Connection {conn_id!r} has an invalid setting for SQLAlchemy ({type(error).__name__}). Check "
            "its Extra."
        ) from None
    return engine


def _find_database_hook(connection: Connection, conn_id: str) -> DbApiHook:
    try:
        from airflow.providers.common.sql.hooks.sql import DbApiHook
        from airflow.sdk.exceptions import AirflowException
    except ImportError:
        raise _missing_extra() from None
    try:
        hook = connection.get_hook()
    except AirflowException as error:
        # Airflow has no own class for this.
        if not str(error).startswith("Unknown hook type"):
            raise
        raise _missing_provider(conn_id, connection.conn_type or "") from None
    if not isinstance(hook, DbApiHook):
        raise InvalidRequest(f"Connection {conn_id!r} is not a SQL database connection.")
    return hook


def _missing_provider(conn_id: str, conn_type: str) -> InvalidRequest:
    name = _PROVIDERS.get(conn_type)
    advice = f": pip install apache-airflow-providers-{name}" if name else "."
    return InvalidRequest(
        f"Connection {conn_id!r} has the type {conn_type!r}, which no installed provider supports. If it is "
        f"a database, install its provider{advice}"
    )


def _missing_extra() -> InvalidRequest:
    return InvalidRequest(
        "Databases need an extra. Install it: pip install 'airflow-provider-contacts[sql]'."
    )
