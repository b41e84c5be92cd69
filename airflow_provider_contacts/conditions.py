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

import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, TypeAlias, Union

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
    "LastInteraction",
    "Not",
    "Opened",
    "Replied",
    "Tagged",
    "TimeLike",
    "Unsubscribed",
    "get_condition_name",
]

# A time, or a duration before now. msgspec has no union of both, because both are text in JSON.
if TYPE_CHECKING:
    TimeLike: TypeAlias = datetime | date | timedelta | str
else:
    TimeLike = Any

# Final invitation states. The vendor's API docs do not list the states, so any other state is unknown.
_FINAL_INVITATION_STATES = frozenset(
    {"accepted", "declined", "rejected", "withdrawn", "canceled", "cancelled", "expired"}
)


_DURATION = re.compile(r"(\d{1,6})\s?([smhdw])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_MAX_DURATION = timedelta(days=36_525)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


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
        fields: dict[str, object] = msgspec.json.decode(msgspec.json.encode(self))
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

    :param since: only count replies after this time: a time, a date (midnight UTC), or a duration before now such as ``7d``.
        A time without a zone is in UTC.
    :param interaction_counts: whether a last interaction after ``since`` counts as a reply, if the record does not report
        when the contact replied. It may be a message to the contact.
    """

    since: TimeLike | None = None
    interaction_counts: bool = False

    def __post_init__(self) -> None:
        _normalize_time(self, "since")
        if not isinstance(self.interaction_counts, bool):
            raise ValueError("`interaction_counts` must be true or false")  # noqa: TRY004

    def evaluate(self, contact: Contact) -> bool | None:
        if self.since is None or not contact.replied:
            return contact.replied
        since = _to_time(self.since)
        if contact.replied_at is not None:
            return contact.replied_at > since
        # The last interaction is the reply or came after it, so it proves only that there was no later reply.
        if contact.last_interaction_at is None:
            return None
        if contact.last_interaction_at <= since:
            return False
        return True if self.interaction_counts else None


class InvitationPending(
    Condition, frozen=True, tag="invitation_pending", forbid_unknown_fields=True, omit_defaults=True
):
    """An invitation is pending.

    :param older_than: only count invitations from before this time: a time, a date, or a duration before now such as ``14d``.
    :param invitation_type: only count invitations of this type, under the vendor's name; case is ignored.
    """

    older_than: TimeLike | None = None
    invitation_type: str | None = None

    def __post_init__(self) -> None:
        _normalize_time(self, "older_than")
        if self.invitation_type is not None:
            _require_name(self.invitation_type, "invitation_type")

    def evaluate(self, contact: Contact) -> bool | None:
        values = [self._is_pending(contact)]
        if self.older_than is not None:
            invited_at = contact.invited_at
            values.append(None if invited_at is None else invited_at < _to_time(self.older_than))
        if self.invitation_type is not None:
            found = contact.invitation_type
            values.append(None if found is None else found.casefold() == self.invitation_type.casefold())
        return _all_of(values)

    def _is_pending(self, contact: Contact) -> bool | None:
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


class _TakesSeveralNames(type(msgspec.Struct)):  # type: ignore[misc]
    """Lets a condition be written with several names: ``InStage("Interested", "Nurture")``."""

    def __call__(cls, *names: str, **fields: object) -> Any:
        return (
            super().__call__(names if len(names) > 1 else names[0], **fields)
            if names
            else super().__call__(**fields)
        )


class InStage(
    Condition, frozen=True, tag="in_stage", forbid_unknown_fields=True, metaclass=_TakesSeveralNames
):
    """The contact is in one of the stages with these names; case is ignored.

    :param name: a name, or several: ``InStage("Interested", "Nurture")``.
    """

    name: str | tuple[str, ...]

    def __post_init__(self) -> None:
        if isinstance(self.name, list):
            msgspec.structs.force_setattr(self, "name", tuple(self.name))
        if not self.names:
            raise ValueError("`name` must not be empty")
        for name in self.names:
            _require_name(name)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the stages."""
        return self.name if isinstance(self.name, tuple) else (self.name,)

    def evaluate(self, contact: Contact) -> bool | None:
        if contact.stage is None:
            return _false_unless_unknown(contact, "stage")
        return contact.stage.casefold() in [name.casefold() for name in self.names]


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


class Unsubscribed(Condition, frozen=True, tag="unsubscribed", forbid_unknown_fields=True):
    """The contact has unsubscribed."""

    def evaluate(self, contact: Contact) -> bool | None:
        is_known = contact.unsubscribed_at is not None
        return True if is_known else _false_unless_unknown(contact, "unsubscribed_at")


class LastInteraction(
    Condition,
    frozen=True,
    kw_only=True,
    tag="last_interaction",
    forbid_unknown_fields=True,
    omit_defaults=True,
):
    """The last interaction with the contact, in either direction, was in the given period.

    It is unknown if the record has no last interaction, because vendors do not report whether there was none.

    :param before: match interactions before this time: a time, a date, or a duration before now such as ``30d``.
    :param after: match interactions after this time.
    """

    before: TimeLike | None = None
    after: TimeLike | None = None

    def __post_init__(self) -> None:
        _normalize_time(self, "before")
        _normalize_time(self, "after")
        if self.before is None and self.after is None:
            raise ValueError("set `before`, `after` or both")
        # A time and a duration cannot be compared: their order changes with time.
        if isinstance(self.before, timedelta) and isinstance(self.after, timedelta):
            is_empty = self.after <= self.before
        else:
            is_empty = (
                isinstance(self.before, datetime)
                and isinstance(self.after, datetime)
                and self.after >= self.before
            )
        if is_empty:
            raise ValueError("`after` must be earlier than `before`")

    def evaluate(self, contact: Contact) -> bool | None:
        moment = contact.last_interaction_at
        if moment is None:
            return None
        is_before = self.before is None or moment < _to_time(self.before)
        return is_before and (self.after is None or moment > _to_time(self.after))


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
        return _all_of([condition.evaluate(contact) for condition in self.of])

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
    Unsubscribed,
    LastInteraction,
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
    Unsubscribed,
    LastInteraction,
    HasPhone,
    AllOf,
    AnyOf,
    Not,
]


def get_condition_name(condition: Condition | type[Condition]) -> str:
    """Return the name of a condition in JSON, such as ``has_phone``."""
    tag = condition.__struct_config__.tag
    assert isinstance(tag, str)
    return tag


def _false_unless_unknown(contact: Contact, field: str) -> bool | None:
    """Return False for an empty field, or None if the record does not report that field."""
    return None if field in contact.unknown_fields else False


def _all_of(values: list[bool | None]) -> bool | None:
    if False in values:
        return False
    return None if None in values else True


def _normalize_time(condition: Condition, field: str) -> None:
    """Replace a field by a time in UTC, or by a duration before now.

    :raises ValueError: if it is neither. msgspec turns only a ValueError into its own error.
    """
    value = getattr(condition, field)
    if value is not None:
        msgspec.structs.force_setattr(condition, field, parse_time_or_duration(value, field, "before now"))


def parse_time_or_duration(value: object, field: str, relation: str) -> datetime | timedelta:
    """Return a time in UTC, or a duration.

    :param field: the field's name, for messages.
    :param relation: what durations are relative to, for messages.
    :raises ValueError: if it is neither.
    """
    parsed = _parse_time_text(value.strip()) if isinstance(value, str) else value
    if isinstance(parsed, date) and not isinstance(parsed, datetime):
        parsed = datetime.combine(parsed, datetime.min.time())
    if isinstance(parsed, datetime):
        # Airflow passes times of pendulum's class, which msgspec does not encode.
        moment = datetime.fromisoformat(parsed.isoformat())
        return moment.astimezone(timezone.utc) if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
    if isinstance(parsed, timedelta) and timedelta() < parsed < _MAX_DURATION:
        return timedelta(seconds=parsed.total_seconds())
    hint = ". Airflow renders a template only in a condition's JSON" if "{{" in str(value) else ""
    raise ValueError(
        f"`{field}` must be a time such as 2026-03-01T12:00:00Z, a date such as 2026-03-01, or a duration {relation} such as "
        f"7d, 12h or 30m{hint}"
    )


def _parse_time_text(text: str) -> object:
    """Return the time, date or duration that text stands for, or None."""
    if duration := _DURATION.fullmatch(text):
        return timedelta(**{_UNITS[duration[2]]: int(duration[1])})
    if _DATE.fullmatch(text):
        text = f"{text}T00:00:00Z"
    for kind in (datetime, timedelta):
        try:
            return msgspec.convert(text, kind)
        except msgspec.ValidationError:
            continue
    return None


def _to_time(value: TimeLike) -> datetime:
    """Return the time that a normalized field means at this moment."""
    if isinstance(value, timedelta):
        return datetime.now(timezone.utc) - value
    assert isinstance(value, datetime)
    return value


def _operands(condition: Condition, combinator: type[AllOf | AnyOf]) -> tuple[AnyCondition, ...]:
    return condition.of if isinstance(condition, combinator) else (condition,)  # type: ignore[return-value]


def _require_name(name: object, field: str = "name") -> None:
    if not isinstance(name, str) or not name.strip():
        raise ValueError(f"`{field}` must be text that is not empty")


def _require_operands(conditions: tuple[AnyCondition, ...]) -> None:
    if not conditions:
        raise ValueError("`of` must not be empty")
