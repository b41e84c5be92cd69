"""What all conditions have in common."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar

import msgspec

from airflow_provider_contacts.conditions.times import parse_time_or_duration
from airflow_provider_contacts.contact import Contact

if TYPE_CHECKING:
    from airflow_provider_contacts.conditions.combined import AllOf, AnyOf


class Condition(msgspec.Struct, frozen=True, tag_field="condition", forbid_unknown_fields=True):
    """A predicate over contacts.

    The attributes describe how it is written as text, such as ``tagged:VIP``.

    :cvar text_field: the field that the part after the colon sets.
    :cvar example: an example of that part, if the condition needs one, or an empty string.
    :cvar time_fields: the fields that are times, or durations before now.
    """

    text_field: ClassVar[str] = "name"
    example: ClassVar[str] = ""
    time_fields: ClassVar[Sequence[str]] = ()

    def __post_init__(self) -> None:
        for field in self.time_fields:
            value = getattr(self, field)
            if value is not None:
                # msgspec turns only a ValueError into its own error.
                parsed = parse_time_or_duration(value, field, "before now")
                msgspec.structs.force_setattr(self, field, parsed)

    def evaluate(self, contact: Contact) -> bool | None:
        """Return whether the condition holds, or None if the record does not report it."""
        raise NotImplementedError

    def matches(self, contact: Contact) -> bool:
        """Return whether the condition is known to hold for a contact."""
        return self.evaluate(contact) is True

    def simple_conditions(self) -> Iterator[Condition]:
        """Yield the leaf conditions, which do not combine others."""
        yield self

    def to_dict(self) -> dict[str, object]:
        """Return the condition as JSON types."""
        fields: dict[str, object] = msgspec.json.decode(msgspec.json.encode(self))
        return fields

    def __bool__(self) -> bool:
        raise TypeError(
            "Conditions have no truth value. Combine them with &, | and ~, not with and, or, not."
        )

    def __and__(self, other: Condition) -> AllOf:
        if not isinstance(other, Condition):
            return NotImplemented
        from airflow_provider_contacts.conditions.combined import AllOf

        return AllOf((*AllOf.operands_of(self), *AllOf.operands_of(other)))

    def __or__(self, other: Condition) -> AnyOf:
        if not isinstance(other, Condition):
            return NotImplemented
        from airflow_provider_contacts.conditions.combined import AnyOf

        return AnyOf((*AnyOf.operands_of(self), *AnyOf.operands_of(other)))

    def __invert__(self) -> Condition:
        from airflow_provider_contacts.conditions.combined import Not

        return Not(self)


def get_condition_name(condition: Condition | type[Condition]) -> str:
    """Return the name of a condition in JSON, such as ``has_phone``."""
    tag = condition.__struct_config__.tag
    assert isinstance(tag, str)
    return tag


def all_of(values: Sequence[bool | None]) -> bool | None:
    """Return whether all values are True, or None if that is unknown."""
    if False in values:
        return False
    return None if None in values else True
