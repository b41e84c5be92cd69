"""Parse arguments, which arrive as text if they come from a template."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from datetime import timedelta
from typing import NamedTuple, TypeGuard

from airflow_provider_contacts.conditions.times import parse_time_or_duration
from airflow_provider_contacts.errors import InvalidRequest

_SHORT_VALUE = re.compile(r"[a-z]{1,12}|-?[0-9]{1,4}", re.ASCII)


class TableLocation(NamedTuple):
    """A table, and the connection of its database.

    :param table: ``table`` or ``schema.table``.
    """

    sql_conn_id: str
    table: str

    def __str__(self) -> str:
        return f"{self.table!r} in {self.sql_conn_id!r}"


def is_empty_text(value: object) -> bool:
    """Return whether a rendered value is None, blank text, or the text ``None`` in any case."""
    return value is None or (isinstance(value, str) and value.strip().lower() in ("", "none"))


def is_empty_argument(value: object) -> bool:
    """Return whether a rendered value is empty text, or a list of that. False is not empty."""
    return is_empty_text(value) or (isinstance(value, list | tuple) and not any(value))


def parse_bool(name: str, value: object) -> bool:
    """Return a templated boolean; None, and text that is empty or ``None``, is False.

    :param name: the argument's name, for messages.
    :raises InvalidRequest: if it is neither true nor false.
    """
    if isinstance(value, str):
        value = {"true": True, "false": False, "none": False, "": False}.get(value.strip().lower(), value)
    if value is None or isinstance(value, bool):
        return bool(value)
    raise InvalidRequest(f"`{name}` must be true or false{_show(value)}.")


def parse_optional_int(name: str, value: object, *, minimum: int = 1) -> int | None:
    """Return a templated whole number; None, and text that is empty or ``None``, is None.

    :param name: the argument's name, for messages.
    :raises InvalidRequest: if it is not a whole number, or below ``minimum``.
    """
    if is_empty_text(value):
        return None
    if isinstance(value, str):
        value = value.strip()
        value = int(value) if value.isascii() and value.isdigit() else value
    if not is_int(value) or value < minimum:
        raise InvalidRequest(f"`{name}` must be a whole number of at least {minimum}{_show(value)}.")
    return value


def parse_int(name: str, value: object, *, minimum: int = 1) -> int:
    """Return a templated whole number.

    :param name: the argument's name, for messages.
    :raises InvalidRequest: if it is not a whole number, below ``minimum``, or empty.
    """
    number = parse_optional_int(name, value, minimum=minimum)
    if number is None:
        raise InvalidRequest(f"`{name}` must be a whole number of at least {minimum}, but it is empty.")
    return number


def parse_optional_text(name: str, value: object) -> str:
    """Return a templated text without spaces around it; None, and the text ``None``, is empty.

    :param name: the argument's name, for messages.
    :raises InvalidRequest: if it is something else.
    """
    if is_empty_text(value):
        return ""
    if not isinstance(value, str):
        raise InvalidRequest(f"`{name}` must be text.")
    return value.strip()


def parse_conn_id(name: str, value: object) -> str:
    """Return the id of a connection, or an empty string.

    :param name: the argument's name, for messages.
    :raises InvalidRequest: if it is something else.
    """
    conn_id = parse_optional_text(name, value)
    if "://" in conn_id:
        # It may contain a password, so it is not shown.
        raise InvalidRequest(f"`{name}` must be the id of a connection, not its address.")
    return conn_id


def parse_text(name: str, value: object) -> str:
    """Return a templated text without spaces around it.

    :param name: the argument's name, for messages.
    :raises InvalidRequest: if it is empty, or something else.
    """
    text = parse_optional_text(name, value)
    if not text:
        raise InvalidRequest(f"`{name}` is empty.")
    return text


def parse_optional_duration(name: str, value: object) -> timedelta | None:
    """Return a templated duration; None, and text that is empty or ``None``, is None.

    :param name: the argument's name, for messages.
    :raises InvalidRequest: if it is not a duration.
    """
    if is_empty_text(value):
        return None
    try:
        duration = parse_time_or_duration(value, name, "of")
    except ValueError:
        duration = None
    if not isinstance(duration, timedelta):
        raise InvalidRequest(f"`{name}` must be a duration such as 30m, 12h or 7d, or a timedelta.")
    return duration


def parse_table_name(value: object, argument: str = "table") -> tuple[str | None, str]:
    """Return the schema, or None, and the name of a table.

    :param value: ``table`` or ``schema.table``.
    :param argument: the argument's name, for messages.
    :raises InvalidRequest: if it is neither.
    """
    parts = [part.strip() for part in value.split(".")] if isinstance(value, str) else []
    if not 1 <= len(parts) <= 2 or not all(part and part.isprintable() for part in parts):
        raise InvalidRequest(f"`{argument}` must be `table` or `schema.table`.")
    *schema, table_name = parts
    return (schema[0] if schema else None), table_name


def parse_table(argument: str, value: object) -> str:
    """Return ``table`` or ``schema.table``.

    :param argument: the argument's name, for messages.
    :raises InvalidRequest: if it is something else.
    """
    return ".".join(filter(None, parse_table_name(value, argument)))


def parse_optional_table(argument: str, value: object) -> str:
    """Return ``table`` or ``schema.table``, or an empty string for None and empty text.

    :param argument: the argument's name, for messages.
    :raises InvalidRequest: if it is something else.
    """
    return parse_table(argument, text) if (text := parse_optional_text(argument, value)) else ""


def is_int(value: object) -> TypeGuard[int]:
    """Return whether a value is a whole number; True and False are not."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_encodable(text: str) -> bool:
    """Return whether text can be sent as UTF-8. Lone surrogates cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _show(value: object) -> str:
    """Return a short value for a message, and nothing for others, which may be personal data."""
    text = str(value) if isinstance(value, str | int | float) else ""
    return f", but it is {value!r}" if _SHORT_VALUE.fullmatch(text) else ""


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """Return a sentence such as " Did you mean `stage`?", or an empty string."""
    close = closest(str(name), known)
    return f" Did you mean `{close}`?" if close else ""


def list_names(names: Iterable[object]) -> str:
    """Return names of columns for a message, without those that may be values."""
    texts = sorted(map(str, names))
    shown = [text for text in texts if text.isidentifier() and text.isascii()]
    hidden = len(texts) - len(shown)
    return (", ".join(shown) or "none") + (f" and {hidden} with other names" if hidden else "")


def closest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is closest to a misspelled one, or None."""
    return next(iter(difflib.get_close_matches(name, sorted(known), n=1)), None)
