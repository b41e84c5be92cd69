"""Dividing items into batches."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_contacts.core.batches import batched


@given(items=st.lists(st.integers()), size=st.integers(1, 5))
def test_batches(items: list[int], size: int) -> None:
    batches = list(batched(iter(items), size))
    assert [item for batch in batches for item in batch] == items
    assert all(len(batch) == size for batch in batches[:-1])
    assert all(0 < len(batch) <= size for batch in batches)
