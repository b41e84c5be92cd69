"""Whether two names may be one person's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_contacts.people.names import may_be_same_name


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ana Patel", "ana patel"),
        ("Ana Patel", "Patel, Ana"),
        ("A. Patel", "Ana Maria Patel"),
        ("Ana", "Ana Patel"),
        ("Zoë Müller", "Zoe Muller"),
        ("Ana Patel", None),
        ("", "Ana Patel"),
        ("123", "Ana Patel"),
        ("M. Maria Lopez", "Maria Magdalena Lopez"),
    ],
)
def test_names_that_agree(one: str | None, other: str | None) -> None:
    assert may_be_same_name(one, other)
    assert may_be_same_name(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ana Patel", "Bob Patel"),
        ("Ana Patel", "Ana Silva"),
        ("A. Patel", "Bob Patel"),
        ("Ana Ana", "Ana Patel"),
        ("Ana", "Bob"),
    ],
)
def test_names_that_disagree(one: str, other: str) -> None:
    assert not may_be_same_name(one, other)
    assert not may_be_same_name(other, one)


@given(st.text(max_size=20))
def test_a_name_agrees_with_itself(name: str) -> None:
    assert may_be_same_name(name, name)
