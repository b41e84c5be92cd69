"""What stopping outreach to people does to each of their contacts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_contacts.contact import Reference
from airflow_provider_contacts.core.changes import Change, StageChange
from airflow_provider_contacts.core.updates.targets import Target
from airflow_provider_contacts.core.validation import is_int, list_names
from airflow_provider_contacts.errors import ContactsError, InvalidRequest
from airflow_provider_contacts.hooks.registry import hook_classes
from airflow_provider_contacts.operators.sources import ContactSource
from airflow_provider_contacts.operators.stop_actions import StopAction, find_connection_of
from airflow_provider_contacts.operators.update_plan import UpdatePlan, is_satisfied
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

    :param contacts: the contacts of this connection.
    :param plan: which of them to update, if the action is a change.
    :param to_suppress: which of them to suppress, with their keys, if that is the action.
    :param errors: why contacts could not be updated.
    :param causes: the errors as text.
    """

    conn_id: str
    action: StopAction
    hook: ContactsHook[Any]
    contacts: list[PersonContact] = field(default_factory=list)
    plan: UpdatePlan = field(default_factory=lambda: UpdatePlan([], [], ()))
    to_suppress: list[tuple[PersonContact, list[str]]] = field(default_factory=list)
    errors: list[ContactsError] = field(default_factory=list)
    causes: str = ""

    def make_plan(self, open_gate: Callable[[], Gate]) -> None:
        """Decide which contacts to update."""
        if self.action.change is None or not self.contacts:
            return
        stopped = {
            (one.account_id, one.contact_id) for one in self.contacts if one.stop_digest == self.action.digest
        }

        opt_out_stage = self.hook.vendor.updates.opt_out_stage.casefold()
        is_stage = isinstance(self.action.change, StageChange)

        def is_done(target: Target) -> bool:
            stage = str(target.fields.get("stage") or "").casefold()
            has_opted_out = is_stage and bool(opt_out_stage) and stage == opt_out_stage
            was_stopped = (target.account_id, target.contact_id) in stopped
            return has_opted_out or was_stopped or is_satisfied(target)

        targets = [
            Target(one.account_id, one.contact_id, one.fields, self.action.change) for one in self.contacts
        ]
        self.plan = UpdatePlan.create(
            targets, open_gate(), self.hook.vendor, is_done, self._is_allowed_for_suppressed
        )

    def _is_allowed_for_suppressed(self, change: Change) -> bool:
        """Return whether the vendor's API documents that a change stops outreach. What an author calls a stop may be anything."""
        updates = self.hook.vendor.updates
        return change == updates.default_stop or updates.only_stops_outreach(change)

    @property
    def targets_to_change(self) -> list[Target]:
        """The contacts to update or to suppress."""
        suppressed = [
            Target(contact.account_id, contact.contact_id, contact.fields) for contact, _ in self.to_suppress
        ]
        return [*self.plan.to_update, *suppressed]

    def to_section(self) -> RequestSection:
        """Return the part of an approval request that is about this connection."""
        targets = self.targets_to_change
        return RequestSection(
            self.hook.vendor.title,
            self.conn_id,
            targets,
            unchanged=len(self.contacts) - len(targets) - len(self.plan.suppressed_indexes),
            suppressed=len(self.plan.suppressed_indexes),
        )

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
    ) -> StopPlan:
        """Assign the contacts of people to connections, except those in the accounts that the references belong to."""
        vendors: Mapping[str, Vendor] = {conn_id: hook.vendor for conn_id, hook in hooks.items()}
        connections = {
            conn_id: ConnectionPlan(conn_id, action, hooks[conn_id]) for conn_id, action in actions.items()
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
                    connections[conn_id].contacts.append(contact)
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
    """Return the contacts of a person in other accounts than those that the person was looked up by."""
    accounts = {(one.vendor, one.account_id) for one in person.found_by}
    return [one for one in person.contacts if (one.vendor, one.account_id) not in accounts]


def read_references(contacts: object) -> list[Reference]:
    """Return the references that ``contacts`` names, each once.

    :param contacts: references or contacts, or a query or file.
    :raises InvalidRequest: if an item is not a reference; the message gives its position.
    """
    found: dict[_Key, Reference] = {}
    for number, item in enumerate(_items(contacts), start=1):
        where = f"Item {number} of `contacts`"
        if not isinstance(item, Mapping):
            raise InvalidRequest(
                f'{where} is not a reference. Pass mappings such as {{"vendor": "tether", "account_id": "…", "contact_id": "…"}}.'
            )
        fields: Mapping[str, object] = item
        vendor = fields.get("vendor")
        contact_id = fields.get("contact_id")
        if is_int(contact_id):
            contact_id = str(contact_id)
        if not isinstance(vendor, str) or not isinstance(contact_id, str) or not contact_id.strip():
            raise InvalidRequest(
                f"{where} must have `vendor` and `contact_id`, which together identify the contact. Its fields are: {list_names(fields)}."
            )
        if vendor.strip() not in hook_classes():
            raise InvalidRequest(
                f"{where} has an unknown `vendor`. Known vendors: {', '.join(hook_classes())}."
            )
        account_id = fields.get("account_id")
        reference: Reference = {
            "vendor": vendor.strip(),
            "account_id": "" if account_id is None else str(account_id).strip(),
            "contact_id": contact_id.strip(),
        }
        found[reference["vendor"], reference["account_id"], reference["contact_id"]] = reference
    return list(found.values())


def _items(contacts: object) -> Iterable[object]:
    if isinstance(contacts, ContactSource):
        return contacts.read_rows()
    if isinstance(contacts, str):
        raise InvalidRequest(
            "`contacts` is text. Pass `task.output`, or set render_template_as_native_obj=True on the DAG."
        )
    if isinstance(contacts, Mapping):
        return [contacts]
    if not isinstance(contacts, Sequence):
        raise InvalidRequest("`contacts` must be a list of references or contacts.")
    return contacts


def _key_of(contact: PersonContact) -> _Key:
    return contact.vendor, contact.account_id, contact.contact_id
