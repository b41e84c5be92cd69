"""Translate database errors without their text, which repeats values of the contacts."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Any

from airflow_provider_contacts.databases import sa
from airflow_provider_contacts.errors import ContactsError, wrap_unexpected

__all__ = ["database_errors"]

# The reason to report, by SQLSTATE: https://www.postgresql.org/docs/current/errcodes-appendix.html
_REASONS_BY_SQLSTATE = {
    "22001": "a value is too long for its column",
    "22P02": "a value does not fit the type of its column",
    "25006": "the database is read-only",
    "28000": "the login was rejected",
    "28P01": "the login was rejected",
    "3D000": "the database does not exist",
    "3F000": "the schema does not exist",
    "40001": "another transaction changed the same rows",
    "40P01": "another transaction locked the same rows",
    "42501": "the user lacks a privilege",
    "42703": "a column does not exist",
    "42804": "a column has an incompatible type",
    "42P01": "the table does not exist",
    "53100": "the disk is full",
    "53300": "there are too many connections",
    "55P03": "another transaction holds a lock",
    "57014": "a statement was canceled or timed out",
}
# The same by the numbers of MySQL:
# https://dev.mysql.com/doc/mysql-errors/8.0/en/server-error-reference.html
_REASONS_BY_MYSQL_NUMBER = {
    1021: "the disk is full",
    1040: "there are too many connections",
    1044: "the user lacks a privilege",
    1045: "the login was rejected",
    1049: "the schema does not exist",
    1054: "a column does not exist",
    1142: "the user lacks a privilege",
    1143: "the user lacks a privilege",
    1146: "the table does not exist",
    1205: "another transaction holds a lock",
    1213: "another transaction locked the same rows",
    1227: "the user lacks a privilege",
    1290: "the database is read-only",
    1366: "a value does not fit the type of its column",
    1406: "a value is too long for its column",
    2003: "the server did not respond",
    2005: "the host name is unknown",
}
_REASONS_BY_SQLITE_NAME = {
    "SQLITE_BUSY": "another process holds a lock",
    "SQLITE_CANTOPEN": "the file cannot be opened; its folder must exist and be writable",
    "SQLITE_FULL": "the disk is full",
    "SQLITE_NOTADB": "the file is not a SQLite database",
    "SQLITE_READONLY": "the file is read-only",
}
# These messages of SQLite contain names only.
_SQLITE_MESSAGES = re.compile(r"(unknown database|no such table:|no such column:) [\w.]{1,100}")
# PostgreSQL's drivers report no SQLSTATE if they cannot connect.
_REASONS_BY_PHRASE = {
    "password authentication failed": "the login was rejected",
    "no password supplied": "the login was rejected",
    'role "': "the login was rejected",
    'database "': "the database does not exist",
    "too many clients": "there are too many connections",
    "could not translate host name": "the host name is unknown",
    "name or service not known": "the host name is unknown",
    "connection refused": "the server did not respond",
    "timeout expired": "the server did not respond",
}
# Codes of connections that were lost or timed out, conflicts, and lacking resources.
_TRANSIENT_SQLSTATES = ("08", "25P03", "40", "53", "55P03", "57")
# Another task has written the same contacts at the same moment.
_UNIQUE_VIOLATIONS = ("23505", "SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY", "1062")
_PERMANENT_REASONS = frozenset(
    {
        "a column does not exist",
        "a column has an incompatible type",
        "a value does not fit the type of its column",
        "a value is too long for its column",
        "the database does not exist",
        "the database is read-only",
        "the file is not a SQLite database",
        "the file is read-only",
        "the login was rejected",
        "the schema does not exist",
        "the user lacks a privilege",
    }
)


@contextlib.contextmanager
def database_errors(problem: str) -> Iterator[None]:
    """Raise a ContactsError with the database's reason for an error of SQLAlchemy or its driver.

    :param problem: how the message starts.
    """
    try:
        yield
    except (ValueError, OverflowError) as error:
        raise wrap_unexpected(error) from None
    except sa.exc.SQLAlchemyError as error:
        original = getattr(error, "orig", None)
        reason = _find_reason(original)
        code = _find_code(original)
        is_operational = isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError)
        transient = is_operational or code in _UNIQUE_VIOLATIONS or code.startswith(_TRANSIENT_SQLSTATES)
        answer = f"{type(original or error).__name__} {code}".rstrip()
        raise ContactsError(
            f"{problem}: The database returned {answer}{reason and f': {reason}'}.",
            transient=transient and reason not in _PERMANENT_REASONS,
        ) from None


def _find_code(original: Any) -> str:
    code = _sqlstate(original) or getattr(original, "sqlite_errorname", None) or _mysql_number(original)
    return str(code or "")


def _find_reason(original: Any) -> str:
    sqlite_name = getattr(original, "sqlite_errorname", None) or ""
    if message := _SQLITE_MESSAGES.fullmatch(str(original) if sqlite_name == "SQLITE_ERROR" else ""):
        return message[0]
    return (
        _REASONS_BY_SQLSTATE.get(_sqlstate(original))
        or _REASONS_BY_SQLITE_NAME.get("_".join(sqlite_name.split("_")[:2]))
        or _REASONS_BY_MYSQL_NUMBER.get(_mysql_number(original))
        or _find_phrase(original)
    )


def _find_phrase(original: Any) -> str:
    """Return the reason for an error without a code, which only failed connections have."""
    if _find_code(original) or type(original).__name__ != "OperationalError":
        return ""
    text = str(original).lower()
    return next((reason for phrase, reason in _REASONS_BY_PHRASE.items() if phrase in text), "")


def _sqlstate(original: Any) -> str:
    return getattr(original, "sqlstate", None) or getattr(original, "pgcode", None) or ""


def _mysql_number(original: Any) -> int:
    """Return the number that MySQL's drivers put before the text, or 0."""
    arguments = getattr(original, "args", None) or (0,)
    return arguments[0] if isinstance(arguments[0], int) else 0
