"""Arguments that may come from a template, and so as text."""

from __future__ import annotations

from airflow_provider_contacts.errors import InvalidRequest


def flag(name: str, value: bool | str | None) -> bool:
    """Return a templated boolean; None, and text that is empty or ``None``, is False.

    :raises InvalidRequest: for anything that is neither true nor false.
    """
    if isinstance(value, str):
        text = value.strip().lower()
        value = {"true": True, "false": False, "none": False, "": False}.get(text, value)
    if value is None or isinstance(value, bool):
        return bool(value)
    raise InvalidRequest(f"`{name}` must be true or false, and is neither")


def whole_number(name: str, value: int | str | None) -> int | None:
    """Return a templated whole number; None, and text that is empty or ``None``, is None.

    :raises InvalidRequest: for anything else, and for a number below 1.
    """
    if isinstance(value, str):
        value = value.strip()
        if value in ("", "None"):
            return None
        value = int(value) if value.isascii() and value.isdigit() else value
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InvalidRequest(f"`{name}` must be a whole number of at least 1, and is not")
    return value
