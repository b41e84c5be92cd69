"""What the members of a shared poll ask, and when the next poll is due."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_contacts.conditions import HasPhone, Tagged
from airflow_provider_contacts.triggers.groups import (
    PollGroup,
    Question,
    compute_fingerprint,
    compute_next_due_time,
    open_shared_group,
)
from tests.strategies import anything

VIP = Question.create(None, Tagged("VIP").to_dict())
TAGGED = Tagged("VIP").to_dict()
PHONE = Question.create({"tag": "x"}, HasPhone().to_dict())


def test_equal_questions_are_one() -> None:
    group = PollGroup()
    with group.join(VIP, []), group.join(Question.create({}, Tagged("VIP").to_dict()), []):
        assert group.questions == [VIP]
        with group.join(PHONE, []):
            assert group.questions == [VIP, PHONE]
        assert group.questions == [VIP]
    assert group.questions == []


def test_question_that_is_not_json_differs_from_all_others() -> None:
    assert Question.create({"tag": {1}}, {}) != Question.create({"tag": {1}}, {})
    assert "secret" not in repr(Question.create({"search": "secret"}, {}))


def waited(group: PollGroup, pause: float, min_pause: float = 0.0) -> float:
    async def go() -> float:
        started = time.monotonic()
        await group.wait(pause, min_pause)
        return time.monotonic() - started

    return asyncio.run(go())


def test_poll_is_due_after_the_pause() -> None:
    assert 0.1 <= waited(PollGroup(), 0.1) < 1


def test_poll_is_due_when_a_member_needs_it() -> None:
    async def go() -> tuple[float, float]:
        group = PollGroup()
        started = time.monotonic()
        with group.join(VIP, [time.time() + 0.1]), group.join(PHONE, [time.time() + 50, time.time() + 60]):
            await group.wait(30, 0)
            first = time.monotonic()
            # The member has had its poll.
            await group.wait(0.3, 0)
        return first - started, time.monotonic() - first

    first, second = asyncio.run(go())
    assert 0.05 < first < 5
    assert second >= 0.3


def test_members_cannot_poll_too_early() -> None:
    group = PollGroup()
    with group.join(VIP, [time.time()]):
        assert 0.3 <= waited(group, 30, min_pause=0.3) < 5


def test_joining_wakes_the_poll() -> None:
    async def go() -> float:
        group = PollGroup()
        started = time.monotonic()
        waiting = asyncio.ensure_future(group.wait(30, 0))
        await asyncio.sleep(0.05)
        with group.join(VIP, [time.time()]):
            await waiting
        return time.monotonic() - started

    assert asyncio.run(go()) < 5


def test_times_of_a_member_that_left_are_forgotten() -> None:
    group = PollGroup()
    with group.join(VIP, [time.time() + 0.05]):
        pass
    assert waited(group, 0.3) >= 0.3


def test_groups_are_shared_by_key_as_long_as_they_are_used() -> None:
    with open_shared_group("a") as one:
        with open_shared_group("a") as same, open_shared_group("b") as other:
            assert one is same
            assert one is not other
        with open_shared_group("a") as again:
            assert again is one
    with open_shared_group("a") as new:
        assert new is not one


@given(
    created_at=st.floats(0, 2e9),
    interval=st.floats(0.1, 1e5),
    elapsed=st.floats(0, 1e7),
)
def test_a_restarted_wait_keeps_its_rhythm(created_at: float, interval: float, elapsed: float) -> None:
    now = created_at + elapsed
    due = compute_next_due_time(created_at, interval, now)
    assert now <= due <= now + interval * 1.001 + 1e-3
    if elapsed >= interval:
        turns = (due - created_at) / interval
        assert turns == pytest.approx(round(turns), abs=1e-3 + 1e-6 * turns)


def test_restarts_do_not_postpone_polls() -> None:
    """With polls every 6 hours and restarts every 4, the wait is still polled for every 6 hours."""
    hour = 3600.0
    dues = {compute_next_due_time(0.0, 6 * hour, restart * 4 * hour) for restart in range(2, 20)}
    assert {due / hour for due in dues} <= {float(6 * turn) for turn in range(1, 15)}


@given(anything)
def test_fingerprint_is_the_same_for_the_same_question_only(value: Any) -> None:
    assert compute_fingerprint({"a": value}, TAGGED, "c") == compute_fingerprint(
        {"a": value}, dict(TAGGED), "c"
    )
    assert compute_fingerprint({"a": value}, TAGGED, "c") != compute_fingerprint({"a": [value]}, TAGGED, "c")
    assert compute_fingerprint({"a": value}, TAGGED, "c") != compute_fingerprint({"a": value}, TAGGED, "d")
    assert compute_fingerprint({"a": value}, TAGGED) != compute_fingerprint({"a": value}, TAGGED, "d")


def test_fingerprint_ignores_order_and_missing_filters() -> None:
    assert compute_fingerprint({"a": 1, "b": 2}, TAGGED) == compute_fingerprint({"b": 2, "a": 1}, TAGGED)
    assert compute_fingerprint(None, TAGGED) == compute_fingerprint({}, TAGGED)
    with pytest.raises(TypeError):
        compute_fingerprint({"a": {1}}, TAGGED)
