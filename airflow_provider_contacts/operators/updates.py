"""Operators that update contacts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from airflow_provider_contacts.core.changes import (
    Change,
    parse_notes_change,
    parse_stage_change,
    parse_tag_change,
)
from airflow_provider_contacts.errors import InvalidRequest
from airflow_provider_contacts.operators.arguments import check_literals
from airflow_provider_contacts.operators.base import TagsLike
from airflow_provider_contacts.operators.updating.base import BaseUpdateOperator

if TYPE_CHECKING:
    from airflow.sdk import XComArg

__all__ = ["UpdateContactNotesOperator", "UpdateContactStageOperator", "UpdateContactTagsOperator"]


class UpdateContactTagsOperator(BaseUpdateOperator):
    """Add, remove or replace tags of contacts. See :class:`BaseUpdateOperator` for the rest.

    If ``contacts`` is a query or a file, its columns ``add`` and ``remove`` may contain the change
    of each contact: a name, or several as JSON.

    All arguments are templated.

    :param add: names, or mappings of ``name`` and ``color``.
    :param remove: names.
    :param replace: the complete new set of tags, like ``add``; an empty list clears the tags.
    :raises UnsupportedByVendor: if the vendor's API cannot change tags; names the vendors that can.
    """

    template_fields: Sequence[str] = (*BaseUpdateOperator.template_fields, "add", "remove", "replace")
    kind = "tags"
    change_columns = ("add", "remove")

    def __init__(
        self,
        *,
        add: TagsLike | XComArg = (),
        remove: TagsLike | XComArg = (),
        replace: TagsLike | XComArg | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.add = add
        self.remove = remove
        self.replace = replace
        self._has_change = bool(add or remove) or replace is not None
        if self.reads_change_from_arguments():
            check_literals(self, parse_tag_change, add, remove, replace)

    def has_change(self) -> bool:
        """Return whether ``add``, ``remove`` or ``replace`` was set by the author."""
        return self._has_change

    def parse_change(self) -> Change:
        """Validate the arguments and return the change."""
        return parse_tag_change(self.add, self.remove, self.replace)

    def parse_row_change(self, row: Mapping[str, object]) -> Change:
        """Return the change in the columns ``add`` and ``remove``."""
        return parse_tag_change(_names(row.get("add"), "add"), _names(row.get("remove"), "remove"))


class UpdateContactNotesOperator(BaseUpdateOperator):
    """Replace the notes of contacts. See :class:`BaseUpdateOperator` for the rest.

    If ``contacts`` is a query or a file, its column ``notes`` may contain the notes of each
    contact.

    All arguments are templated.

    :param notes: JSON text, an object or an array; None or an empty string clears the notes.
    :raises UnsupportedByVendor: if the vendor's API cannot change notes; names the vendors that
        can.
    """

    template_fields: Sequence[str] = (*BaseUpdateOperator.template_fields, "notes")
    template_fields_renderers: ClassVar[dict[str, str]] = {"notes": "json"}
    kind = "notes"
    change_columns = ("notes",)

    def __init__(self, *, notes: object = msgspec.UNSET, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.notes = notes
        self._has_change = notes is not msgspec.UNSET
        if self.reads_change_from_arguments():
            check_literals(self, _check_notes, notes)

    def has_change(self) -> bool:
        """Return whether ``notes`` was set. None clears the notes."""
        return self._has_change

    def parse_change(self) -> Change:
        """Validate the arguments and return the change."""
        return _check_notes(self.notes)

    def parse_row_change(self, row: Mapping[str, object]) -> Change:
        """Return the change in the column ``notes``."""
        notes = row.get("notes")
        if notes is None:
            raise InvalidRequest("`notes` is null. Use an empty text to clear the notes.")
        return parse_notes_change(notes)


class UpdateContactStageOperator(BaseUpdateOperator):
    """Move contacts to a stage. See :class:`BaseUpdateOperator` for the rest.

    If ``contacts`` is a query or a file and ``stage`` is not set, its column ``stage`` contains the
    new stage of each contact.

    All arguments are templated.

    :param stage: by the name that the vendor displays, such as ``Do Not Contact``.
    :param campaign: a campaign's id, or ``all``, in Mailstand, which has one stage per campaign.
    :raises UnsupportedByVendor: if the vendor's API cannot change stages; names the vendors that
        can.
    """

    template_fields: Sequence[str] = (*BaseUpdateOperator.template_fields, "stage", "campaign")
    kind = "stage"
    change_columns = ("stage",)

    def __init__(self, *, stage: str | None = None, campaign: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.stage = stage
        self.campaign = campaign
        self._has_change = stage is not None
        if self.reads_change_from_arguments():
            check_literals(self, parse_stage_change, stage, campaign)

    def has_change(self) -> bool:
        """Return whether ``stage`` was set, whatever a template has rendered to."""
        return self._has_change

    def parse_change(self) -> Change:
        """Validate the arguments and return the change."""
        return parse_stage_change(self.stage, self.campaign)

    def parse_row_change(self, row: Mapping[str, object]) -> Change:
        """Return the change in the column ``stage``."""
        return parse_stage_change(row.get("stage"), self.campaign)


def _check_notes(notes: object) -> Change:
    if notes is msgspec.UNSET:
        raise InvalidRequest("`notes` is missing. None clears the notes.")
    return parse_notes_change(notes)


def _names(value: object, column: str) -> object:
    """Return the names in a column: a list, JSON of a list, or one name."""
    if not isinstance(value, str) or not value.lstrip().startswith("["):
        return () if value is None else value
    try:
        return json.loads(value)
    except ValueError:
        raise InvalidRequest(
            f'`{column}` is not a valid JSON list. Write one name, or a list such as ["VIP", "Hot lead"].'
        ) from None
