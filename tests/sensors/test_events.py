"""The event that ends a deferred wait; test_contacts covers whole waits."""

from __future__ import annotations

import pytest
from hypothesis import given

from airflow_provider_contacts.contact import Reference
from airflow_provider_contacts.errors import ContactsError, RateLimited, serialize_error
from airflow_provider_contacts.sensors.events import Failure, Success, Timeout, parse_event
from tests.strategies import anything

REFERENCE: Reference = {"vendor": "v", "account_id": "a", "contact_id": "1"}


def test_events_of_this_version() -> None:
    assert parse_event({"status": "success", "contacts": [REFERENCE], "count": 5}) == Success([REFERENCE], 5)
    assert parse_event({"status": "timeout", "message": "0 of 1"}) == Timeout("0 of 1")
    found = parse_event({"status": "error", "error": serialize_error(RateLimited("slow", retry_after=3.0))})
    assert isinstance(found, Failure)
    assert isinstance(found.error, RateLimited)
    assert found.error.retry_after == 3.0


@given(anything)
def test_anything_else_is_an_error(event: object) -> None:
    with pytest.raises(ContactsError, match="does not know"):
        parse_event(event)
