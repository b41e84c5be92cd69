"""What an update does to each contact."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_contacts.core.changes import Change
from airflow_provider_contacts.core.updates.targets import Target, change_of

if TYPE_CHECKING:
    from airflow_provider_contacts.core.vendor import Vendor
    from airflow_provider_contacts.safeguards.gate import Gate


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

    @classmethod
    def create(
        cls,
        targets: Sequence[Target],
        gate: Gate,
        vendor: Vendor,
        is_done: Callable[[Target], bool],
        is_allowed: Callable[[Change], bool],
    ) -> UpdatePlan:
        """Decide what to do with each contact.

        :param gate: knows the contacts that must not be contacted.
        :param is_done: returns whether a contact needs no update.
        :param is_allowed: returns whether a change may be made to contacts that must not be contacted.
        """
        unchanged = [target for target in targets if is_done(target)]
        pending = [target for target in targets if not is_done(target)]
        must_not = gate.find_suppressed(targets, vendor.name)
        suppressed = {
            index
            for index, target in enumerate(pending)
            if target.contact_id in must_not and not is_allowed(change_of(target))
        }
        return cls(unchanged, pending, suppressed)

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
