"""What an update does to each contact of one connection."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from airflow_provider_contacts.core.updates.targets import Target, change_of
from airflow_provider_contacts.errors import InvalidRequest
from airflow_provider_contacts.safeguards.configuration import Safeguards, UncheckedPolicy

if TYPE_CHECKING:
    from airflow_provider_contacts.core.vendor import Vendor

ReferenceList = list[dict[str, object]]


@dataclass(frozen=True, repr=False)
class UpdatePlan:
    """What an update does to each contact.

    :param unchanged: contacts that are up to date already.
    :param pending: contacts that are not.
    :param suppressed_indexes: indexes of the pending contacts that must not be contacted.
    :param unchecked_indexes: indexes of those that cannot be checked, and so are not written.
    :param changed_before: contacts that earlier attempts of the task have changed. Its approval
        covers them.
    """

    unchanged: Sequence[Target] = ()
    pending: Sequence[Target] = ()
    suppressed_indexes: Collection[int] = ()
    unchecked_indexes: Collection[int] = ()
    changed_before: Sequence[Target] = field(default=(), kw_only=True)

    @cached_property
    def to_update(self) -> list[Target]:
        """The contacts to write."""
        held = self.held_indexes
        return [target for index, target in enumerate(self.pending) if index not in held]

    @property
    def held_indexes(self) -> set[int]:
        """Indexes of the pending contacts that are not written."""
        return {*self.suppressed_indexes, *self.unchecked_indexes}

    @property
    def suppressed(self) -> list[Target]:
        """The pending contacts that must not be contacted."""
        return [self.pending[index] for index in sorted(self.suppressed_indexes)]

    @property
    def unchecked(self) -> list[Target]:
        """The pending contacts that cannot be checked."""
        return [self.pending[index] for index in sorted(self.unchecked_indexes)]

    @property
    def first_url(self) -> object:
        """The address of the first contact in the vendor's app, or None."""
        return next((target.fields.get("url") for target in (*self.pending, *self.unchanged)), None)


def plan_updates(
    targets: Sequence[Target], is_done: Callable[[Target], bool], changed_before: Sequence[Target] = ()
) -> UpdatePlan:
    """Decide which contacts need an update.

    :param is_done: returns whether a contact needs none.
    """
    unchanged: list[Target] = []
    pending: list[Target] = []
    for target in targets:
        (unchanged if is_done(target) else pending).append(target)
    return UpdatePlan(unchanged, pending, changed_before=changed_before)


@dataclass(frozen=True, slots=True, repr=False)
class Gate:
    """Holds back the contacts of an update that must not be contacted.

    :param leave_opt_out: whether contacts who have opted out may be moved to another stage.
    :param policy: what to do with contacts that cannot be checked, or None: fail if one of them is
        a bare reference without a table in which to look it up, and skip them otherwise.
    """

    safeguards: Safeguards
    vendor: Vendor
    policy: UncheckedPolicy | None
    leave_opt_out: bool = False

    def hold(self, plan: UpdatePlan) -> UpdatePlan:
        """Return the plan without the contacts that must not be contacted.

        :raises InvalidRequest: if contacts cannot be checked, and must be.
        :raises ContactsError: if the tables cannot be read.
        """
        suppressed, unchecked = self.judge(plan.pending, range(len(plan.pending)))
        if unchecked and self._choose_policy([plan.pending[index] for index in unchecked]) == "fail":
            raise InvalidRequest(
                f"{len(unchecked)} of {len(plan.pending)} contacts cannot be checked against the "
                "suppressions: nothing but their reference is known, or none of their values can be read. "
                'Nothing was written. Set `contacts_table`, or `unchecked` to "skip" or "allow".'
            )
        return replace(plan, suppressed_indexes=suppressed, unchecked_indexes=unchecked)

    def judge(self, targets: Sequence[Target], indexes: Iterable[int]) -> tuple[set[int], set[int]]:
        """Return which of the contacts are suppressed, and which cannot be checked.

        A change that only stops outreach is never held back.

        :param indexes: the contacts to look at.
        """
        indexes = list(indexes)
        opted_out = {index for index in indexes if self._has_opted_out(targets[index])}
        if not self.safeguards.suppressions:
            return opted_out, set()
        from airflow_provider_contacts.safeguards.gate import SuppressionGate

        only_stops = self.vendor.updates.records_opt_out
        checked = [index for index in indexes if not only_stops(change_of(targets[index]))]
        verdicts = SuppressionGate(self.safeguards).judge(
            [targets[index] for index in checked], self.vendor.name
        )
        suppressed = {index for index in checked if targets[index].contact_id in verdicts.suppressed}
        unchecked = {index for index in checked if targets[index].contact_id in verdicts.unchecked}
        suppressed |= opted_out
        return suppressed, set() if self.policy == "allow" else unchecked - suppressed

    def _has_opted_out(self, target: Target) -> bool:
        """Return whether a change would take a contact out of an opt-out stage that is known."""
        updates = self.vendor.updates
        if self.leave_opt_out or not updates.would_leave_opt_out(change_of(target)):
            return False
        return any(
            updates.is_opt_out(fields.get("stage")) for fields in (target.fields, *target.other_fields)
        )

    def _choose_policy(self, unchecked: Sequence[Target]) -> UncheckedPolicy:
        if self.policy is not None:
            return self.policy
        has_tables = bool(self.safeguards.contacts or self.safeguards.people)
        is_bare = any(not {"email", "phone", "linkedin_url"} & target.fields.keys() for target in unchecked)
        return "fail" if is_bare and not has_tables else "skip"


def is_satisfied(target: Target) -> bool:
    """Return whether a contact is known to be up to date."""
    return change_of(target).is_satisfied_by(target.fields)


def list_references(vendor: str, targets: Iterable[Target]) -> ReferenceList:
    """Return the references of contacts."""
    return [{**target.reference(vendor)} for target in targets]
