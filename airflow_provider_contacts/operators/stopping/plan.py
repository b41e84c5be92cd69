"""What stopping outreach to people does to each of their contacts."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_contacts.contact import Contact, ContactKey, Reference, ReferenceKey, key_of
from airflow_provider_contacts.core.updates.targets import Target, parse_target
from airflow_provider_contacts.core.validation import list_names
from airflow_provider_contacts.errors import InvalidRequest
from airflow_provider_contacts.hooks.registry import hook_classes
from airflow_provider_contacts.identity_keys import IDENTITY_FIELDS
from airflow_provider_contacts.operators.sources import read_items
from airflow_provider_contacts.operators.stopping.actions import StopAction, find_connection_of
from airflow_provider_contacts.operators.stopping.causes import (
    Cause,
    combine_causes,
    find_cause,
    is_news,
    read_cause,
)
from airflow_provider_contacts.operators.stopping.records import StopTarget
from airflow_provider_contacts.operators.stopping.suppressing import StopSuppressions
from airflow_provider_contacts.operators.updating.plan import UpdatePlan, plan_updates
from airflow_provider_contacts.people.lookup import Person, PersonContact
from airflow_provider_contacts.safeguards.keys import find_keys

if TYPE_CHECKING:
    from airflow_provider_contacts.core.vendor import Vendor
    from airflow_provider_contacts.hooks.base import ContactsHook

# Outcomes of contacts to which nothing was done now. Results have their number only.
NOTHING_DONE = ("stopped_before", "unchanged")
# Numbers that end alike are taken for one that is written in two ways.
_LAST_DIGITS = 9


@dataclass(frozen=True, slots=True, repr=False)
class StoppedPerson:
    """A person to stop.

    :param cause: why.
    :param outdated: contacts that may belong to another person by now.
    """

    person: Person
    cause: Cause
    outdated: Collection[ReferenceKey] = ()

    def is_current(self, contact: PersonContact) -> bool:
        """Return whether a contact still shares a key with the person."""
        return contact.key not in self.outdated


@dataclass(frozen=True, slots=True, repr=False)
class ConnectionPlan:
    """What is done at one connection.

    :param contacts: the contacts of people that belong to it.
    :param updates: what is done to each of them; nothing if they are to be stopped manually.
    :param stop_targets: each pending contact of ``updates``, with its cause and its last stop.
    """

    conn_id: str
    action: StopAction
    hook: ContactsHook[Any]
    contacts: Sequence[PersonContact]
    updates: UpdatePlan
    stop_targets: Sequence[StopTarget]


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
        """Return what was done to the contacts of people, without personal data.

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
                "action": str(connection.action) if connection else None,
                "outcome": outcomes[contact.key],
            }

        def is_done(contact: PersonContact) -> bool:
            return outcomes[contact.key] not in NOTHING_DONE

        return [
            {
                "person_id": person.person_id,
                "matched_on": person.matched_on,
                "actions": [describe(contact) for contact in others if is_done(contact)],
            }
            for person in self.people
            if any(map(is_done, others := list_other_contacts(person)))
        ]


def plan_stop(
    people: Sequence[StoppedPerson],
    unmatched: Sequence[Reference],
    actions: Mapping[str, StopAction],
    hooks: Mapping[str, ContactsHook[Any]],
    suppressions: StopSuppressions,
    *,
    leave_opt_out: bool = False,
) -> StopPlan:
    """Decide what to do with every contact of people, except the one that a person was found by.

    :param actions: the action of each connection.
    :param hooks: the hook of each connection.
    :param leave_opt_out: whether contacts who have opted out may be moved to another stage.
    :raises ContactsError: if the suppressions cannot be read.
    """
    vendors = {conn_id: hook.vendor for conn_id, hook in hooks.items()}
    assigned: dict[str, list[tuple[StoppedPerson, PersonContact]]] = {conn_id: [] for conn_id in actions}
    outcomes: dict[ReferenceKey, str] = {}
    for person in people:
        for contact in list_other_contacts(person.person):
            conn_id = find_connection_of(contact.vendor, contact.account_id, actions, vendors)
            if conn_id is None:
                outcomes[contact.key] = "no_action"
            elif not person.is_current(contact):
                outcomes[contact.key] = "outdated"
            else:
                assigned[conn_id].append((person, contact))
                if actions[conn_id].type == "manual":
                    outcomes[contact.key] = "manual"
    connections = [
        ConnectionPlan(
            conn_id,
            action,
            hooks[conn_id],
            [contact for _, contact in assigned[conn_id]],
            *_plan_connection(
                action, vendors[conn_id], assigned[conn_id], suppressions, outcomes, leave_opt_out
            ),
        )
        for conn_id, action in actions.items()
    ]
    return StopPlan([one.person for one in people], unmatched, connections, outcomes)


def _plan_connection(
    action: StopAction,
    vendor: Vendor,
    contacts: Sequence[tuple[StoppedPerson, PersonContact]],
    suppressions: StopSuppressions,
    outcomes: dict[ReferenceKey, str],
    leave_opt_out: bool,
) -> tuple[UpdatePlan, list[StopTarget]]:
    """Decide what to do with the contacts of one connection, and note the outcomes that are known.

    What the table says about tags and stages may be out of date, so contacts are changed unless
    they were stopped before.

    :return: the plan, and the cause of each pending contact.
    """
    change = action.change
    if change is None or not contacts:
        return UpdatePlan(), []
    targets = []
    stop_targets: dict[ContactKey, StopTarget] = {}
    for person, contact in contacts:
        target = Target(contact.account_id, contact.contact_id, contact.fields, change)
        targets.append(target)
        last = next((stop for stop in contact.stops if stop.digest == action.digest), None)
        stop_targets[target.key] = StopTarget(target, person.cause, last)
        has_opted_out = vendor.updates.is_opt_out(contact.fields.get("stage")) or any(
            stop.opts_out for stop in contact.stops
        )
        if last is not None and not is_news(person.cause, last):
            outcomes[contact.key] = "stopped_before"
        elif has_opted_out and vendor.updates.would_leave_opt_out(change) and not leave_opt_out:
            outcomes[contact.key] = "unchanged"
    if action.type == "suppress":
        recorded = suppressions.find_recorded(targets, vendor.name)
        for target in targets:
            if target.key in recorded:
                outcomes.setdefault((vendor.name, *target.key), "unchanged")

    def was_changed_before(target: Target) -> bool:
        last = stop_targets[target.key].last
        return suppressions.source != "" and last is not None and last.by == suppressions.source

    plan = plan_updates(
        targets,
        lambda target: (vendor.name, *target.key) in outcomes,
        changed_before=[target for target in targets if was_changed_before(target)],
    )
    return plan, [stop_targets[target.key] for target in plan.pending]


def list_other_contacts(person: Person) -> list[PersonContact]:
    """Return the contacts of a person, except the only one that the person was found by.

    If there are several, each of them is another one to the rest.
    """
    if len(person.found_by) != 1:
        return list(person.contacts)
    return [contact for contact in person.contacts if contact is not person.found_by[0]]


def find_outdated(person: Person, fresh: Sequence[Contact] = ()) -> set[ReferenceKey]:
    """Return the contacts that share no key, directly or not, with those the person was found by.

    Their records have changed since the people were resolved: they may belong to another person.

    :param fresh: contacts that the person was found by and that are in no table.
    """
    if not fresh and not person.found_by:
        return set()
    keys = {contact.key: _list_keys(contact.fields) for contact in person.contacts}
    reached = set[str]().union(*(keys[contact.key] for contact in person.found_by))
    for one in fresh:
        reached |= _list_keys({name: getattr(one, name) for name in IDENTITY_FIELDS})
    outdated = {contact.key for contact in person.contacts if contact not in person.found_by}
    # Contacts with the id of another one are the same person in another account.
    ids = {contact.bare_key for contact in person.found_by}
    while True:
        near = {
            contact
            for contact in outdated
            if not reached.isdisjoint(keys[contact]) or (contact[0], contact[2]) in ids
        }
        if not near:
            return outdated
        outdated -= near
        reached = reached.union(*(keys[contact] for contact in near))
        ids |= {(contact[0], contact[2]) for contact in near}


def _list_keys(fields: Mapping[str, object]) -> set[str]:
    """Return all keys that a contact may have, and the end of its number, in any notation."""
    keys = set(find_keys({name: fields.get(name) for name in IDENTITY_FIELDS}))
    digits = "".join(filter(str.isdigit, str(fields.get("phone") or "")))
    return keys | ({f"digits:{digits[-_LAST_DIGITS:]}"} if len(digits) >= _LAST_DIGITS else set())


def read_references(
    contacts: object, vendors: Iterable[Vendor] = ()
) -> dict[ReferenceKey, tuple[Reference, Cause | None]]:
    """Return the references that ``contacts`` names, each once, with the causes of their items.

    :param contacts: references or contacts, or a query or file.
    :param vendors: those of other packages that the references may belong to.
    :raises InvalidRequest: if an item is not a reference; the message gives its position.
    """
    known = {name: hook_class.vendor for name, hook_class in hook_classes().items()}
    known.update({vendor.name: vendor for vendor in vendors})
    references: dict[ReferenceKey, tuple[Reference, Cause | None]] = {}
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
        key = key_of(reference)
        cause = read_cause(item, where) or find_cause(item, vendor)
        earlier = references[key][1] if key in references else None
        references[key] = reference, combine_causes([cause, earlier]) if cause or earlier else None
    return references
