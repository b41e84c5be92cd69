"""Conditions that combine others."""

from __future__ import annotations

from hypothesis import given

from airflow_provider_contacts.conditions import (
    AllOf,
    AnyOf,
    Condition,
    HasPhone,
    Not,
    Replied,
    Tagged,
    get_condition_name,
)
from airflow_provider_contacts.contact import Contact
from tests.strategies import conditions, contacts


@given(conditions, conditions, contacts)
def test_three_valued_logic(one: Condition, other: Condition, contact: Contact) -> None:
    values = one.evaluate(contact), other.evaluate(contact)
    assert one.matches(contact) is (values[0] is True)
    assert (~one).evaluate(contact) == (None if values[0] is None else not values[0])
    assert (one & other).matches(contact) is (values == (True, True))
    assert (one | other).matches(contact) is (True in values)
    assert not (one.matches(contact) and (~one).matches(contact))
    if values[0] is None:
        assert not one.matches(contact)
        assert not (~one).matches(contact)
    assert (~(one & other)).evaluate(contact) == (~one | ~other).evaluate(contact)
    assert ~~one == one


def test_combined_conditions_are_flat() -> None:
    a, b, c = Replied(), HasPhone(), Tagged("x")
    assert (a & b & c).of == (a, b, c)
    assert (a | b | c).of == (a, b, c)
    assert isinstance(a & b | c, AnyOf)
    assert isinstance(~(a & b), Not)
    assert {get_condition_name(leaf) for leaf in (a & ~b | c).simple_conditions()} == {
        "replied",
        "has_phone",
        "tagged",
    }


def test_all_of_one() -> None:
    assert AllOf((Replied(),)).matches(Contact("v", "", "1", replied=True))
