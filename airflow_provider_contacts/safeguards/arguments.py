"""Parse the arguments of operators about approvals, suppressions and the audit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from airflow_provider_contacts.core.validation import parse_optional_text
from airflow_provider_contacts.databases.tables import parse_table_location
from airflow_provider_contacts.errors import InvalidRequest


def parse_threshold(value: object) -> int | None:
    """Return how many contacts may change without approval, or None if approval is never required.

    :param value: a templated boolean, or a number of contacts.
    :raises InvalidRequest: if it is something else.
    """
    if isinstance(value, str):
        text = value.strip().lower()
        value = {"true": True, "false": False, "none": None, "": None}.get(text, text)
        if isinstance(value, str) and value.isascii() and value.isdigit():
            value = int(value)
    if value is None or value is False:
        return None
    if value is True:
        return 0
    if isinstance(value, int) and value >= 0:
        return value
    raise InvalidRequest("`require_approval` must be true, false, or a number of contacts.")


def parse_approvers(value: object) -> list[dict[str, str]]:
    """Return users as Airflow wants them.

    :param value: an id, or ``{"id", "name"}``, or several.
    :raises InvalidRequest: if it is something else.
    """
    if value is None or (isinstance(value, str) and value.strip() in ("", "None")):
        return []
    items = [value] if isinstance(value, str | Mapping) else value
    if not isinstance(items, Sequence):
        raise InvalidRequest("`approvers` must be a list of user ids.")
    users = []
    for item in items:
        user = (
            {"id": item, "name": item}
            if isinstance(item, str)
            else dict(item)
            if isinstance(item, Mapping)
            else {}
        )
        user.setdefault("name", user.get("id", ""))
        if user.keys() != {"id", "name"} or not all(
            isinstance(part, str) and part.strip() for part in user.values()
        ):
            raise InvalidRequest(
                '`approvers` must be a list of user ids, or of mappings with "id" and "name".'
            )
        users.append(user)
    return users


def parse_optional_location(argument: str, value: object) -> str:
    """Return ``<conn_id>.<table>``, or an empty string for None and empty text.

    :param argument: the argument's name, for messages.
    :raises InvalidRequest: if it is something else.
    """
    text = parse_optional_text(argument, value)
    if text:
        parse_table_location(text, argument)
    return text
