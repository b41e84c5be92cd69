"""Sets of numbers that can be joined."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_contacts.people.union_find import UnionFind


@given(st.lists(st.sets(st.integers(0, 9), min_size=1), max_size=8))
def test_a_set_is_known_by_its_smallest_number(joins: list[set[int]]) -> None:
    union = UnionFind(10)
    sets = [{number} for number in range(10)]
    for numbers in joins:
        joined = set[int]().union(*(one for one in sets if one & numbers))
        sets = [one for one in sets if not one & numbers] + [joined]
        assert union.join(numbers) == min(joined)
    for one in sets:
        assert {union.find(number) for number in one} == {min(one)}
