"""The arguments of ``StopOutreachOperator``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from airflow_provider_contacts.core.validation import (
    is_empty_argument,
    parse_bool,
    parse_optional_duration,
    parse_table,
)
from airflow_provider_contacts.errors import InvalidRequest
from airflow_provider_contacts.operators.arguments import argument
from airflow_provider_contacts.operators.stopping.actions import StopAction, parse_actions
from airflow_provider_contacts.operators.stopping.causes import CauseKind, parse_cause
from airflow_provider_contacts.operators.updating.arguments import WriteOptions


def _parse_preview(name: str, value: object) -> bool:
    return is_empty_argument(value) or parse_bool(name, value)


def _parse_on_unmatched(name: str, value: object) -> Literal["fail", "report"]:
    if value == "fail" or value == "report":
        return value
    raise InvalidRequest(f"`{name}` must be `fail` or `report`.")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class StopOptions(WriteOptions):
    """The arguments of ``StopOutreachOperator`` after templates are rendered."""

    actions: Mapping[str, StopAction] = argument(parse_actions)
    people_table: str = argument(parse_table, "contact_people", is_safeguard=True)
    contacts_table: str = argument(parse_table, "contacts", is_safeguard=True)
    max_age: timedelta | None = argument(parse_optional_duration, "1d", is_safeguard=True)
    cause: CauseKind | None = argument(parse_cause, None)
    on_unmatched: Literal["fail", "report"] = argument(_parse_on_unmatched, "fail")
    preview: bool = argument(_parse_preview, True, is_safeguard=True)
