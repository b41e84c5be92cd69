"""Conditions about one contact, which do not combine others."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar

import msgspec

from airflow_provider_contacts.conditions.base import Condition, all_of
from airflow_provider_contacts.conditions.times import TimeLike, to_time
from airflow_provider_contacts.contact import Contact

# Final invitation states. The vendor's API docs do not list the states, so any other state is
# unknown.
_FINAL_INVITATION_STATES = frozenset(
    {"accepted", "declined", "rejected", "withdrawn", "canceled", "cancelled", "expired"}
)


class Replied(Condition, frozen=True, tag="replied", forbid_unknown_fields=True, omit_defaults=True):
    """The contact has replied.

    :param since: only count replies after this time: a time, a date (midnight UTC), or a duration
        before now such as ``7d``. A time without a zone is in UTC.
    :param interaction_counts: whether a last interaction after ``since`` counts as a reply, if the
        record does not report when the contact replied. It may be a message to the contact.
    """

    text_field: ClassVar[str] = "since"
    time_fields: ClassVar[Sequence[str]] = ("since",)

    since: TimeLike | None = None
    interaction_counts: bool = False

    def __post_init__(self) -> None:
        Condition.__post_init__(self)
        if not isinstance(self.interaction_counts, bool):
            raise ValueError("`interaction_counts` must be true or false")  # noqa: TRY004

    def evaluate(self, contact: Contact) -> bool | None:
        if self.since is None or not contact.replied:
            return contact.replied
        since = to_time(self.since)
        if contact.replied_at is not None:
            return contact.replied_at > since
        # The last interaction is the reply or came after it, so it proves only that there was no
        # later reply.
        if contact.last_interaction_at is None:
            return None
        if contact.last_interaction_at <= since:
            return False
        return True if self.interaction_counts else None


class InvitationPending(
    Condition, frozen=True, tag="invitation_pending", forbid_unknown_fields=True, omit_defaults=True
):
    """An invitation is pending.

    :param older_than: only count invitations from before this time: a time, a date, or a duration
        before now such as ``14d``.
    :param invitation_type: only count invitations of this type, under the vendor's name; case is
        ignored.
    """

    text_field: ClassVar[str] = "older_than"
    time_fields: ClassVar[Sequence[str]] = ("older_than",)

    older_than: TimeLike | None = None
    invitation_type: str | None = None

    def __post_init__(self) -> None:
        Condition.__post_init__(self)
        if self.invitation_type is not None:
            _require_name(self.invitation_type, "invitation_type")

    def evaluate(self, contact: Contact) -> bool | None:
        values = [self._is_pending(contact)]
        if self.older_than is not None:
            invited_at = contact.invited_at
            values.append(None if invited_at is None else invited_at < to_time(self.older_than))
        if self.invitation_type is not None:
            found = contact.invitation_type
            values.append(None if found is None else found.casefold() == self.invitation_type.casefold())
        return all_of(values)

    def _is_pending(self, contact: Contact) -> bool | None:
        if contact.invitation_state is None:
            return _false_unless_unknown(contact, "invitation_state")
        state = contact.invitation_state.lower()
        if state == "pending":
            return True
        return False if state in _FINAL_INVITATION_STATES else None


class Connected(Condition, frozen=True, tag="connected", forbid_unknown_fields=True):
    """The contact is a LinkedIn connection. Only a vendor's filter can answer, not a record."""

    def evaluate(self, contact: Contact) -> bool | None:
        return None


class Tagged(Condition, frozen=True, tag="tagged", forbid_unknown_fields=True):
    """The contact has a tag with exactly this name."""

    example: ClassVar[str] = "VIP"

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

    example: ClassVar[str] = "Interested"

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


class _HasField(Condition, frozen=True):
    """A field of the contact is not empty."""

    field: ClassVar[str]

    def evaluate(self, contact: Contact) -> bool | None:
        is_empty = getattr(contact, self.field) is None
        return _false_unless_unknown(contact, self.field) if is_empty else True


class Opened(_HasField, frozen=True, tag="opened", forbid_unknown_fields=True):
    """The contact has opened an e-mail."""

    field: ClassVar[str] = "opened_at"


class Clicked(_HasField, frozen=True, tag="clicked", forbid_unknown_fields=True):
    """The contact has clicked a link in an e-mail."""

    field: ClassVar[str] = "clicked_at"


class Bounced(_HasField, frozen=True, tag="bounced", forbid_unknown_fields=True):
    """An e-mail to the contact bounced."""

    field: ClassVar[str] = "bounced_at"


class Unsubscribed(_HasField, frozen=True, tag="unsubscribed", forbid_unknown_fields=True):
    """The contact has unsubscribed."""

    field: ClassVar[str] = "unsubscribed_at"


class HasPhone(_HasField, frozen=True, tag="has_phone", forbid_unknown_fields=True):
    """The contact has a phone number."""

    field: ClassVar[str] = "phone"


class LastInteraction(
    Condition,
    frozen=True,
    kw_only=True,
    tag="last_interaction",
    forbid_unknown_fields=True,
    omit_defaults=True,
):
    """The last interaction with the contact, in either direction, was in the given period.

    It is unknown if the record has no last interaction, because vendors do not report whether there
    was none.

    :param before: match interactions before this time: a time, a date, or a duration before now
        such as ``30d``.
    :param after: match interactions after this time.
    """

    text_field: ClassVar[str] = "after"
    example: ClassVar[str] = "7d"
    time_fields: ClassVar[Sequence[str]] = ("before", "after")

    before: TimeLike | None = None
    after: TimeLike | None = None

    def __post_init__(self) -> None:
        Condition.__post_init__(self)
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
        is_before = self.before is None or moment < to_time(self.before)
        return is_before and (self.after is None or moment > to_time(self.after))


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


def _false_unless_unknown(contact: Contact, field: str) -> bool | None:
    """Return False for an empty field, or None if the record does not report that field."""
    return None if field in contact.unknown_fields else False


def _require_name(name: object, field: str = "name") -> None:
    if not isinstance(name, str) or not name.strip():
        raise ValueError(f"`{field}` must be text that is not empty")
