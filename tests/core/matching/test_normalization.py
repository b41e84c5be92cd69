"""Normalized conditions."""

from __future__ import annotations

import pytest
from hypothesis import given

from airflow_provider_contacts.conditions import (
    AllOf,
    AnyOf,
    Bounced,
    Condition,
    HasPhone,
    Not,
    Opened,
    Tagged,
)
from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.core.matching.normalization import normalize
from tests.strategies import conditions, contacts

A, B, C = Tagged("a"), HasPhone(), Opened()


@given(condition=conditions, contact=contacts)
def test_normalizing_keeps_the_meaning(condition: Condition, contact: Contact) -> None:
    assert normalize(condition).evaluate(contact) is condition.evaluate(contact)


@given(condition=conditions)
def test_normal_form(condition: Condition) -> None:
    normal = normalize(condition)
    assert normalize(normal) == normal
    if isinstance(normal, AllOf | AnyOf):
        assert len(normal.of) > 1
        assert not any(isinstance(part, type(normal)) for part in normal.of)
    for part in normal.of if isinstance(normal, AllOf | AnyOf) else (normal,):
        if isinstance(part, Not):
            assert not isinstance(part.of, AllOf | AnyOf | Not)


@pytest.mark.parametrize(
    ("condition", "normal"),
    [
        (AllOf((AllOf((A, AllOf((B,)))), C)), AllOf((A, B, C))),
        (AllOf((A,)), A),
        (AnyOf((A, A)), A),
        (AnyOf((AnyOf((A, B)), C)), AnyOf((A, B, C))),
        (Not(Not(A)), A),
        (Not(Not(Not(A))), Not(A)),
        (Not(AnyOf((A, Not(B)))), AllOf((Not(A), B))),
        (Not(AllOf((A, B))), AnyOf((Not(A), Not(B)))),
        (AllOf((A, AnyOf((B, C)))), AllOf((A, AnyOf((B, C))))),
        (AllOf((AnyOf((A,)), Not(AnyOf((B, Bounced()))))), AllOf((A, Not(B), Not(Bounced())))),
    ],
)
def test_examples(condition: Condition, normal: Condition) -> None:
    assert normalize(condition) == normal
