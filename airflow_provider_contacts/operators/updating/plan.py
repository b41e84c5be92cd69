"""What an update does to each contact of one connection."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from airflow_provider_contacts.core.changes import Change
from airflow_provider_contacts.core.logs import Log
from airflow_provider_contacts.core.updates.targets import Target, change_of
from airflow_provider_contacts.safeguards.configuration import Safeguards

ReferenceList = list[dict[str, object]]


@dataclass(frozen=True, repr=False)
class UpdatePlan:
    """What an update does to each contact.

    :param unchanged: contacts that are up to date already.
    :param pending: contacts that are not.
    :param suppressed_indexes: indexes of the pending contacts that must not be contacted.
    :param changed_before: contacts that earlier attempts of the task have changed. Its approval
        covers them.
    """

    unchanged: Sequence[Target] = ()
    pending: Sequence[Target] = ()
    suppressed_indexes: Collection[int] = ()
    changed_before: Sequence[Target] = field(default=(), kw_only=True)

    @cached_property
    def to_update(self) -> list[Target]:
        """The contacts to write."""
        return [target for index, target in enumerate(self.pending) if index not in self.suppressed_indexes]

    @property
    def suppressed(self) -> list[Target]:
        """The pending contacts that must not be contacted."""
        return [self.pending[index] for index in sorted(self.suppressed_indexes)]

    @property
    def first_url(self) -> object:
        """The address of the first contact in the vendor's app, or None."""
        return next((target.fields.get("url") for target in (*self.pending, *self.unchanged)), None)


def plan_updates(
    targets: Sequence[Target],
    suppressed_ids: Collection[str],
    is_done: Callable[[Target], bool],
    is_allowed: Callable[[Change], bool],
    changed_before: Sequence[Target] = (),
) -> UpdatePlan:
    """Decide what to do with each contact.

    :param suppressed_ids: ids of the contacts that must not be contacted.
    :param is_done: returns whether a contact needs no update.
    :param is_allowed: returns whether a change may be made to contacts that must not be contacted.
    """
    unchanged: list[Target] = []
    pending: list[Target] = []
    for target in targets:
        (unchanged if is_done(target) else pending).append(target)
    suppressed = {
        index
        for index, target in enumerate(pending)
        if target.contact_id in suppressed_ids and not is_allowed(change_of(target))
    }
    return UpdatePlan(unchanged, pending, suppressed, changed_before=changed_before)


def find_suppressed(
    safeguards: Safeguards, targets: Sequence[Target], vendor: str, log: Log, *, ignored_reason: str = ""
) -> set[str]:
    """Return the ids of the contacts that must not be contacted.

    :param ignored_reason: suppressions with this reason do not count, if it is not empty.
    :raises ContactsError: if this cannot be found out.
    """
    if not safeguards.suppressions:
        return set()
    from airflow_provider_contacts.safeguards.gate import SuppressionGate

    return SuppressionGate(safeguards, log, ignored_reason).find_suppressed(targets, vendor)


def is_satisfied(target: Target) -> bool:
    """Return whether a contact is known to be up to date."""
    return change_of(target).is_satisfied_by(target.fields)


def list_references(vendor: str, targets: Iterable[Target]) -> ReferenceList:
    """Return the references of contacts."""
    return [{**target.reference(vendor)} for target in targets]
