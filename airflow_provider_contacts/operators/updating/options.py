"""The options of operators that update contacts, checked when the DAG is parsed and again when the task runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from airflow_provider_contacts.core.validation import (
    parse_bool,
    parse_int,
    parse_optional_duration,
    parse_optional_text,
)
from airflow_provider_contacts.errors import InvalidRequest
from airflow_provider_contacts.safeguards.arguments import (
    parse_approvers,
    parse_optional_location,
    parse_threshold,
)
from airflow_provider_contacts.safeguards.configuration import DEFAULT_SECRET_CONN_ID

if TYPE_CHECKING:
    from airflow_provider_contacts.operators.updating.base_write import BaseWriteOperator


@dataclass(frozen=True, slots=True, repr=False)
class UpdateOptions:
    """The arguments after templates are rendered."""

    preview: bool
    max_updates: int
    on_failure: str
    threshold: int | None
    approvers: list[dict[str, str]]
    approval_timeout: timedelta | None
    suppressions: str
    secret_conn_id: str
    audit: str

    def check_count(self, count: int) -> None:
        """Check how many contacts would change.

        :raises InvalidRequest: if they are too many.
        """
        if count > self.max_updates:
            raise InvalidRequest(
                f"{count} contacts would be updated, more than max_updates ({self.max_updates}). Nothing was written. Raise max_updates "
                "if this is intended."
            )


def is_nothing(value: object) -> bool:
    """Return whether a rendered value says nothing. False is a value."""
    text = value.strip() if isinstance(value, str) else value
    return text is None or text in ("", "None") or (isinstance(text, list | tuple) and not any(text))


def parse_on_failure(value: object) -> str:
    """Return what to do about contacts that fail: ``fail`` or ``continue``.

    :raises InvalidRequest: if it is something else.
    """
    if value not in ("fail", "continue"):
        raise InvalidRequest("`on_failure` must be `fail` or `continue`.")
    return str(value)


# By argument.
CHECKS: dict[str, Callable[[object], object]] = {
    "preview": partial(parse_bool, "preview"),
    "max_updates": partial(parse_int, "max_updates"),
    "on_failure": parse_on_failure,
    "require_approval": parse_threshold,
    "approvers": parse_approvers,
    "approval_timeout": partial(parse_optional_duration, "approval_timeout"),
    "suppressions": partial(parse_optional_location, "suppressions"),
    "audit": partial(parse_optional_location, "audit"),
}


def parse_options(operator: BaseWriteOperator) -> UpdateOptions:
    """Return the options of an operator whose templates are rendered.

    :raises InvalidRequest: if one is invalid, or a safeguard that was set has become empty.
    """
    for name in operator.required_arguments:
        if is_nothing(getattr(operator, name)):
            raise InvalidRequest(
                f"`{name}` is set on the operator but has become empty, so nothing was written. Check its template. To switch it off, "
                "leave the argument out."
            )
    return UpdateOptions(
        preview=parse_bool("preview", operator.preview),
        max_updates=parse_int("max_updates", operator.max_updates),
        on_failure=parse_on_failure(operator.on_failure),
        threshold=parse_threshold(operator.require_approval),
        approvers=parse_approvers(operator.approvers),
        approval_timeout=parse_optional_duration("approval_timeout", operator.approval_timeout),
        suppressions=parse_optional_text("suppressions", operator.suppressions),
        secret_conn_id=parse_optional_text("secret_conn_id", operator.secret_conn_id)
        or DEFAULT_SECRET_CONN_ID,
        audit=parse_optional_text("audit", operator.audit),
    )
