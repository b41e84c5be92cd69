"""Conditions that combine others: the results of ``&``, ``|`` and ``~``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeAlias, Union

from airflow_provider_contacts.conditions.base import Condition, all_of
from airflow_provider_contacts.conditions.simple import SIMPLE_CONDITIONS
from airflow_provider_contacts.contact import Contact


class _Combined(Condition, frozen=True):
    """A condition over several others."""

    of: tuple[AnyCondition, ...]

    def __post_init__(self) -> None:
        if not self.of:
            raise ValueError("`of` must not be empty")

    @classmethod
    def operands_of(cls, condition: Condition) -> tuple[AnyCondition, ...]:
        """Return what this class combines: the operands of a condition, or the condition itself."""
        return condition.of if isinstance(condition, cls) else (condition,)

    def simple_conditions(self) -> Iterator[Condition]:
        for condition in self.of:
            yield from condition.simple_conditions()


class AllOf(_Combined, frozen=True, tag="all", forbid_unknown_fields=True):
    """All of several conditions hold; the result of ``&``."""

    def evaluate(self, contact: Contact) -> bool | None:
        return all_of([condition.evaluate(contact) for condition in self.of])


class AnyOf(_Combined, frozen=True, tag="any", forbid_unknown_fields=True):
    """At least one of several conditions holds; the result of ``|``."""

    def evaluate(self, contact: Contact) -> bool | None:
        values = [condition.evaluate(contact) for condition in self.of]
        if True in values:
            return True
        return None if None in values else False


class Not(Condition, frozen=True, tag="not", forbid_unknown_fields=True):
    """A condition is known not to hold; the result of ``~``."""

    of: AnyCondition

    def evaluate(self, contact: Contact) -> bool | None:
        value = self.of.evaluate(contact)
        return None if value is None else not value

    def simple_conditions(self) -> Iterator[Condition]:
        yield from self.of.simple_conditions()

    def __invert__(self) -> Condition:
        return self.of


# Any condition, as msgspec decodes it.
if TYPE_CHECKING:
    AnyCondition: TypeAlias = Condition
else:
    AnyCondition = Union[(*SIMPLE_CONDITIONS, AllOf, AnyOf, Not)]
