"""What stopping outreach to people does to each of their contacts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_contacts.contact import Reference
from airflow_provider_contacts.core.changes import Change, StageChange
from airflow_provider_contacts.core.updates.targets import Target, parse_target
from airflow_provider_contacts.core.validation import list_names
from airflow_provider_contacts.errors import ContactsError, InvalidRequest
from airflow_provider_contacts.hooks.registry import hook_classes
from airflow_provider_contacts.operators.sources import read_items
from airflow_provider_contacts.operators.stopping.actions import StopAction, digest_of, find_connection_of
from airflow_provider_contacts.operators.updating.plan import UpdatePlan
from airflow_provider_contacts.people.lookup import Person, PersonContact
from airflow_provider_contacts.safeguards.request_text import RequestSection

if TYPE_CHECKING:
    from airflow_provider_contacts.core.vendor import Vendor
    from airflow_provider_contacts.hooks.base import ContactsHook
    from airflow_provider_contacts.safeguards.gate import Gate

# Key of a contact: vendor, account and id.
_Key = tuple[str, str, str]


@dataclass(slots=True, repr=False)
class ConnectionPlan:
    """What is done at one connection.

    :param source: which task stops the contacts.
    :param targets: the contacts of this connection, with what is done to each and what is known of the person.
    :param stops: by contact, what has stopped it already.
    :param plan: which contacts to update, if the action is a change at the vendor.
    :param to_suppress: which contacts to suppress, if that is the action.
    :param errors: why contacts could not be updated.
    :param causes: the errors as text.
    """

    conn_id: str
    action: StopAction
    hook: ContactsHook[Any]
    source: str
    targets: list[Target] = field(default_factory=list)
    stops: dict[tuple[str, str], Mapping[str, str]] = field(default_factory=dict)
    plan: UpdatePlan = field(default_factory=lambda: UpdatePlan([], [], ()))
    to_suppress: list[Target] = field(default_factory=list)
    errors: list[ContactsError] = field(default_factory=list)
    causes: str = ""

    def add(self, person: Person, contact: PersonContact) -> None:
        """Add a contact of a person."""
        known = tuple(one.fields for one in person.contacts if one is not contact)
        target = Target(contact.account_id, contact.contact_id, contact.fields, self.action.change, known)
        self.targets.append(target)
        self.stops[contact.account_id, contact.contact_id] = contact.stops

    def make_plan(self, open_gate: Callable[[], Gate]) -> None:
        """Decide which contacts to update.

        What the table says about tags and stages may be out of date, so contacts are changed unless they were stopped before.
        """
        if self.targets and self.action.is_vendor_change:
            self.plan = UpdatePlan.create(
                self.targets, open_gate(), self.hook.vendor, self._is_done, self._is_allowed_for_suppressed
            )

    @property
    def pending(self) -> list[Target]:
        """The contacts that an attempt may change, in the order of its audit."""
        return [*self.plan.pending, *self.to_suppress]

    @property
    def targets_to_change(self) -> list[Target]:
        """The contacts to update or to suppress."""
        return [*self.plan.to_update, *self.to_suppress]

    @property
    def targets_to_approve(self) -> list[Target]:
        """The contacts to change, and those that earlier attempts of this task have changed, so that a retry needs no new approval."""
        digest = self.action.digest
        to_change = self.targets_to_change
        known = set(map(id, to_change))
        changed = [
            target
            for target in self.targets
            if id(target) not in known and self.source and self._stops_of(target).get(digest) == self.source
        ]
        return [*to_change, *changed]

    def to_section(self) -> RequestSection:
        """Return the part of an approval request that is about this connection."""
        to_change = self.targets_to_change
        suppressed = len(self.plan.suppressed_indexes)
        return RequestSection(
            self.hook.vendor.title,
            self.conn_id,
            to_change,
            unchanged=len(self.targets) - len(to_change) - suppressed,
            suppressed=suppressed,
        )

    def was_stopped(self, target: Target) -> bool:
        """Return whether a contact was stopped by this action before."""
        return self.action.digest in self._stops_of(target)

    def _stops_of(self, target: Target) -> Mapping[str, str]:
        return self.stops[target.account_id, target.contact_id]

    def _is_done(self, target: Target) -> bool:
        """Return whether a contact was stopped by this action before, or has opted out for good."""
        opt_out_stage = self.hook.vendor.updates.opt_out_stage.casefold()
        is_stage = bool(opt_out_stage) and isinstance(self.action.change, StageChange)
        has_opted_out = is_stage and str(target.fields.get("stage") or "").casefold() == opt_out_stage
        return has_opted_out or self.was_stopped(target)

    def _is_allowed_for_suppressed(self, change: Change) -> bool:
        """Return whether the vendor's API documents that a change stops outreach. What an author calls a stop may be anything."""
        updates = self.hook.vendor.updates
        is_default = updates.default_stop is not None and digest_of(change) == digest_of(updates.default_stop)
        return is_default or updates.only_stops_outreach(change)

    def add_errors(self, errors: Iterable[ContactsError], causes: str) -> None:
        """Note that contacts could not be updated.

        :param causes: the errors as text.
        """
        self.errors += errors
        self.causes = causes

    def describe_errors(self) -> str:
        """Return why contacts could not be updated."""
        return f"{self.hook.vendor.title}, connection {self.conn_id!r}: {self.causes}"


@dataclass(slots=True, repr=False)
class StopPlan:
    """What is done to the contacts of people.

    :param people: the people of the references.
    :param unmatched: the references that belong to none.
    :param connections: what is done at each connection.
    """

    people: list[Person]
    unmatched: list[Reference]
    connections: list[ConnectionPlan]
    _connection_of: dict[_Key, ConnectionPlan] = field(default_factory=dict)
    _outcomes: dict[_Key, str] = field(default_factory=dict)

    @classmethod
    def create(
        cls,
        people: list[Person],
        unmatched: list[Reference],
        actions: Mapping[str, StopAction],
        hooks: Mapping[str, ContactsHook[Any]],
        source: str,
    ) -> StopPlan:
        """Assign the contacts of people to connections, except those that the people were found by.

        :param source: which task stops the contacts.
        """
        vendors: Mapping[str, Vendor] = {conn_id: hook.vendor for conn_id, hook in hooks.items()}
        connections = {
            conn_id: ConnectionPlan(conn_id, action, hooks[conn_id], source)
            for conn_id, action in actions.items()
        }
        plan = cls(people, unmatched, list(connections.values()))
        for person in people:
            for contact in list_other_contacts(person):
                key = _key_of(contact)
                if not contact.is_present:
                    plan._outcomes[key] = "removed"
                    continue
                conn_id = find_connection_of(contact.vendor, contact.account_id, actions, vendors)
                if conn_id is None or actions[conn_id].type == "manual":
                    plan._outcomes[key] = "manual"
                if conn_id is not None:
                    plan._connection_of[key] = connections[conn_id]
                    connections[conn_id].add(person, contact)
        return plan

    def count_changes(self) -> int:
        """Return how many contacts would be changed or suppressed."""
        return sum(len(one.targets_to_change) for one in self.connections)

    def set_outcomes(self, vendor: str, references: Iterable[Mapping[str, object]], outcome: str) -> None:
        """Set the outcome of contacts."""
        for one in references:
            self._outcomes[vendor, str(one["account_id"]), str(one["contact_id"])] = outcome

    def group_by_outcome(self) -> dict[str, list[Reference]]:
        """Return the references of the contacts by what happened to them."""
        found: dict[str, list[Reference]] = defaultdict(list)
        for person in self.people:
            for contact in list_other_contacts(person):
                found[self._outcomes[_key_of(contact)]].append(contact.reference())
        return found

    def describe_people(self) -> list[dict[str, object]]:
        """Return, for each person, what was done to the contacts. It contains no personal data."""
        return [
            {
                "person_id": person.person_id,
                "matched_on": person.matched_on,
                "actions": [self._describe(contact) for contact in list_other_contacts(person)],
            }
            for person in self.people
        ]

    def _describe(self, contact: PersonContact) -> dict[str, object]:
        key = _key_of(contact)
        connection = self._connection_of.get(key)
        return {
            **contact.reference(),
            "contacts_conn_id": connection.conn_id if connection else None,
            "action": str(connection.action) if connection else "manual",
            "outcome": self._outcomes[key],
        }


def list_other_contacts(person: Person) -> list[PersonContact]:
    """Return the contacts of a person except those that the person was found by."""
    return [one for one in person.contacts if one not in person.found_by]


def read_references(contacts: object, vendors: Iterable[Vendor] = ()) -> list[Reference]:
    """Return the references that ``contacts`` names, each once.

    :param contacts: references or contacts, or a query or file.
    :param vendors: those of other packages that the references may belong to.
    :raises InvalidRequest: if an item is not a reference; the message gives its position.
    """
    known = {name: hook_class.vendor for name, hook_class in hook_classes().items()}
    known.update({vendor.name: vendor for vendor in vendors})
    found: dict[_Key, Reference] = {}
    for number, item in enumerate(read_items(contacts), start=1):
        where = f"Item {number} of `contacts`"
        if not isinstance(item, Mapping):
            raise InvalidRequest(
                f'{where} is not a reference. Pass mappings such as {{"vendor": "tether", "account_id": "…", "contact_id": "…"}}.'
            )
        name = item.get("vendor")
        if not isinstance(name, str) or item.get("contact_id") is None:
            raise InvalidRequest(
                f"{where} must have `vendor` and `contact_id`, which together identify the contact. Its fields are: {list_names(item)}."
            )
        vendor = known.get(name.strip())
        if vendor is None:
            raise InvalidRequest(f"{where} has an unknown `vendor`. Known vendors: {', '.join(known)}.")
        target = parse_target({**item, "vendor": vendor.name}, where, vendor)
        reference = target.reference(vendor.name)
        found[vendor.name, target.account_id, target.contact_id] = reference
    return list(found.values())


def _key_of(contact: PersonContact) -> _Key:
    return contact.vendor, contact.account_id, contact.contact_id
