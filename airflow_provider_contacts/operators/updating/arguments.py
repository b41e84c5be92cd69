"""The arguments of operators that write to vendors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from airflow_provider_contacts.core.validation import (
    TableLocation,
    is_empty_text,
    parse_bool,
    parse_conn_id,
    parse_int,
    parse_optional_duration,
    parse_optional_table,
)
from airflow_provider_contacts.errors import InvalidRequest
from airflow_provider_contacts.operators.arguments import argument
from airflow_provider_contacts.safeguards.configuration import (
    Safeguards,
    UncheckedPolicy,
    find_secret_conn_id,
    locate_table,
    require_table_for_secret,
)


def parse_on_failure(name: str, value: object) -> Literal["fail", "continue"]:
    """Return what to do about contacts that fail.

    :raises InvalidRequest: if it is neither ``fail`` nor ``continue``.
    """
    if value == "fail" or value == "continue":
        return value
    raise InvalidRequest(f"`{name}` must be `fail` or `continue`.")


def parse_unchecked(name: str, value: object) -> UncheckedPolicy | None:
    """Return what to do with contacts that cannot be checked, or None for the default.

    :raises InvalidRequest: if it is neither ``fail``, ``skip`` nor ``allow``.
    """
    if is_empty_text(value):
        return None
    if value == "fail" or value == "skip" or value == "allow":
        return value
    raise InvalidRequest(f"`{name}` must be `fail`, `skip` or `allow`.")


def parse_threshold(name: str, value: object) -> int | None:
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
    raise InvalidRequest(f"`{name}` must be true, false, or a number of contacts.")


def parse_approvers(name: str, value: object) -> list[dict[str, str]]:
    """Return users as Airflow wants them.

    :param value: an id, or ``{"id", "name"}``, or several.
    :raises InvalidRequest: if it is something else.
    """
    if is_empty_text(value):
        return []
    items = [value] if isinstance(value, str | Mapping) else value
    if not isinstance(items, Sequence):
        raise InvalidRequest(f"`{name}` must be a list of user ids.")
    return [_parse_approver(name, item) for item in items]


def _parse_approver(name: str, item: object) -> dict[str, str]:
    user = {"id": item} if isinstance(item, str) else item
    if isinstance(user, Mapping):
        user = {"name": user.get("id"), **user}
        if user.keys() == {"id", "name"} and all(
            isinstance(part, str) and part.strip() for part in user.values()
        ):
            return user
    raise InvalidRequest(f'`{name}` must be a list of user ids, or of mappings with "id" and "name".')


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class WriteOptions:
    """The arguments of operators that write to vendors, after templates are rendered.

    :param require_approval: how many contacts may change without approval, or None if it is never
        required.
    """

    preview: bool = argument(parse_bool, False, is_safeguard=True)
    max_updates: int = argument(parse_int, 1000)
    on_failure: Literal["fail", "continue"] = argument(parse_on_failure, "fail")
    require_approval: int | None = argument(parse_threshold, False, is_safeguard=True)
    approvers: list[dict[str, str]] = argument(parse_approvers, (), is_safeguard=True)
    approval_timeout: timedelta | None = argument(parse_optional_duration, None)
    sql_conn_id: str = argument(parse_conn_id, None, is_safeguard=True)
    suppressions_table: str = argument(parse_optional_table, None, is_safeguard=True)
    secret_conn_id: str = argument(parse_conn_id, None, is_safeguard=True)
    contacts_table: str = argument(parse_optional_table, None, is_safeguard=True)
    people_table: str = argument(parse_optional_table, None, is_safeguard=True)
    unchecked: UncheckedPolicy | None = argument(parse_unchecked, None)
    fresh_check: bool = argument(parse_bool, True, is_safeguard=True)
    leave_opt_out: bool = argument(parse_bool, False)
    audit_table: str = argument(parse_optional_table, None, is_safeguard=True)

    def check_count(self, count: int) -> None:
        """Check how many contacts would change.

        :raises InvalidRequest: if they are too many.
        """
        if count > self.max_updates:
            raise InvalidRequest(
                f"{count} contacts would be updated, more than max_updates ({self.max_updates}). Nothing "
                "was written. Raise max_updates if this is intended."
            )

    def locate(self, name: str) -> TableLocation | None:
        """Return the table that an argument names, or None if it names none.

        :raises InvalidRequest: if its database is unknown.
        """
        table = getattr(self, name)
        return locate_table(name, table, self.sql_conn_id) if table else None

    def find_safeguards(self) -> Safeguards:
        """Return the tables of this task and of Airflow's configuration.

        :raises InvalidRequest: if a table's database is unknown.
        """
        suppressions = self.locate("suppressions_table")
        require_table_for_secret(self.secret_conn_id, suppressions)
        return Safeguards.create(
            suppressions,
            find_secret_conn_id(self.secret_conn_id),
            self.locate("contacts_table"),
            self.locate("people_table"),
            self.locate("audit_table"),
        )
