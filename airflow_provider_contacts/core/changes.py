"""What can be changed about contacts, checked before anything is sent."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_contacts.core.request import Request
from airflow_provider_contacts.errors import InvalidRequest

# A write yields requests and is given the JSON of their answers.
Steps = Generator[Request, Any, Any]


@dataclass(frozen=True, slots=True, repr=False)
class TagChange:
    """Tags to add and to remove, or the tags to have and no others.

    :param add: names, with a color or None.
    :param replace: None where the other tags stay.
    """

    add: tuple[tuple[str, str | None], ...] = ()
    remove: tuple[str, ...] = ()
    replace: tuple[tuple[str, str | None], ...] | None = None

    def made(self, contact: Mapping[str, Any]) -> bool:
        """Tell whether a contact is known to be as wanted already."""
        tags = contact.get("tags")
        if "tags" in (contact.get("unknown") or ()):
            return False
        if not isinstance(tags, list | tuple) or not all(isinstance(tag, str) for tag in tags):
            return False
        if any(color for _, color in (*self.add, *(self.replace or ()))):
            return False  # which color a tag has is not known
        if self.replace is not None:
            return set(tags) == {name for name, _ in self.replace}
        return all(name in tags for name, _ in self.add) and not any(name in tags for name in self.remove)

    def form(self) -> Any:
        """Return the change as JSON."""
        return {"tags": [self.add, self.remove, self.replace]}

    def __str__(self) -> str:
        if self.replace is not None:
            return f"have exactly the tags {_quoted(name for name, _ in self.replace) or '(none)'}"
        parts = [("add", [name for name, _ in self.add]), ("remove", list(self.remove))]
        return ", ".join(f"{verb} {_quoted(names)}" for verb, names in parts if names)


@dataclass(frozen=True, slots=True, repr=False)
class NotesChange:
    """Notes to have, as JSON text, or None to clear them."""

    notes: str | None

    def made(self, contact: Mapping[str, Any]) -> bool:
        """Tell whether a contact is known to be as wanted already: its notes are not known."""
        return False

    def form(self) -> Any:
        """Return the change as JSON."""
        return {"notes": self.notes}

    def __str__(self) -> str:
        return "clear the notes" if self.notes is None else "replace the notes"


@dataclass(frozen=True, slots=True, repr=False)
class StageChange:
    """A stage to be in, by the name that the vendor shows.

    :param campaign: where the vendor keeps a stage per campaign: a campaign's id, or ``all``.
    :param stage_id: the vendor's own id of the stage, where it is known.
    """

    stage: str
    campaign: str | None = None
    stage_id: str | None = None

    def made(self, contact: Mapping[str, Any]) -> bool:
        """Tell whether a contact is known to be as wanted already; a stage per campaign is not known."""
        stage = contact.get("stage")
        return self.campaign is None and isinstance(stage, str) and stage.casefold() == self.stage.casefold()

    def form(self) -> Any:
        """Return the change as JSON."""
        return {"stage": [self.stage, self.campaign]}

    def __str__(self) -> str:
        return f"move to the stage {self.stage!r}" + (f" in {self.campaign}" if self.campaign else "")


Change = TagChange | NotesChange | StageChange


def kind_of(change: Change) -> str:
    """Return ``tags``, ``notes`` or ``stage``."""
    return {TagChange: "tags", NotesChange: "notes", StageChange: "stage"}[type(change)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Writes:
    """What a vendor's API lets one write.

    Each function gives the requests that change one contact, and returns what the vendor says of it, or None.

    :param check_ids: raises InvalidRequest for a contact id or account id of a wrong form.
    :param tags: takes contact id, account id and change.
    :param notes: takes contact id, account id and change.
    :param stage: takes contact id, account id and change.
    :param prepare_stage: takes a change of stage and to how many contacts it will be made, and returns the change
        as the vendor needs it, once before the first contact.
    :param stage_of_many: takes contact ids and a prepared change of stage; raises unless all of them were changed.
    :param most_at_once: how many ids ``stage_of_many`` takes.
    """

    check_ids: Callable[[str, str], None]
    tags: Callable[[str, str, TagChange], Steps] | None = None
    notes: Callable[[str, str, NotesChange], Steps] | None = None
    stage: Callable[[str, str, StageChange], Steps] | None = None
    prepare_stage: Callable[[StageChange, int], Steps] | None = None
    stage_of_many: Callable[[list[str], StageChange], Steps] | None = None
    most_at_once: int = 1


def tag_change(add: Any = (), remove: Any = (), replace: Any = None) -> TagChange:
    """Check a change of tags.

    :param add: names, or mappings of ``name`` and ``color``.
    :param remove: names.
    :param replace: as ``add``; an empty list clears the tags.
    :raises InvalidRequest: for a change of nothing, an empty name, a name both added and removed, or
        ``replace`` beside the others.
    """
    change = TagChange(
        _tags(add, "add"),
        tuple(name for name, _ in _tags(remove, "remove")),
        None if replace is None else _tags(replace, "replace"),
    )
    if change.replace is not None and (change.add or change.remove):
        raise InvalidRequest("`replace` says all tags to have, so it cannot stand beside `add` or `remove`")
    if change.replace is None and not change.add and not change.remove:
        raise InvalidRequest("there is nothing to change: give `add`, `remove` or `replace`")
    both = {name for name, _ in change.add} & set(change.remove)
    if both:
        raise InvalidRequest(f"these tags are both added and removed: {_quoted(sorted(both))}")
    return change


def notes_change(notes: Any) -> NotesChange:
    """Check a change of notes.

    :param notes: JSON text, or an object or array to write as such; None or empty text clears the notes.
    :raises InvalidRequest: for text that is not JSON.
    """
    if notes is None or notes == "":
        return NotesChange(None)
    try:
        if isinstance(notes, str):
            value = json.loads(notes, parse_constant=_no_json)
            json.dumps(value, ensure_ascii=False).encode()
            notes.encode()
            return NotesChange(notes)
        text = json.dumps(notes, allow_nan=False, ensure_ascii=False)
        text.encode()
        return NotesChange(text)
    except (TypeError, ValueError, RecursionError):
        raise InvalidRequest("`notes` must be JSON text, or an object or array; None clears them") from None


def _no_json(constant: str) -> Any:
    raise ValueError(constant)


def stage_change(stage: Any, campaign: Any = None) -> StageChange:
    """Check a change of stage.

    :raises InvalidRequest: for an empty name.
    """
    if not isinstance(stage, str) or not stage.strip():
        raise InvalidRequest("`stage` must be the name of a stage")
    if campaign is not None and (not isinstance(campaign, str) or not campaign.strip()):
        raise InvalidRequest("`campaign` must be a campaign's id, or `all`")
    return StageChange(stage.strip(), campaign.strip() if campaign else None)


def _tags(given: Any, where: str) -> tuple[tuple[str, str | None], ...]:
    if isinstance(given, str) and given.strip().startswith("[") and given.strip().endswith("]"):
        raise InvalidRequest(
            f"`{where}` is a list rendered as text; set render_template_as_native_obj=True on the DAG"
        )
    items = [given] if isinstance(given, str | Mapping) else given
    if not isinstance(items, Iterable):
        raise InvalidRequest(f"`{where}` must be a list of tags")
    tags: dict[str, str | None] = {}
    for item in items:
        name, color = item, None
        if isinstance(item, Mapping) and where != "remove" and not item.keys() - {"name", "color"}:
            name, color = item.get("name"), item.get("color")
        if not isinstance(name, str) or not name.strip() or not isinstance(color, str | None):
            form = "names" if where == "remove" else "names, or of mappings of name and color"
            raise InvalidRequest(f"`{where}` must be a list of {form}; no name may be empty")
        try:
            name.encode()
        except UnicodeEncodeError:
            raise InvalidRequest(f"`{where}` holds characters that are no text") from None
        tags[name] = color
    return tuple(tags.items())


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in names)
