"""What differs between databases: types, and how a transaction starts and waits for others."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from airflow_provider_contacts.databases import sa
from airflow_provider_contacts.errors import ContactsError, InvalidRequest

# `make test-databases` runs the tests of tables on these; MariaDB stands for MySQL.
TESTED_DIALECTS = ("sqlite", "postgresql", "mysql", "mariadb")
_MYSQL = ("mysql", "mariadb")
_LOCK_TIMEOUT_SECONDS = 600
_LOCK_NOT_AVAILABLE = "55P03"
# Some databases do not index longer text.
_KEY_LENGTH = 255


def is_mysql(dialect: str) -> bool:
    """Return whether a database is MySQL or MariaDB."""
    return dialect in _MYSQL


def require_tested(dialect: str, *, allow_untested: bool) -> None:
    """Check that the tests run on a database.

    :param dialect: the name of its SQLAlchemy dialect.
    :raises InvalidRequest: if they do not, and ``allow_untested`` is false.
    """
    if dialect not in TESTED_DIALECTS and not allow_untested:
        raise InvalidRequest(
            f"Writing to the database {dialect!r} is not tested. SQLite, PostgreSQL, MySQL and MariaDB are. "
            "Set allow_untested_dialect=True to try it nevertheless."
        )


def require_schema_support(dialect: str, schema: str | None) -> None:
    """Check that a database has schemas if a table's name contains one.

    :raises InvalidRequest: if it does not.
    """
    if dialect == "sqlite" and schema not in (None, "main"):
        raise InvalidRequest(
            'SQLite has no schemas. Write the name of the table without a schema, such as "contacts".'
        )


def build_column_types() -> Mapping[str, Any]:
    """Return the types of columns by kind: ``text``, ``texts``, ``flag``, ``time``, ``key``."""
    from sqlalchemy.dialects import mysql

    # MySQL's TEXT holds 64 kB, its times have no fraction, and it compares text without regard to
    # case. SQL Server's TEXT holds one code page only.
    text = _for_mysql(sa.UnicodeText(), mysql.LONGTEXT(charset="utf8mb4"))
    return {
        "text": text,
        "texts": text,
        "flag": sa.Boolean(),
        "time": _for_mysql(sa.DateTime(timezone=True), mysql.DATETIME(fsp=6)),
        "key": _for_mysql(sa.Unicode(_KEY_LENGTH), mysql.VARCHAR(_KEY_LENGTH, collation="utf8mb4_bin")),
    }


def _for_mysql(usual: Any, mysql_type: Any) -> Any:
    for dialect in _MYSQL:
        usual = usual.with_variant(mysql_type, dialect)
    return usual


def to_utc(moment: datetime) -> datetime:
    """Return a time of the database, which has no zone in some databases, in UTC."""
    return moment.astimezone(timezone.utc) if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def create_temporary_table(
    connection: sa.Connection, table: sa.Table, names: Sequence[str]
) -> sa.Table | None:
    """Create a temporary table with columns of another table.

    :param names: the columns.
    :return: the temporary table, or None if the database or the user's privileges do not allow one.
    """
    dialect = connection.dialect
    if dialect.name == "postgresql":
        schema: str | None = "pg_temp"  # whatever the search path is
        privilege = sa.func.has_database_privilege(sa.func.current_database(), "TEMPORARY")
        if not connection.scalar(sa.select(privilege)):
            return None
    elif is_mysql(dialect.name):
        schema = table.schema
    else:
        return None
    columns = [sa.Column(name, table.c[name].type) for name in names]
    temporary = sa.Table(f"contacts_{secrets.token_hex(8)}", sa.MetaData(), *columns, schema=schema)
    format_table = dialect.identifier_preparer.format_table
    # Made from the table, because a user's columns may have other types than ours.
    source = f"LIKE {format_table(table)}"
    if dialect.name == "postgresql":
        quoted = ", ".join(dialect.identifier_preparer.quote(name) for name in names)
        source = f"ON COMMIT DROP AS SELECT {quoted} FROM {format_table(table)} WHERE false"  # noqa: S608 - quoted names
    try:
        connection.exec_driver_sql(f"CREATE TEMPORARY TABLE {format_table(temporary)} {source}")
    except sa.exc.DBAPIError as error:
        # MySQL cannot be asked for the privilege, and MariaDB has no temporary tables with
        # partitions. The transaction goes on.
        if error.connection_invalidated or dialect.name == "postgresql":
            raise
        return None
    return temporary


def drop_temporary_table(connection: sa.Connection, temporary: sa.Table) -> None:
    """Drop a temporary table, unless the transaction's end does it."""
    if is_mysql(connection.dialect.name):
        name = connection.dialect.identifier_preparer.format_table(temporary)
        connection.exec_driver_sql(f"DROP TEMPORARY TABLE {name}")


def database_time(connection: sa.Connection) -> sa.ColumnElement[datetime]:
    """Return the expression of the present time in UTC, by the database's clock.

    Workers' clocks differ. SQLite has no clock of its own.
    """
    dialect = connection.dialect.name
    if dialect == "postgresql":
        return sa.func.clock_timestamp()
    if is_mysql(dialect):
        return sa.func.utc_timestamp(sa.text("6"))
    return sa.literal(datetime.now(timezone.utc), sa.DateTime(timezone=True))


def read_clock(connection: sa.Connection) -> datetime:
    """Return the present time in UTC, by the database's clock."""
    if connection.dialect.name not in ("postgresql", *_MYSQL):
        return datetime.now(timezone.utc)
    moment: datetime = connection.execute(sa.select(database_time(connection))).scalar_one()
    return to_utc(moment)


def prepare_session(connection: sa.Connection) -> None:
    """Let times without a zone be in UTC, and let values that are too long be errors."""
    dialect = connection.dialect.name
    if dialect == "postgresql":
        # A column without a zone stores the local time of the session.
        connection.exec_driver_sql("SET LOCAL TIME ZONE 'UTC'")
    elif is_mysql(dialect):
        connection.exec_driver_sql("SET time_zone = '+00:00'")
        # Without a strict mode, MySQL cuts such values.
        connection.exec_driver_sql("SET sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES')")


def identify_table(connection: sa.Connection, table: sa.Table) -> str:
    """Return a text that identifies a table of the database, however its name is written."""
    dialect = connection.dialect
    if dialect.name == "postgresql":
        name = dialect.identifier_preparer.format_table(table)
        return str(connection.execute(sa.select(sa.func.to_regclass(name).cast(sa.BigInteger))).scalar_one())
    return f"{table.schema or dialect.default_schema_name}.{table.name}"


@contextlib.contextmanager
def lock_contacts(connection: sa.Connection, lock_ids: Sequence[int]) -> Iterator[None]:
    """Start a transaction and wait for those of other tasks with the same locks.

    :param lock_ids: numbers of 64 bits, in the order in which they are acquired.
    """
    dialect = connection.dialect.name
    if dialect == "sqlite":
        # A transaction that starts by reading cannot wait for another one to finish.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    prepare_session(connection)
    if dialect == "postgresql":
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT_SECONDS}s'")
        try:
            for lock_id in lock_ids:
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(lock_id)))
        except sa.exc.OperationalError as error:
            code = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None)
            if code == _LOCK_NOT_AVAILABLE:
                raise _lock_timeout() from None
            raise
    names = [f"contacts-{lock_id & (2**64 - 1):016x}" for lock_id in lock_ids] if dialect in _MYSQL else []
    for name in names:
        # A transaction sees what was committed before its first read of a table, so all locks come
        # first.
        if connection.scalar(sa.select(sa.func.get_lock(name, _LOCK_TIMEOUT_SECONDS))) != 1:
            raise _lock_timeout()
    yield
    # After an error, closing the connection releases them.
    for name in names:
        connection.execute(sa.select(sa.func.release_lock(name)))


def _lock_timeout() -> ContactsError:
    return ContactsError(
        f"Timed out after {_LOCK_TIMEOUT_SECONDS} s waiting for another task that writes the same contacts. "
        "Nothing was written. Retry later, or check for a hanging task or transaction.",
        transient=True,
    )
