"""State and pace of a wait."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_contacts.contact import Reference
from airflow_provider_contacts.core.waiting import Matches, Pace, WaitState, parse_references
from airflow_provider_contacts.errors import AuthenticationError, RateLimited, VendorUnavailable


def reference(account_id: str, contact_id: str) -> Reference:
    return {"vendor": "v", "account_id": account_id, "contact_id": contact_id}


identities = st.tuples(st.sampled_from(["", "a", "b"]), st.sampled_from("123456"))
references = st.lists(
    st.tuples(st.sampled_from("ab"), st.sampled_from("123456")), unique=True, max_size=12
).map(lambda pairs: [reference(*pair) for pair in pairs])


@given(references, st.lists(identities, unique=True, min_size=1, max_size=8), st.integers(1, 8))
def test_wait_ends_when_enough_contacts_match(
    matching: list[Reference], contacts: list[tuple[str, str]], min_count: int
) -> None:
    state = WaitState(contacts, min_count, max_consecutive_failures=0)
    found = state.observe(Matches(matching))

    def matches(identity: tuple[str, str]) -> bool:
        account, contact = identity
        return any(one["contact_id"] == contact and account in ("", one["account_id"]) for one in matching)

    expected = [identity for identity in contacts if matches(identity)]
    assert state.matching == len(expected)
    assert list(state.missing) == [identity for identity in contacts if identity not in expected]
    assert (found is not None) == (len(expected) >= min_count)
    for one in found or []:
        assert one in matching
    assert len(found or []) == len({(one["account_id"], one["contact_id"]) for one in found or []})


@given(references, st.integers(1, 8))
def test_wait_for_any_contact(matching: list[Reference], min_count: int) -> None:
    found = WaitState(None, min_count, 0).observe(Matches(matching))
    assert found == (matching if len(matching) >= min_count else None)


def test_success_resets_the_failures() -> None:
    state = WaitState(None, 1, max_consecutive_failures=1)
    down = VendorUnavailable("down", transient=True)
    assert not state.record_failure(down)
    assert state.observe(Matches()) is None
    assert not state.record_failure(down)
    assert state.record_failure(down)


def test_permanent_error_ends_a_wait_immediately() -> None:
    assert WaitState(None, 1, max_consecutive_failures=9).record_failure(AuthenticationError("rejected"))


def test_message_names_at_most_20_contacts() -> None:
    state = WaitState([("a", str(number)) for number in range(25)], 1, 0)
    assert "a/19 and 5 more" in str(state)
    assert "a/20" not in str(state)
    assert "vendor: none" in str(WaitState([], 1, 0))


def test_pauses_after_failures() -> None:
    pace = Pace(10.0, first=0.0)
    error = RateLimited("slow down", retry_after=77.0)
    assert pace.pause_after(1, 1, error) == 77.0
    assert 9 < pace.pause_after(1, 1, None) < 11
    assert 36 < pace.pause_after(3, 3, None) < 44
    assert pace.pause_after(50, 50, None) < 1000
    assert pace.pause_after(1, 1, RateLimited("slow down", retry_after=1e18)) <= 86_400
    assert Pace(3600.0, first=0.0).pause_after(50, 50, None) > 3000


@given(
    polls=st.integers(1, 10_000),
    failures=st.integers(0, 10_000),
    interval=st.floats(0.001, 86_400),
    exponential=st.booleans(),
    retry_after=st.none() | st.floats(0, 1e12),
)
def test_a_pause_is_never_shorter_than_the_interval_or_endless(
    polls: int, failures: int, interval: float, exponential: bool, retry_after: float | None
) -> None:
    pace = Pace(interval, first=0.0, exponential=exponential, max_pause=interval * 3)
    error = None if retry_after is None else RateLimited("slow down", retry_after=retry_after)
    pause = pace.pause_after(polls, failures, error)
    assert pause >= interval * 0.94
    assert pause <= max(900.0, interval * 3, 86_400.0, 3.0) * 1.06


def test_the_last_poll_is_at_the_end_time() -> None:
    import time

    pace = Pace(3600.0, first=0.0, end_time=time.time() + 10)
    assert 9 < pace.pause_after(1, 0, None) < 10.1
    assert Pace(5.0, first=0.0, end_time=time.time() - 10).pause_after(1, 0, None) < 6


@pytest.mark.parametrize(
    "value",
    [None, [], {}, "text", [5], [{"vendor": "v"}], [{"vendor": 1, "account_id": "", "contact_id": ""}]],
)
def test_parse_references_rejects_anything_else(value: Any) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - each library says it in its own words
        parse_references(value)


def test_parse_references() -> None:
    assert parse_references([reference("a", "1")]) == [reference("a", "1")]
