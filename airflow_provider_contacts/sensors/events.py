"""The event that ends a deferred wait."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from airflow_provider_contacts.contact import Reference
from airflow_provider_contacts.core.waiting import parse_references
from airflow_provider_contacts.errors import ContactsError, deserialize_error


@dataclass(frozen=True, slots=True, repr=False)
class Success:
    """Enough contacts match.

    :param contacts: references of the contacts that match, at most as many as the sensor returns.
    :param count: how many contacts match.
    """

    contacts: list[Reference]
    count: int


@dataclass(frozen=True, slots=True, repr=False)
class Timeout:
    """The wait has timed out; ``message`` says what was missing."""

    message: str


@dataclass(frozen=True, slots=True, repr=False)
class Failure:
    """An error has ended the wait."""

    error: ContactsError


def parse_event(event: object) -> Success | Timeout | Failure:
    """Return what an event of ``ContactTrigger`` reports.

    :raises ContactsError: if it does not come from this version of the package.
    """
    fields: Mapping[str, object] = event if isinstance(event, Mapping) else {}
    status = fields.get("status")
    try:
        if status == "success":
            count = msgspec.convert(fields["count"], int)
            return Success(parse_references(fields["contacts"]), count)
        if status == "timeout":
            return Timeout(msgspec.convert(fields["message"], str))
        if status == "error":
            return Failure(deserialize_error(fields["error"]))
    except (KeyError, ValueError, msgspec.ValidationError):
        pass
    raise ContactsError(
        "The triggerer sent an event that this version does not know, so the wait has failed. Clear the "
        "task to wait again, and install the same version of this package everywhere."
    )
