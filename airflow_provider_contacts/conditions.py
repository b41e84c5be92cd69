"""Conditions that mean the same at every vendor.

Conditions combine with ``&``, ``|`` and ``~``, and have a JSON form: ``{"condition": "tagged", "name": "VIP"}``.
Wherever a condition is taken, its JSON form is taken too. ::

    Replied() & ~Tagged("Do not chase")
    {"condition": "all", "of": [{"condition": "replied"},
                                {"condition": "not", "of": {"condition": "tagged", "name": "Do not chase"}}]}

Inside, a condition has three values: what a vendor cannot tell is None. Outside it is strict: a contact meets a
condition only if the condition is known to be true, so an unknown reply meets neither ``Replied()`` nor
``~Replied()``. A tag, a stage or a phone number counts as not there only where the record shows that it is not: of
a record without ``tags``, neither ``Tagged("VIP")`` nor ``~Tagged("VIP")`` is known.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timezone
from typing import Any, Union

import msgspec

from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.errors import InvalidRequest

# The states of an invitation of which it is known that nobody waits for an answer. The vendor lists none.
_SETTLED = frozenset({"accepted", "declined", "rejected", "withdrawn", "canceled", "cancelled", "expired"})

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


class Condition(msgspec.Struct, frozen=True, tag_field="condition", forbid_unknown_fields=True):
    """Something that a contact meets or not."""

    def holds(self, contact: Contact) -> bool | None:
        """Return whether the condition is true of a contact, or None if its record cannot tell."""
        raise NotImplementedError

    def matches(self, contact: Contact) -> bool:
        """Return whether the condition is known to be true of a contact."""
        return self.holds(contact) is True

    def leaves(self) -> Iterator[Condition]:
        """Give the conditions that are not made of others."""
        yield self

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        form: dict[str, Any] = msgspec.to_builtins(self)
        return form

    def __bool__(self) -> bool:
        raise TypeError(
            "a condition is true of a contact, not of itself: combine with &, | and ~, not and, or, not"
        )

    def __and__(self, other: Condition) -> AllOf:
        if not isinstance(other, Condition):
            return NotImplemented
        return AllOf((*_parts(self, AllOf), *_parts(other, AllOf)))  # type: ignore[arg-type]

    def __or__(self, other: Condition) -> AnyOf:
        if not isinstance(other, Condition):
            return NotImplemented
        return AnyOf((*_parts(self, AnyOf), *_parts(other, AnyOf)))  # type: ignore[arg-type]

    def __invert__(self) -> Condition:
        return Not(self)  # type: ignore[arg-type]


class Replied(Condition, frozen=True, tag="replied", forbid_unknown_fields=True, omit_defaults=True):
    """The person has answered.

    :param since: only answers after this time count; a time without a zone is in UTC, a date alone its first moment.
    """

    since: datetime | None = None

    def __post_init__(self) -> None:
        since: Any = self.since
        if isinstance(since, date) and not isinstance(since, datetime):
            since = datetime.combine(since, datetime.min.time())
        if since is not None and not isinstance(since, datetime):
            raise ValueError(
                '`since` must be a datetime or a date; for text or a template write {"condition": "replied", "since": …}'
            )
        if since is not None:
            since = since if since.tzinfo else since.replace(tzinfo=timezone.utc)
            msgspec.structs.force_setattr(self, "since", since)

    def holds(self, contact: Contact) -> bool | None:
        if self.since is None or not contact.replied:
            return contact.replied
        # TalkToHumans tells no time of the reply itself; its last interaction is the reply or came after it.
        moment = contact.replied_at or contact.last_interaction_at
        return None if moment is None else moment > self.since


class InvitationPending(Condition, frozen=True, tag="invitation_pending", forbid_unknown_fields=True):
    """An invitation waits for an answer."""

    def holds(self, contact: Contact) -> bool | None:
        if contact.invitation_state is None:
            return _absent(contact, "invitation_state")
        state = contact.invitation_state.lower()
        return True if state == "pending" else False if state in _SETTLED else None


class Connected(Condition, frozen=True, tag="connected", forbid_unknown_fields=True):
    """The two are connected. No record shows it; a vendor's filter has to tell."""

    def holds(self, contact: Contact) -> bool | None:
        return None


class Tagged(Condition, frozen=True, tag="tagged", forbid_unknown_fields=True):
    """The contact has a tag of exactly this name."""

    name: str

    def __post_init__(self) -> None:
        _require_name(self.name)

    def holds(self, contact: Contact) -> bool | None:
        return True if self.name in contact.tags else _absent(contact, "tags")


class InStage(Condition, frozen=True, tag="in_stage", forbid_unknown_fields=True):
    """The contact is in the stage of this name, in whatever letters."""

    name: str

    def __post_init__(self) -> None:
        _require_name(self.name)

    def holds(self, contact: Contact) -> bool | None:
        if contact.stage is None:
            return _absent(contact, "stage")
        return contact.stage.casefold() == self.name.casefold()


def _absent(contact: Contact, field: str) -> bool | None:
    """Return what a field that holds nothing tells: that there is nothing, or that it is not known."""
    return None if field in contact.unknown else False


class Opened(Condition, frozen=True, tag="opened", forbid_unknown_fields=True):
    """The person has opened a mail."""

    def holds(self, contact: Contact) -> bool | None:
        return True if contact.opened_at is not None else _absent(contact, "opened_at")


class Clicked(Condition, frozen=True, tag="clicked", forbid_unknown_fields=True):
    """The person has clicked a link in a mail."""

    def holds(self, contact: Contact) -> bool | None:
        return True if contact.clicked_at is not None else _absent(contact, "clicked_at")


class Bounced(Condition, frozen=True, tag="bounced", forbid_unknown_fields=True):
    """A mail to the person came back."""

    def holds(self, contact: Contact) -> bool | None:
        return True if contact.bounced_at is not None else _absent(contact, "bounced_at")


class HasPhone(Condition, frozen=True, tag="has_phone", forbid_unknown_fields=True):
    """The contact has a phone number."""

    def holds(self, contact: Contact) -> bool | None:
        return True if contact.phone is not None else _absent(contact, "phone")


class AllOf(Condition, frozen=True, tag="all", forbid_unknown_fields=True):
    """All of some conditions hold; what ``&`` makes."""

    of: tuple[AnyCondition, ...]

    def __post_init__(self) -> None:
        _require_some(self.of)

    def holds(self, contact: Contact) -> bool | None:
        values = [condition.holds(contact) for condition in self.of]
        return False if False in values else None if None in values else True

    def leaves(self) -> Iterator[Condition]:
        for condition in self.of:
            yield from condition.leaves()


class AnyOf(Condition, frozen=True, tag="any", forbid_unknown_fields=True):
    """At least one of some conditions holds; what ``|`` makes."""

    of: tuple[AnyCondition, ...]

    def __post_init__(self) -> None:
        _require_some(self.of)

    def holds(self, contact: Contact) -> bool | None:
        values = [condition.holds(contact) for condition in self.of]
        return True if True in values else None if None in values else False

    def leaves(self) -> Iterator[Condition]:
        for condition in self.of:
            yield from condition.leaves()


class Not(Condition, frozen=True, tag="not", forbid_unknown_fields=True):
    """A condition is known not to hold; what ``~`` makes."""

    of: AnyCondition

    def holds(self, contact: Contact) -> bool | None:
        value = self.of.holds(contact)
        return None if value is None else not value

    def leaves(self) -> Iterator[Condition]:
        yield from self.of.leaves()

    def __invert__(self) -> Condition:
        return self.of


AnyCondition = Union[  # noqa: UP007 - msgspec resolves the name at run time
    Replied, InvitationPending, Connected, Tagged, InStage, Opened, Clicked, Bounced, HasPhone, AllOf, AnyOf, Not,
]  # fmt: skip

LEAVES: tuple[type[Condition], ...] = (
    Replied, InvitationPending, Connected, Tagged, InStage, Opened, Clicked, Bounced, HasPhone,
)  # fmt: skip


def as_condition(value: Condition | Mapping[str, Any] | str | None) -> Condition | None:
    """Return the condition of a condition, of its JSON form, or of None.

    :raises InvalidRequest: if it is none of these.
    """
    if value is None or isinstance(value, Condition):
        return value
    if isinstance(value, type) and issubclass(value, Condition):
        raise InvalidRequest(f"this is the class {value.__name__}; write {value.__name__}(…)")
    if isinstance(value, str):
        return parse_condition(value)
    try:
        condition: Condition = msgspec.convert(_with_times(value), AnyCondition)
    except RecursionError:
        raise InvalidRequest("the condition is nested too deeply") from None
    except msgspec.ValidationError as error:
        known = [tag_of(leaf) for leaf in LEAVES]
        # msgspec repeats unknown names, which may come from a template.
        unsaid = "Invalid value" in str(error) or "unknown field" in str(error)
        detail = " (it has a name or a field that is not known)" if unsaid else f" ({error})"
        if "RFC3339" in str(error):
            detail = " (`since` is a time such as 2026-03-01T12:00:00Z, or a date such as 2026-03-01)"
        strange = [name.lower() for name in _names_in(value) if name not in (*known, "all", "any", "not")]
        near = [close for name in strange for close in difflib.get_close_matches(name, known, n=1)]
        hint = f" Did you mean `{near[0]}`?" if near else ""
        raise InvalidRequest(
            f'this is no condition{detail}.{hint} Write for example {{"condition": "tagged", "name": "VIP"}}. '
            f"Known are {', '.join(known)}, and all, any, not over `of`"
        ) from None
    return condition


def template_form(condition: Any) -> Any:
    """Return a condition as its JSON form, into which templates reach, and anything else as it is.

    :raises InvalidRequest: for a condition's class in place of a condition.
    """
    if isinstance(condition, Condition):
        return condition.to_dict()
    return as_condition(condition) if isinstance(condition, type) else condition  # type: ignore[arg-type]


def _names_in(form: Any) -> Iterator[str]:
    if isinstance(form, list | tuple):
        for part in form:
            yield from _names_in(part)
    elif isinstance(form, Mapping):
        if isinstance(form.get("condition"), str):
            yield form["condition"]
        yield from _names_in(form.get("of"))


def _with_times(form: Any) -> Any:
    """Return a condition's JSON form, with the start of the day for a date alone, such as Airflow's ``{{ ds }}``."""
    if isinstance(form, list | tuple):
        return [_with_times(part) for part in form]
    if not isinstance(form, Mapping):
        return form
    form = {**form, "of": _with_times(form["of"])} if "of" in form else form
    since = form.get("since")
    if isinstance(since, date) and not isinstance(since, datetime):
        since = since.isoformat()
    if isinstance(since, str) and _DATE.fullmatch(since.strip()):
        return {**form, "since": f"{since.strip()}T00:00:00Z"}
    return form


def parse_condition(text: str) -> Condition:
    """Return the condition of text: ``replied``, ``tagged:Hot lead``, or JSON.

    :raises InvalidRequest: if it is none.
    """
    form: Any
    if text.lstrip().startswith("{"):
        try:
            form = msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError) as error:
            place = str(error).rpartition("(")[2].rstrip(")")
            raise InvalidRequest(f"the condition starts like JSON and is none ({place})") from None
    else:
        tag, colon, argument = text.partition(":")
        form = {"condition": tag.strip()}
        if colon:
            form["since" if tag.strip() == "replied" else "name"] = argument.strip()
    condition = as_condition(form)
    assert condition is not None
    return condition


def tag_of(condition: Condition | type[Condition]) -> str:
    """Return the name that a condition has in JSON."""
    tag = condition.__struct_config__.tag
    assert isinstance(tag, str)
    return tag


def _parts(condition: Condition, kind: type[Condition]) -> tuple[Condition, ...]:
    return condition.of if isinstance(condition, kind) else (condition,)  # type: ignore[attr-defined]


def _require_name(name: object) -> None:
    if not isinstance(name, str) or not name.strip():
        raise ValueError("`name` must be text that is not empty")


def _require_some(conditions: tuple[Any, ...]) -> None:
    if not conditions:
        raise ValueError("`of` is empty")
