"""Contacts that a query or a file names, for the argument ``contacts`` of operators."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import ClassVar
from uuid import UUID

from airflow_provider_contacts.contact import parse_lists
from airflow_provider_contacts.errors import ContactsError, InvalidRequest

__all__ = ["ContactSource", "FileContacts", "SqlContacts"]

_ROWS_PER_FETCH = 1000


class ContactSource:
    """Rows that name contacts. A row has the fields of a contact, as far as the source has them."""

    template_fields: ClassVar[Sequence[str]] = ()

    def read_rows(self) -> Iterator[Mapping[str, object]]:
        """Yield the rows, with lists as lists and column names in lower case.

        :raises ContactsError: if the source cannot be read.
        """
        raise NotImplementedError


class SqlContacts(ContactSource):
    """The rows of a SQL query.

    ::

        SqlContacts("warehouse", "SELECT contact_id FROM contacts WHERE vendor = 'tether'")

    The update operators need the column ``contact_id``. With ``vendor``, ``account_id`` and the
    contact's other fields, they check more: whether a contact is up to date already, and whether it
    is suppressed.

    :param sql_conn_id: connection of a database whose hook is a ``DbApiHook``. Templated.
    :param sql: a query. It runs in a transaction that is not committed. Templated.
    """

    template_fields: ClassVar[Sequence[str]] = ("sql_conn_id", "sql")

    def __init__(self, sql_conn_id: str, sql: str) -> None:
        self.sql_conn_id = sql_conn_id
        self.sql = sql

    def __repr__(self) -> str:
        # The query may contain personal data.
        return f"SqlContacts({self.sql_conn_id!r}, …)"

    def read_rows(self) -> Iterator[Mapping[str, object]]:
        """Yield the rows of the query."""
        from airflow_provider_contacts.databases.connecting import connect
        from airflow_provider_contacts.databases.errors import database_errors

        problem = f"The query of connection {self.sql_conn_id!r} failed"
        with connect(self.sql_conn_id) as engine, database_errors(problem), engine.connect() as connection:
            # The query has no parameters, so a percent sign means itself.
            options = {"no_parameters": True, "stream_results": True}
            result = connection.execution_options(**options).exec_driver_sql(self.sql)
            if not result.returns_rows:
                raise InvalidRequest(
                    f"The query of connection {self.sql_conn_id!r} returns no rows. Use a SELECT."
                )
            names = [str(name).lower() for name in result.keys()]  # noqa: SIM118 - not a mapping
            if len(set(names)) < len(names):
                raise InvalidRequest(
                    f"The query of connection {self.sql_conn_id!r} returns several columns with the same "
                    "name. Give them other names."
                )
            while rows := result.fetchmany(_ROWS_PER_FETCH):
                for row in rows:
                    yield parse_lists(dict(zip(names, map(_to_plain, row), strict=True)))


class FileContacts(ContactSource):
    """The rows of a CSV file with a header, or of a file with a JSON object on each line.

    :param path: a path or URL that ends in ``.csv`` or ``.jsonl``; see Airflow's
        ``ObjectStoragePath``. Templated.
    """

    template_fields: ClassVar[Sequence[str]] = ("path",)

    def __init__(self, path: str) -> None:
        self.path = path

    def __repr__(self) -> str:
        return f"FileContacts({self.path.rpartition('/')[2]!r})"

    def read_rows(self) -> Iterator[Mapping[str, object]]:
        """Yield the rows of the file."""
        from airflow.sdk import ObjectStoragePath

        path = self.path if "://" in self.path else f"file://{self.path}"
        if not path.endswith((".csv", ".jsonl")):
            raise InvalidRequest("The path of FileContacts must end in .csv or .jsonl.")
        try:
            with ObjectStoragePath(path).open("rb") as file:
                # A byte order mark, as spreadsheets write it, is not part of the first name.
                lines = io.TextIOWrapper(file, "utf-8-sig", newline="")
                rows = _csv_rows(lines, self) if path.endswith(".csv") else _json_rows(lines)
                for number, row in enumerate(rows, start=1):
                    yield parse_lists(_check_row(row, f"Row {number} of {self}"))
        except OSError as error:
            raise ContactsError(
                f"{self} cannot be read ({type(error).__name__}). Check its path.",
                transient=not isinstance(error, FileNotFoundError | PermissionError),
            ) from None
        except UnicodeDecodeError:
            raise InvalidRequest(f"{self} is not UTF-8. Save the file as UTF-8.") from None
        except csv.Error:
            raise InvalidRequest(f"{self} is not valid CSV. Check its quotes.") from None


def read_items(contacts: object) -> Iterable[object]:
    """Return the items of an argument that takes contacts or references, or a source of them.

    :raises InvalidRequest: if it is something else.
    """
    if isinstance(contacts, ContactSource):
        return contacts.read_rows()
    if isinstance(contacts, str):
        raise InvalidRequest(
            "`contacts` is text. Pass `task.output`, or set render_template_as_native_obj=True on the DAG."
        )
    if isinstance(contacts, Mapping):
        return [contacts]
    if not isinstance(contacts, Iterable):
        raise InvalidRequest("`contacts` must be a list of contacts or references.")
    return contacts


def _csv_rows(lines: io.TextIOWrapper, source: ContactSource) -> Iterator[object]:
    reader = csv.reader(lines, strict=True)
    names = [name.strip().lower() for name in next(reader, [])]
    if len(set(names)) < len(names):
        raise InvalidRequest(f"{source} has several columns with the same name. Give them other names.")
    for number, values in enumerate(reader, start=1):
        if not values:
            continue  # an empty line
        if len(values) != len(names):
            raise InvalidRequest(
                f"Row {number} of {source} has {len(values)} values, but the header has {len(names)}. Quote "
                "values that contain commas."
            )
        # A CSV file has no other way to leave a field out.
        yield {name: value or None for name, value in zip(names, values, strict=True)}


def _json_rows(lines: io.TextIOWrapper) -> Iterator[object]:
    for line in lines:
        try:
            yield json.loads(line)
        except (ValueError, RecursionError):
            yield None


def _check_row(row: object, where: str) -> dict[str, object]:
    if not isinstance(row, dict):
        raise InvalidRequest(f"{where} is not a JSON object.")
    found = {str(name).strip().lower(): value for name, value in row.items()}
    if len(found) < len(row):
        raise InvalidRequest(f"{where} has several fields with the same name. Give them other names.")
    return found


def _to_plain(value: object) -> object:
    """Return an id that a database returns in a type of its own as text or a whole number."""
    if isinstance(value, UUID):
        return str(value)
    is_whole = isinstance(value, Decimal) and value.is_finite() and value == value.to_integral_value()
    return int(value) if is_whole else value  # type: ignore[call-overload]
