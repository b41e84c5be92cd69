"""What stopping outreach to people does to each of their contacts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_contacts.contact import Reference, ReferenceKey, key_of
from airflow_provider_contacts.core.changes import Change, StageChange
from airflow_provider_contacts.core.updates.targets import Target, parse_target
from airflow_provider_contacts.core.validation import list_names
from airflow_provider_contacts.errors import InvalidRequest
from airflow_provider_contacts.hooks.registry import hook_classes
from airflow_provider_contacts.operators.sources import read_items
from airflow_provider_contacts.operators.stopping.actions import StopAction, digest_of, find_connection_of
from airflow_provider_contacts.operators.stopping.suppressing import StopSuppressions
from airflow_provider_contacts.operators.updating.plan import UpdatePlan, plan_updates
from airflow_provider_contacts.people.lookup import Person, PersonContact

if TYPE_CHECKING:
    from airflow_provider_contacts.core.vendor import Vendor
    from airflow_provider_contacts.hooks.base import ContactsHook


@dataclass(frozen=True, slots=True, repr=False)
class ConnectionPlan:
    """What is done at one connection.

    :param contacts: the contacts of people that belong to it.
    :param updates: what is done to each of them; nothing if they are to be stopped manually.
    """

    conn_id: str
    action: StopAction
    hook: ContactsHook[Any]
    contacts: Sequence[PersonContact]
    updates: UpdatePlan


@dataclass(frozen=True, slots=True, repr=False)
class StopPlan:
    """What is done to the contacts of people.

    :param people: the people of the references.
    :param unmatched: the references that belong to none.
    :param connections: what is done at each connection.
    :param outcomes: the outcomes that are known before anything is written.
    """

    people: Sequence[Person]
    unmatched: Sequence[Reference]
    connections: Sequence[ConnectionPlan]
    outcomes: Mapping[ReferenceKey, str]

    def describe_people(self, outcomes: Mapping[ReferenceKey, str]) -> list[dict[str, object]]:
        """Return, for each person, what was done to the contacts. It contains no personal data.

        :param outcomes: what happened to each contact.
        """
        connections = {
            contact.key: connection for connection in self.connections for contact in connection.contacts
        }

        def describe(contact: PersonContact) -> dict[str, object]:
            connection = connections.get(contact.key)
            return {
                **contact.reference(),
                "contacts_conn_id": connection.conn_id if connection else None,
                "action": str(connection.action) if connection else "manual",
                "outcome": outcomes[contact.key],
            }

        return [
            {
                "person_id": person.person_id,
                "matched_on": person.matched_on,
                "actions": [describe(contact) for contact in list_other_contacts(person)],
            }
            for person in self.people
        ]


def plan_stop(
    people: Sequence[Person],
    unmatched: Sequence[Reference],
    actions: Mapping[str, StopAction],
    hooks: Mapping[str, ContactsHook[Any]],
    suppressions: StopSuppressions,
) -> StopPlan:
    """Decide what to do with every contact of people, except those that the people were found by.

    :param actions: the action of each connection.
    :param hooks: the hook of each connection.
    :raises ContactsError: if the suppressions cannot be read.
    """
    vendors = {conn_id: hook.vendor for conn_id, hook in hooks.items()}
    assigned: dict[str, list[tuple[Person, PersonContact]]] = {conn_id: [] for conn_id in actions}
    outcomes: dict[ReferenceKey, str] = {}
    for person in people:
        for contact in list_other_contacts(person):
            conn_id = find_connection_of(contact.vendor, contact.account_id, actions, vendors)
            if not contact.is_present:
                outcomes[contact.key] = "removed"
                continue
            if conn_id is None or actions[conn_id].type == "manual":
                outcomes[contact.key] = "manual"
            if conn_id is not None:
                assigned[conn_id].append((person, contact))
    connections = [
        ConnectionPlan(
            conn_id,
            action,
            hooks[conn_id],
            [contact for _, contact in assigned[conn_id]],
            _plan_connection(action, vendors[conn_id], assigned[conn_id], suppressions),
        )
        for conn_id, action in actions.items()
    ]
    for connection in connections:
        vendor = connection.hook.vendor.name
        for outcome in ("unchanged", "suppressed"):
            settled: Iterable[Target] = getattr(connection.updates, outcome)
            outcomes.update((key_of(target.reference(vendor)), outcome) for target in settled)
    return StopPlan(people, unmatched, connections, outcomes)


def _plan_connection(
    action: StopAction,
    vendor: Vendor,
    contacts: Sequence[tuple[Person, PersonContact]],
    suppressions: StopSuppressions,
) -> UpdatePlan:
    """Decide what to do with the contacts of one connection.

    What the table says about tags and stages may be out of date, so contacts are changed unless
    they were stopped before.
    """
    if action.change is None or not contacts:
        return UpdatePlan()
    stops: dict[int, Mapping[str, str]] = {}
    targets = []
    for person, contact in contacts:
        known = tuple(other.fields for other in person.contacts if other is not contact)
        target = Target(contact.account_id, contact.contact_id, contact.fields, action.change, known)
        targets.append(target)
        stops[id(target)] = contact.stops
    digest = action.digest
    if action.type == "suppress":
        suppressed_ids: set[str] = set()
        recorded = suppressions.find_recorded(targets, vendor.name)
    else:
        suppressed_ids = suppressions.find_suppressed(targets, vendor.name)
        recorded = set()

    def is_done(target: Target) -> bool:
        return (
            digest in stops[id(target)]
            or target.key in recorded
            or _would_leave_opt_out_stage(target, vendor)
        )

    def was_changed_before(target: Target) -> bool:
        return suppressions.source != "" and stops[id(target)].get(digest) == suppressions.source

    return plan_updates(
        targets,
        suppressed_ids,
        is_done,
        lambda change: _is_allowed_for_suppressed(change, vendor),
        changed_before=[target for target in targets if was_changed_before(target)],
    )


def _would_leave_opt_out_stage(target: Target, vendor: Vendor) -> bool:
    """Return whether a change of the stage would move a contact out of the opt-out stage."""
    stage = vendor.updates.opt_out_stage.casefold()
    is_stage = bool(stage) and isinstance(target.change, StageChange)
    return is_stage and str(target.fields.get("stage") or "").casefold() == stage


def _is_allowed_for_suppressed(change: Change, vendor: Vendor) -> bool:
    """Return whether suppressed contacts may get a change, because it only stops outreach."""
    updates = vendor.updates
    is_default = updates.default_stop is not None and digest_of(change) == digest_of(updates.default_stop)
    return is_default or updates.only_stops_outreach(change)


def list_other_contacts(person: Person) -> list[PersonContact]:
    """Return the contacts of a person except those that the person was found by."""
    return [contact for contact in person.contacts if contact not in person.found_by]


def read_references(contacts: object, vendors: Iterable[Vendor] = ()) -> list[Reference]:
    """Return the references that ``contacts`` names, each once.

    :param contacts: references or contacts, or a query or file.
    :param vendors: those of other packages that the references may belong to.
    :raises InvalidRequest: if an item is not a reference; the message gives its position.
    """
    known = {name: hook_class.vendor for name, hook_class in hook_classes().items()}
    known.update({vendor.name: vendor for vendor in vendors})
    references: dict[ReferenceKey, Reference] = {}
    for number, item in enumerate(read_items(contacts), start=1):
        where = f"Item {number} of `contacts`"
        if not isinstance(item, Mapping):
            raise InvalidRequest(
                f'{where} is not a reference. Pass mappings such as {{"vendor": "tether", "account_id": '
                '"…", "contact_id": "…"}.'
            )
        name = item.get("vendor")
        if not isinstance(name, str) or item.get("contact_id") is None:
            raise InvalidRequest(
                f"{where} must have `vendor` and `contact_id`, which together identify the contact. Its "
                f"fields are: {list_names(item)}."
            )
        vendor = known.get(name.strip())
        if vendor is None:
            raise InvalidRequest(f"{where} has an unknown `vendor`. Known vendors: {', '.join(known)}.")
        target = parse_target({**item, "vendor": vendor.name}, where, vendor)
        reference = target.reference(vendor.name)
        references[key_of(reference)] = reference
    return list(references.values())
