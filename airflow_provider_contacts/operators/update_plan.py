"""What an update does to each contact."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from airflow_provider_contacts.core.updates.targets import Target, change_of


@dataclass(frozen=True, slots=True, repr=False)
class UpdatePlan:
    """What an update does to each contact.

    :param unchanged: contacts that are up to date already.
    :param pending: contacts that are not.
    :param suppressed_indexes: indexes of the pending contacts that must not be contacted.
    """

    unchanged: list[Target]
    pending: list[Target]
    suppressed_indexes: Collection[int]

    @property
    def to_update(self) -> list[Target]:
        """The contacts to write."""
        return [target for index, target in enumerate(self.pending) if index not in self.suppressed_indexes]

    @property
    def first_url(self) -> object:
        """The address of the first contact in the vendor's app, or None."""
        return next((target.fields.get("url") for target in (*self.pending, *self.unchanged)), None)

    @property
    def suppressed(self) -> list[Target]:
        """The pending contacts that must not be contacted."""
        return [self.pending[index] for index in sorted(self.suppressed_indexes)]

    def to_result(self, vendor: str) -> dict[str, list[dict[str, object]]]:
        """Return the result of the update before anything is written."""
        return {
            "updated": [],
            "unchanged": list_references(vendor, self.unchanged),
            "suppressed": list_references(vendor, self.suppressed),
            "failed": [],
        }


def is_satisfied(target: Target) -> bool:
    """Return whether a contact is known to be up to date."""
    return change_of(target).is_satisfied_by(target.fields)


def list_references(vendor: str, targets: Iterable[Target]) -> list[dict[str, object]]:
    """Return the references of contacts."""
    return [{**target.reference(vendor)} for target in targets]
