"""Progress of an update across task attempts."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_contacts.core.changes import Change, parse_tag_change
from airflow_provider_contacts.core.updates.progress import Progress
from airflow_provider_contacts.core.updates.targets import Target
from tests.stores import BrokenStore, Store

CHANGE = parse_tag_change(["VIP"])
LOG = logging.getLogger("test")


def targets(count: int, change: Change = CHANGE) -> list[Target]:
    return [Target("a", str(number), change=change) for number in range(count)]


@given(
    count=st.integers(1, 1200),
    chosen=st.sets(st.integers(0, 1199)),
    seed=st.randoms(use_true_random=False),
)
def test_another_attempt_knows_what_is_done_in_any_order(count: int, chosen: set[int], seed: Any) -> None:
    store = Store()
    before = targets(count)
    done = {index for index in chosen if index < count}
    progress = Progress(store, "scope", before, LOG)
    assert progress.done == []
    for index in done:
        progress.add([index])
    after = list(before)
    seed.shuffle(after)
    again = Progress(store, "scope", after, LOG)
    assert {after[index].contact_id for index in again.done} == {before[index].contact_id for index in done}
    again.clear()
    assert Progress(store, "scope", after, LOG).done == []


def test_progress_of_another_update_does_not_count() -> None:
    for scope, others in (
        ("other", targets(5)),
        ("scope", targets(6)),
        ("scope", targets(5, parse_tag_change(["Other"]))),
        ("scope", [*targets(4), *targets(5, parse_tag_change(["Other"]))[4:]]),
    ):
        store = Store()
        Progress(store, "scope", targets(5), LOG).add([0, 1])
        assert Progress(store, scope, others, LOG).done == []
        # The progress of the first update is deleted too, so that it cannot be taken for the
        # other's.
        assert Progress(store, "scope", targets(5), LOG).done == []


def test_stored_values_are_small_and_contain_no_ids() -> None:
    store = Store()
    many = [Target("a", f"secret-{number}") for number in range(2000)]
    Progress(store, "scope", many, LOG).add(range(2000))
    stored = json.dumps(store.values)
    assert "secret" not in stored
    assert len(stored) < 1000


def test_without_a_store_nothing_is_kept() -> None:
    Progress(None, "scope", targets(5), LOG).add([0])
    assert Progress(None, "scope", targets(5), LOG).done == []


class Killed(BaseException):
    """A task that is killed while it talks to the store."""


class KilledStore(Store):
    """A store whose task is killed after some calls."""

    def __init__(self, values: dict[str, Any], calls: int) -> None:
        super().__init__()
        self.values = dict(values)
        self.calls = calls

    def _count(self) -> None:
        self.calls -= 1
        if self.calls < 0:
            raise Killed

    def set(self, key: str, value: Any) -> None:
        self._count()
        super().set(key, value)

    def delete(self, key: str) -> None:
        self._count()
        super().delete(key)


@given(
    counts=st.lists(st.sampled_from([3, 501, 900]), min_size=3, max_size=3),
    kills=st.lists(st.integers(0, 6), min_size=2, max_size=2),
    finishes=st.lists(st.booleans(), min_size=2, max_size=2),
)
def test_progress_is_never_believed_after_kills(
    counts: list[int], kills: list[int], finishes: list[bool]
) -> None:
    """Two attempts with different contacts are killed at any call; a third one believes only what was done."""
    values: dict[str, Any] = {}
    done: dict[int, set[int]] = {}
    for count, calls, finish in zip(counts, kills, finishes, strict=False):
        store = KilledStore(values, calls)
        try:
            progress = Progress(store, "scope", targets(count), LOG)
            assert set(progress.done) <= done.get(count, set())
            for index in (0, count - 1):
                done.setdefault(count, set()).add(index)
                progress.add([index])
            if finish:
                progress.clear()
        except Killed:
            pass
        values = store.values
    store = Store()
    store.values = values
    last = Progress(store, "scope", targets(counts[2]), LOG)
    assert set(last.done) <= done.get(counts[2], set())


@pytest.mark.parametrize("broken", ["get", "set", "delete"])
def test_store_that_fails_costs_only_the_resuming(broken: str, caplog: pytest.LogCaptureFixture) -> None:
    store = BrokenStore(broken)
    progress = Progress(store, "scope", targets(1200), LOG)
    for index in range(1200):
        progress.add([index])
    progress.clear()
    assert "state store could not be" in caplog.text
    assert "secret-of-the-test" not in caplog.text
    if broken != "delete":
        # A failing store is slow, so it is not asked for every contact.
        assert store.calls < 20
