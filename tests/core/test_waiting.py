"""State and pace of a wait."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_contacts.contact import Reference
from airflow_provider_contacts.core.waiting import Matches, PollPace, WaitState, parse_references
from airflow_provider_contacts.errors import AuthenticationError, VendorUnavailable


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
    found = state.observe(Matches(matching), 1000)

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
    state = WaitState(None, min_count, 0)
    assert state.observe(Matches(matching), 1000) == (matching if len(matching) >= min_count else None)
    bounded = state.observe(Matches(matching), 3)
    assert bounded == (matching[:3] if len(matching) >= min_count else None)
    assert state.matching == len(matching)


def test_success_resets_the_failures() -> None:
    state = WaitState(None, 1, max_consecutive_failures=1)
    down = VendorUnavailable("down", transient=True)
    assert not state.record_failure(down)
    assert state.observe(Matches(), 1000) is None
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
    pace = PollPace(10.0)
    assert 9 < pace.pause_after(1, 1) < 11
    assert 18 < pace.pause_after(2, 2) < 22
    assert 36 < pace.pause_after(3, 3) < 44
    assert pace.pause_after(50, 50) < 1000
    assert PollPace(3600.0).pause_after(50, 50) > 3000


@given(
    polls=st.integers(1, 10_000),
    failures=st.integers(0, 10_000),
    interval=st.floats(0.001, 86_400),
    exponential=st.booleans(),
)
def test_a_pause_is_never_shorter_than_the_interval_or_endless(
    polls: int, failures: int, interval: float, exponential: bool
) -> None:
    pause = PollPace(interval, exponential=exponential, max_pause=interval * 3).pause_after(polls, failures)
    assert pause >= interval * 0.94
    assert pause <= max(900.0, interval * 3, 3.0) * 1.06


@pytest.mark.parametrize(
    "value",
    [None, [], {}, "text", [5], [{"vendor": "v"}], [{"vendor": 1, "account_id": "", "contact_id": ""}]],
)
def test_parse_references_rejects_anything_else(value: Any) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - each library says it in its own words
        parse_references(value)


def test_parse_references() -> None:
    assert parse_references([reference("a", "1")]) == [reference("a", "1")]


def test_progress_is_reported_when_it_changes() -> None:
    state = WaitState([("", "1"), ("", "2")], 2, 0)
    one = Matches([{"vendor": "tether", "account_id": "a", "contact_id": "1"}])
    shown = []
    for matches in (Matches(), Matches(), one, one, Matches()):
        assert state.observe(matches, 10) is None
        shown.append(state.changed_progress())
    assert shown == [
        "0 of 2 contacts match, 2 required; no match yet, or not reported by the vendor: 1, 2",
        "",
        "1 of 2 contacts match, 2 required; no match yet, or not reported by the vendor: 2",
        "",
        "0 of 2 contacts match, 2 required; no match yet, or not reported by the vendor: 1, 2",
    ]
