"""Read the contacts of an update, and the change of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Protocol

from airflow_provider_contacts.core.changes import Change
from airflow_provider_contacts.core.updates.targets import Target, parse_targets
from airflow_provider_contacts.core.validation import list_names
from airflow_provider_contacts.errors import InvalidRequest
from airflow_provider_contacts.operators.sources import ContactSource

if TYPE_CHECKING:
    from airflow_provider_contacts.core.vendor import Vendor


class ChangeArguments(Protocol):
    """The arguments of an operator that make a change.

    ``change_columns`` are the columns of a query that may contain each contact's change instead.
    """

    change_columns: ClassVar[Sequence[str]]

    def has_change(self) -> bool:
        """Return whether the arguments contain the change, so that a query need not."""

    def parse_change(self) -> Change:
        """Validate the arguments and return the change."""

    def parse_row_change(self, row: Mapping[str, object]) -> Change:
        """Validate the columns of a row that contain the change, and return the change."""


def read_targets(contacts: object, arguments: ChangeArguments, vendor: Vendor) -> tuple[list[Target], int]:
    """Return the contacts to update, each once, and how many duplicates were dropped.

    :param contacts: ids, references or contacts, or a query or file.
    :raises InvalidRequest: if an item or its change is invalid; the message gives its position.
    """
    rows = list(contacts.read_rows()) if isinstance(contacts, ContactSource) else None
    if rows:
        _check_columns(contacts, arguments, {name for row in rows for name in row})
    if rows is not None and not arguments.has_change():
        return parse_targets(rows, vendor, split_change=partial(_split_row, arguments))
    change = arguments.parse_change()
    items = contacts if rows is None else rows
    return parse_targets(items, vendor, change=change)


def _check_columns(source: object, arguments: ChangeArguments, columns: set[str]) -> None:
    if "contact_id" not in columns:
        raise InvalidRequest(f"{source} has no column `contact_id`. Its columns are: {list_names(columns)}.")
    own = [name for name in arguments.change_columns if name in columns]
    # The column `stage` may be the contact's stage as it is now.
    clashing = [name for name in own if name != "stage"]
    if arguments.has_change() and clashing:
        raise InvalidRequest(
            f"{source} has the column `{clashing[0]}`, and the operator sets the change too. Remove the "
            "column or the argument."
        )
    if not arguments.has_change() and "stage" in own and "digest" in columns:
        raise InvalidRequest(
            f"{source} has the columns of exported contacts, whose `stage` is the present stage. Set "
            "`stage` on the operator, or select only `contact_id` and the new stage as `stage`."
        )
    if not arguments.has_change() and not own:
        wanted = " or ".join(f"`{name}`" for name in arguments.change_columns)
        raise InvalidRequest(f"No change is set. Set {wanted}, or add such a column to {source}.")


def _split_row(
    arguments: ChangeArguments, row: Mapping[str, object], where: str
) -> tuple[Change, Mapping[str, object]]:
    try:
        change = arguments.parse_row_change(row)
    except InvalidRequest as error:
        raise InvalidRequest(f"{where}: {error}") from None
    return change, {name: value for name, value in row.items() if name not in arguments.change_columns}
