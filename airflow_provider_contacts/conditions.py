"""Conditions that mean the same for every vendor.

Conditions combine with ``&``, ``|`` and ``~``. Wherever a condition is accepted, its JSON is accepted too. ::

    Replied() & ~Tagged("Do not chase")
    {"condition": "all", "of": [{"condition": "replied"},
                                {"condition": "not", "of": {"condition": "tagged", "name": "Do not chase"}}]}

A condition evaluates to True, False or None, where None means that the vendor does not report the answer. A contact
*matches* only if the condition is True. An unknown reply therefore matches neither ``Replied()`` nor
``~Replied()``. A missing tag, stage or phone number counts as False only if the record shows that it is missing: if
a record has no ``tags``, neither ``Tagged("VIP")`` nor ``~Tagged("VIP")`` matches.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timezone
from typing import Union

import msgspec

from airflow_provider_contacts.contact import Contact

__all__ = [
    "SIMPLE_CONDITIONS",
    "AllOf",
    "AnyOf",
    "Bounced",
    "Clicked",
    "Condition",
    "Connected",
    "HasPhone",
    "InStage",
    "InvitationPending",
    "Not",
    "Opened",
    "Replied",
    "Tagged",
    "get_condition_name",
]

# Final invitation states. The vendor's API docs do not list the states, so any other state is unknown.
_FINAL_INVITATION_STATES = frozenset(
    {"accepted", "declined", "rejected", "withdrawn", "canceled", "cancelled", "expired"}
)


class Condition(msgspec.Struct, frozen=True, tag_field="condition", forbid_unknown_fields=True):
    """A predicate over contacts."""

    def evaluate(self, contact: Contact) -> bool | None:
        """Return whether the condition holds for a contact, or None if its record does not report it."""
        raise NotImplementedError

    def matches(self, contact: Contact) -> bool:
        """Return whether the condition is known to hold for a contact."""
        return self.evaluate(contact) is True

    def simple_conditions(self) -> Iterator[Condition]:
        """Yield the leaf conditions, which do not combine others."""
        yield self

    def to_dict(self) -> dict[str, object]:
        """Return the condition as JSON types."""
        fields: dict[str, object] = msgspec.to_builtins(self)
        return fields

    def __bool__(self) -> bool:
        raise TypeError(
            "Conditions have no truth value. Combine them with &, | and ~, not with and, or, not."
        )

    def __and__(self, other: Condition) -> AllOf:
        if not isinstance(other, Condition):
            return NotImplemented
        return AllOf((*_operands(self, AllOf), *_operands(other, AllOf)))

    def __or__(self, other: Condition) -> AnyOf:
        if not isinstance(other, Condition):
            return NotImplemented
        return AnyOf((*_operands(self, AnyOf), *_operands(other, AnyOf)))

    def __invert__(self) -> Condition:
        return Not(self)  # type: ignore[arg-type]


class Replied(Condition, frozen=True, tag="replied", forbid_unknown_fields=True, omit_defaults=True):
    """The contact has replied.

    :param since: only count replies after this time. A time without a zone is in UTC; a date means midnight UTC.
    :param interaction_counts: whether a last interaction after ``since`` counts as a reply, if the record does not report
        when the contact replied. It may be a message to the contact.
    """

    since: datetime | None = None
    interaction_counts: bool = False

    def __post_init__(self) -> None:
        # A date is accepted too: msgspec enforces the annotation on JSON only.
        since: object = self.since
        if isinstance(since, date) and not isinstance(since, datetime):
            since = datetime.combine(since, datetime.min.time())
        if since is None:
            return
        if not isinstance(since, datetime):
            raise ValueError(  # noqa: TRY004 - msgspec turns only ValueError into its own error
                "`since` must be a datetime or a date. For text or a template, write "
                '{"condition": "replied", "since": …}.'
            )
        since = since if since.tzinfo else since.replace(tzinfo=timezone.utc)
        msgspec.structs.force_setattr(self, "since", to_plain_datetime(since))

    def evaluate(self, contact: Contact) -> bool | None:
        if self.since is None or not contact.replied:
            return contact.replied
        if contact.replied_at is not None:
            return contact.replied_at > self.since
        # The last interaction is the reply or came after it, so it proves only that there was no later reply.
        if contact.last_interaction_at is None:
            return None
        if contact.last_interaction_at <= self.since:
            return False
        return True if self.interaction_counts else None


class InvitationPending(Condition, frozen=True, tag="invitation_pending", forbid_unknown_fields=True):
    """An invitation is pending."""

    def evaluate(self, contact: Contact) -> bool | None:
        if contact.invitation_state is None:
            return _false_unless_unknown(contact, "invitation_state")
        state = contact.invitation_state.lower()
        if state == "pending":
            return True
        return False if state in _FINAL_INVITATION_STATES else None


class Connected(Condition, frozen=True, tag="connected", forbid_unknown_fields=True):
    """The contact is a LinkedIn connection. Records do not report it; only a vendor filter can answer."""

    def evaluate(self, contact: Contact) -> bool | None:
        return None


class Tagged(Condition, frozen=True, tag="tagged", forbid_unknown_fields=True):
    """The contact has a tag with exactly this name."""

    name: str

    def __post_init__(self) -> None:
        _require_name(self.name)

    def evaluate(self, contact: Contact) -> bool | None:
        return True if self.name in contact.tags else _false_unless_unknown(contact, "tags")


class InStage(Condition, frozen=True, tag="in_stage", forbid_unknown_fields=True):
    """The contact is in the stage with this name; case is ignored."""

    name: str

    def __post_init__(self) -> None:
        _require_name(self.name)

    def evaluate(self, contact: Contact) -> bool | None:
        if contact.stage is None:
            return _false_unless_unknown(contact, "stage")
        return contact.stage.casefold() == self.name.casefold()


class Opened(Condition, frozen=True, tag="opened", forbid_unknown_fields=True):
    """The contact has opened an e-mail."""

    def evaluate(self, contact: Contact) -> bool | None:
        return True if contact.opened_at is not None else _false_unless_unknown(contact, "opened_at")


class Clicked(Condition, frozen=True, tag="clicked", forbid_unknown_fields=True):
    """The contact has clicked a link in an e-mail."""

    def evaluate(self, contact: Contact) -> bool | None:
        return True if contact.clicked_at is not None else _false_unless_unknown(contact, "clicked_at")


class Bounced(Condition, frozen=True, tag="bounced", forbid_unknown_fields=True):
    """An e-mail to the contact bounced."""

    def evaluate(self, contact: Contact) -> bool | None:
        return True if contact.bounced_at is not None else _false_unless_unknown(contact, "bounced_at")


class HasPhone(Condition, frozen=True, tag="has_phone", forbid_unknown_fields=True):
    """The contact has a phone number."""

    def evaluate(self, contact: Contact) -> bool | None:
        return True if contact.phone is not None else _false_unless_unknown(contact, "phone")


class AllOf(Condition, frozen=True, tag="all", forbid_unknown_fields=True):
    """All of several conditions hold; the result of ``&``."""

    of: tuple[AnyCondition, ...]

    def __post_init__(self) -> None:
        _require_operands(self.of)

    def evaluate(self, contact: Contact) -> bool | None:
        values = [condition.evaluate(contact) for condition in self.of]
        if False in values:
            return False
        return None if None in values else True

    def simple_conditions(self) -> Iterator[Condition]:
        for condition in self.of:
            yield from condition.simple_conditions()


class AnyOf(Condition, frozen=True, tag="any", forbid_unknown_fields=True):
    """At least one of several conditions holds; the result of ``|``."""

    of: tuple[AnyCondition, ...]

    def __post_init__(self) -> None:
        _require_operands(self.of)

    def evaluate(self, contact: Contact) -> bool | None:
        values = [condition.evaluate(contact) for condition in self.of]
        if True in values:
            return True
        return None if None in values else False

    def simple_conditions(self) -> Iterator[Condition]:
        for condition in self.of:
            yield from condition.simple_conditions()


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


SIMPLE_CONDITIONS: tuple[type[Condition], ...] = (
    Replied,
    InvitationPending,
    Connected,
    Tagged,
    InStage,
    Opened,
    Clicked,
    Bounced,
    HasPhone,
)

AnyCondition = Union[  # noqa: UP007 - msgspec resolves this name at run time
    Replied,
    InvitationPending,
    Connected,
    Tagged,
    InStage,
    Opened,
    Clicked,
    Bounced,
    HasPhone,
    AllOf,
    AnyOf,
    Not,
]


def to_plain_datetime(moment: datetime) -> datetime:
    """Return a time as the class that msgspec encodes. Airflow uses pendulum's."""
    return moment if type(moment) is datetime else datetime.fromisoformat(moment.isoformat())


def get_condition_name(condition: Condition | type[Condition]) -> str:
    """Return the name of a condition in JSON, such as ``has_phone``."""
    tag = condition.__struct_config__.tag
    assert isinstance(tag, str)
    return tag


def _false_unless_unknown(contact: Contact, field: str) -> bool | None:
    """Return False for an empty field, or None if the record does not report that field."""
    return None if field in contact.unknown_fields else False


def _operands(condition: Condition, combinator: type[AllOf | AnyOf]) -> tuple[AnyCondition, ...]:
    return condition.of if isinstance(condition, combinator) else (condition,)  # type: ignore[return-value]


def _require_name(name: object) -> None:
    if not isinstance(name, str) or not name.strip():
        raise ValueError("`name` must be text that is not empty")


def _require_operands(conditions: tuple[AnyCondition, ...]) -> None:
    if not conditions:
        raise ValueError("`of` must not be empty")
