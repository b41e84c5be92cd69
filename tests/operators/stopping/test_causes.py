"""Why outreach is stopped."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from airflow_provider_contacts.errors import InvalidRequest
from airflow_provider_contacts.hooks.mailstand import MAILSTAND
from airflow_provider_contacts.hooks.tether import TETHER
from airflow_provider_contacts.operators.stopping.causes import (
    Cause,
    combine_causes,
    find_cause,
    is_news,
    parse_cause,
    read_cause,
)
from airflow_provider_contacts.people.lookup import Stop

MARCH = datetime(2026, 3, 1, tzinfo=timezone.utc)
APRIL = datetime(2026, 4, 1, tzinfo=timezone.utc)


def test_arguments() -> None:
    assert parse_cause("cause", None) is None
    assert parse_cause("cause", "") is None
    assert parse_cause("cause", "opt_out") == "opt_out"
    with pytest.raises(InvalidRequest, match="`cause` must be one of manual, reply, opt_out"):
        parse_cause("cause", "unsubscribed")


def test_items() -> None:
    assert read_cause({"contact_id": "1"}, "Item 1") is None
    assert read_cause({"cause": "reply"}, "Item 1") == Cause("reply")
    assert read_cause({"cause": "reply", "caused_at": "2026-03-01"}, "Item 1") == Cause("reply", MARCH)
    for caused_at in ("7d", "soon", 5):
        with pytest.raises(InvalidRequest, match="Item 3: `caused_at` must be a time"):
            read_cause({"cause": "reply", "caused_at": caused_at}, "Item 3")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, None),
        ({"stage": "Replied"}, None),
        ({"replied": False, "replied_at": None}, None),
        ({"replied": True}, Cause("reply")),
        ({"replied_at": "2026-03-01T00:00:00Z"}, Cause("reply", MARCH)),
        ({"replied_at": MARCH, "unsubscribed_at": APRIL}, Cause("opt_out", APRIL)),
        ({"stage": "do not contact"}, Cause("opt_out")),
        # A database without zones.
        ({"unsubscribed_at": datetime(2026, 3, 1)}, Cause("opt_out", MARCH)),
        ({"unsubscribed_at": "2 days ago"}, Cause("opt_out")),
    ],
)
def test_records(fields: dict[str, Any], expected: Cause | None) -> None:
    assert find_cause(fields, MAILSTAND) == expected


def test_stages_of_other_vendors_are_no_opt_out() -> None:
    assert find_cause({"stage": "Do Not Contact"}, TETHER) is None


def test_the_strongest_cause_counts() -> None:
    assert combine_causes([]) == combine_causes([None]) == Cause("manual")
    # With the latest time: a reply after the opt-out is news once.
    assert combine_causes([Cause("reply", APRIL), Cause("opt_out", MARCH), None]) == Cause("opt_out", APRIL)
    assert combine_causes([Cause("reply"), Cause("reply", MARCH), Cause("reply", APRIL)]) == Cause(
        "reply", APRIL
    )


def test_news() -> None:
    def stop(cause: str | None, caused_at: datetime | None = MARCH) -> Stop:
        return Stop("digest", False, APRIL, "dag", cause, caused_at)

    assert is_news(Cause("opt_out"), stop("reply"))
    assert is_news(Cause("opt_out"), stop(None))
    assert not is_news(Cause("opt_out"), stop("opt_out"))
    assert is_news(Cause("reply", APRIL), stop("reply"))
    assert not is_news(Cause("reply", MARCH), stop("reply"))
    # Without the time of its cause, a stop counts from when it was made.
    assert not is_news(Cause("reply", APRIL), stop("reply", None))
    assert not is_news(Cause("manual"), stop("reply"))
