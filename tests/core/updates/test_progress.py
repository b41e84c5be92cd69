"""Progress of an update across task attempts."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_contacts.core.changes import parse_tag_change
from airflow_provider_contacts.core.updates.progress import Progress
from airflow_provider_contacts.core.updates.targets import Target
from tests.stores import Store

CHANGE = parse_tag_change(["VIP"])


def targets(count: int) -> list[Target]:
    return [Target("a", str(number)) for number in range(count)]


@given(
    count=st.integers(1, 1200),
    chosen=st.sets(st.integers(0, 1199)),
    seed=st.randoms(use_true_random=False),
)
def test_another_attempt_knows_what_is_done_in_any_order(count: int, chosen: set[int], seed: Any) -> None:
    store = Store()
    before = targets(count)
    done = {index for index in chosen if index < count}
    progress = Progress(store, "scope", before, CHANGE)
    assert progress.done == []
    for index in done:
        progress.add([index])
    after = list(before)
    seed.shuffle(after)
    again = Progress(store, "scope", after, CHANGE)
    assert {after[index].contact_id for index in again.done} == {before[index].contact_id for index in done}
    again.clear()
    assert Progress(store, "scope", after, CHANGE).done == []


def test_progress_of_another_update_does_not_count() -> None:
    for scope, others, change in (
        ("other", targets(5), CHANGE),
        ("scope", targets(6), CHANGE),
        ("scope", targets(5), parse_tag_change(["Other"])),
    ):
        store = Store()
        Progress(store, "scope", targets(5), CHANGE).add([0, 1])
        assert Progress(store, scope, others, change).done == []
        # The progress of the first update is deleted too, so that it cannot be taken for the other's.
        assert Progress(store, "scope", targets(5), CHANGE).done == []


def test_stored_values_are_small_and_contain_no_ids() -> None:
    store = Store()
    many = [Target("a", f"secret-{number}") for number in range(2000)]
    Progress(store, "scope", many, CHANGE).add(range(2000))
    stored = json.dumps(store.values)
    assert "secret" not in stored
    assert len(stored) < 1000


def test_without_a_store_nothing_is_kept() -> None:
    Progress(None, "scope", targets(5), CHANGE).add([0])
    assert Progress(None, "scope", targets(5), CHANGE).done == []
