"""Errors, and how they travel from a trigger to a worker."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_contacts.errors import (
    AuthenticationError,
    ContactsError,
    QuotaExhausted,
    RateLimited,
    UnsupportedByVendor,
    deserialize_error,
    serialize_error,
    wrap_unexpected,
)


@pytest.mark.parametrize(
    "error",
    [
        ContactsError("a", transient=True),
        RateLimited("b", retry_after=5.5, transient=True),
        AuthenticationError("c"),
        QuotaExhausted("d"),
        UnsupportedByVendor("e", condition="opened"),
    ],
)
def test_error_round_trip(error: ContactsError) -> None:
    again = deserialize_error(json.loads(json.dumps(serialize_error(error))))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert (again.retry_after, again.transient) == (error.retry_after, error.transient)


@pytest.mark.parametrize(
    "change",
    [
        {"type": "Exception"}, {"type": None}, {"type": ["x"]}, {"message": 5}, {"retry_after": "soon"},
        {"retry_after": True}, {"transient": None}, {"more": 1},
    ],
)  # fmt: skip
def test_invalid_serialized_errors(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="not a serialized ContactsError"):
        deserialize_error({**serialize_error(AuthenticationError("x")), **change})
    with pytest.raises(ValueError, match="not a serialized ContactsError"):
        deserialize_error(None)


def test_unexpected_error_names_the_place_only() -> None:
    with pytest.raises(KeyError) as caught:
        {}["ada@secret.test"]
    said = str(wrap_unexpected(caught.value))
    assert said.startswith("Unexpected KeyError at tests.test_errors:")
    assert "secret" not in said
