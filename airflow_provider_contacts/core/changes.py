"""The changes that can be made to contacts, checked before any request."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, NoReturn, TypeAlias

from airflow_provider_contacts.core.validation import is_encodable
from airflow_provider_contacts.errors import InvalidRequest

ChangeKind = Literal["tags", "notes", "stage", "suppression"]
# The kinds that vendors make.
VENDOR_CHANGE_KINDS: tuple[ChangeKind, ...] = ("tags", "notes", "stage")
# A tag's name and color, or None for the vendor's default color.
Tag = tuple[str, str | None]
# A name, a mapping of `name` and `color`, or several of them.
TagsLike: TypeAlias = str | Mapping[str, str] | Sequence[str | Mapping[str, str]]


@dataclass(frozen=True, slots=True, repr=False)
class TagChange:
    """Tags to add and to remove, or the complete new set of tags.

    :param replace: the complete new set of tags, or None to keep the other tags.
    """

    kind: ClassVar[ChangeKind] = "tags"

    add: tuple[Tag, ...] = ()
    remove: tuple[str, ...] = ()
    replace: tuple[Tag, ...] | None = None

    def is_satisfied_by(self, contact: Mapping[str, object]) -> bool:
        """Return whether a contact is known to have the wanted tags already."""
        tags = contact.get("tags")
        unknown = contact.get("unknown_fields") or ()
        if "tags" in unknown:  # type: ignore[operator]
            return False
        if not isinstance(tags, list | tuple) or not all(isinstance(tag, str) for tag in tags):
            return False
        if any(color for _, color in (*self.add, *(self.replace or ()))):
            return False  # vendors do not report the color of a tag
        if self.replace is not None:
            return set(tags) == {name for name, _ in self.replace}
        return all(name in tags for name, _ in self.add) and not any(name in tags for name in self.remove)

    def to_json(self) -> object:
        """Return the change as JSON types."""
        return {"tags": [self.add, self.remove, self.replace]}

    def __str__(self) -> str:
        if self.replace is not None:
            return f"replace all tags with {_quote(name for name, _ in self.replace) or 'none'}"
        parts = [("add", [name for name, _ in self.add]), ("remove", list(self.remove))]
        return ", ".join(f"{verb} {_quote(names)}" for verb, names in parts if names)


@dataclass(frozen=True, slots=True, repr=False)
class NotesChange:
    """The new notes as JSON, or None to clear them."""

    kind: ClassVar[ChangeKind] = "notes"

    notes: str | None

    def is_satisfied_by(self, contact: Mapping[str, object]) -> bool:
        """Return False: contacts do not report their notes."""
        return False

    def to_json(self) -> object:
        """Return the change as JSON types."""
        return {"notes": self.notes}

    def __str__(self) -> str:
        return "clear the notes" if self.notes is None else "replace the notes"


@dataclass(frozen=True, slots=True, repr=False)
class StageChange:
    """The target stage, by the name that the vendor displays.

    :param campaign: a campaign's id, or ``all``, for vendors with one stage per campaign.
    :param stage_id: the vendor's id of the stage, if it is known.
    """

    kind: ClassVar[ChangeKind] = "stage"

    stage: str
    campaign: str | None = None
    stage_id: str | None = None

    def is_satisfied_by(self, contact: Mapping[str, object]) -> bool:
        """Return whether a contact is known to be in the stage; False for a stage per campaign."""
        stage = contact.get("stage")
        return self.campaign is None and isinstance(stage, str) and stage.casefold() == self.stage.casefold()

    def to_json(self) -> object:
        """Return the change as JSON types."""
        return {"stage": [self.stage, self.campaign]}

    def __str__(self) -> str:
        campaigns = " in all campaigns" if self.campaign == "all" else f" in campaign {self.campaign}"
        return f"move to stage {self.stage!r}" + (campaigns if self.campaign else "")


@dataclass(frozen=True, slots=True, repr=False)
class SuppressChange:
    """Add a contact to a table of suppressions. No vendor is asked.

    :param table: where the table is.
    :param scope: the vendor at which the contact is suppressed.
    """

    kind: ClassVar[ChangeKind] = "suppression"

    table: tuple[str, str]
    scope: str

    def is_satisfied_by(self, contact: Mapping[str, object]) -> bool:
        """Return False: contacts do not report whether they are suppressed."""
        return False

    def to_json(self) -> object:
        """Return the change as JSON types."""
        return {"suppress": [self.table, self.scope]}

    def __str__(self) -> str:
        return "suppress"


Change = TagChange | NotesChange | StageChange | SuppressChange


def parse_tag_change(add: object = (), remove: object = (), replace: object = None) -> TagChange:
    """Validate the arguments and return a change of tags.

    :param add: names, or mappings of ``name`` and ``color``.
    :param remove: names.
    :param replace: like ``add``; an empty list clears the tags.
    :raises InvalidRequest: if nothing would change, a name is empty, a name is both added and
        removed, or ``replace`` is combined with the others.
    """
    change = TagChange(
        _parse_tags(add, "add"),
        tuple(name for name, _ in _parse_tags(remove, "remove")),
        None if replace is None else _parse_tags(replace, "replace"),
    )
    if change.replace is not None and (change.add or change.remove):
        raise InvalidRequest("`replace` sets all tags, so it cannot be combined with `add` or `remove`.")
    if change.replace is None and not change.add and not change.remove:
        raise InvalidRequest("There is nothing to change. Set `add`, `remove` or `replace`.")
    both = {name for name, _ in change.add} & set(change.remove)
    if both:
        raise InvalidRequest(f"These tags are both added and removed: {_quote(sorted(both))}.")
    return change


def parse_notes_change(notes: object) -> NotesChange:
    """Validate the argument and return a change of notes.

    :param notes: JSON text, or an object or array to send as JSON; None or an empty string clears
        the notes.
    :raises InvalidRequest: if text is not JSON.
    """
    if notes is None or notes == "":
        return NotesChange(None)
    try:
        if isinstance(notes, str):
            json.dumps(json.loads(notes, parse_constant=_reject_constant), ensure_ascii=False).encode()
            text = notes
        else:
            text = json.dumps(notes, allow_nan=False, ensure_ascii=False)
        text.encode()
    except (TypeError, ValueError, RecursionError):
        raise InvalidRequest(
            "`notes` must be JSON text, an object or an array; None clears the notes."
        ) from None
    return NotesChange(text)


def parse_stage_change(stage: object, campaign: object = None) -> StageChange:
    """Validate the arguments and return a change of stage.

    :raises InvalidRequest: if the stage or the campaign is empty.
    """
    if not isinstance(stage, str) or not stage.strip():
        raise InvalidRequest("`stage` must be the name of a stage.")
    if campaign is not None and (not isinstance(campaign, str) or not campaign.strip()):
        raise InvalidRequest("`campaign` must be a campaign's id, or `all`.")
    return StageChange(stage.strip(), campaign.strip() if campaign else None)


def _parse_tags(given: object, argument: str) -> tuple[Tag, ...]:
    if isinstance(given, str) and given.strip().startswith("[") and given.strip().endswith("]"):
        raise InvalidRequest(
            f"`{argument}` is a list rendered as text. Set render_template_as_native_obj=True on the DAG."
        )
    items = [given] if isinstance(given, str | Mapping) else given
    if not isinstance(items, Iterable):
        raise InvalidRequest(f"`{argument}` must be a list of tags.")
    tags: dict[str, str | None] = {}
    for item in items:
        name: object = item
        color: object = None
        if isinstance(item, Mapping) and argument != "remove" and not item.keys() - {"name", "color"}:
            name = item.get("name")
            color = item.get("color")
        if not isinstance(name, str) or not name.strip() or not isinstance(color, str | None):
            expected = "names" if argument == "remove" else "names, or of mappings of name and color"
            raise InvalidRequest(f"`{argument}` must be a list of {expected}. A name must not be empty.")
        if not is_encodable(name):
            raise InvalidRequest(f"`{argument}` contains characters that cannot be encoded as UTF-8.")
        tags[name] = color
    return tuple(tags.items())


def _reject_constant(constant: str) -> NoReturn:
    raise ValueError(constant)


def _quote(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in names)
