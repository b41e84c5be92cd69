"""The arguments of sensors."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_contacts.core.updates.targets import parse_targets
from airflow_provider_contacts.core.validation import parse_int, parse_optional_int
from airflow_provider_contacts.core.waiting import WaitState
from airflow_provider_contacts.errors import InvalidRequest
from airflow_provider_contacts.operators.arguments import argument

if TYPE_CHECKING:
    from airflow_provider_contacts.core.vendor import Vendor


def _parse_failures(name: str, value: object) -> int:
    return parse_int(name, value, minimum=0)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class WaitOptions:
    """The arguments of sensors about the end of a wait, after templates are rendered."""

    min_count: int | None = argument(parse_optional_int, None)
    max_contacts: int = argument(parse_int, 1000)
    max_consecutive_failures: int = argument(_parse_failures, 3)

    def parse_wait(self, contact_ids: object, filters: object, vendor: Vendor) -> WaitState:
        """Check what a wait is about, and return its state at the start.

        :param contact_ids: the contacts to wait for, or None for any.
        :raises InvalidRequest: if an argument is invalid.
        """
        contacts = None
        if contact_ids is not None:
            targets, _ = parse_targets(contact_ids, vendor, "contact_ids")
            contacts = [target.key for target in targets]
        min_count = self.min_count
        if min_count is None:
            min_count = 1 if contacts is None else len(contacts)
        if contacts and len(contacts) > self.max_contacts:
            raise InvalidRequest(
                f"There are {len(contacts)} `contact_ids`, but only {self.max_contacts} references can be "
                "returned. Raise `max_contacts`."
            )
        if contacts and min_count > len(contacts):
            raise InvalidRequest(
                f"`min_count` is {min_count}, but there are only {len(contacts)} `contact_ids`."
            )
        try:
            json.dumps(filters, allow_nan=False)
        except (TypeError, ValueError, RecursionError):
            raise InvalidRequest("`filters` must be JSON: text, numbers, lists and mappings.") from None
        return WaitState(contacts, min_count, self.max_consecutive_failures)
