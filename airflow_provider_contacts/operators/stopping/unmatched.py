"""Find the people of references that the table of people does not have."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_contacts.contact import REFERENCE_FIELDS, Contact, Reference
from airflow_provider_contacts.core.logs import Log
from airflow_provider_contacts.databases import sa
from airflow_provider_contacts.errors import ContactsError
from airflow_provider_contacts.hooks.base import ContactsHook
from airflow_provider_contacts.identity_keys import IDENTITY_FIELDS
from airflow_provider_contacts.operators.stopping.actions import StopAction
from airflow_provider_contacts.people.lookup import Person, find_people
from airflow_provider_contacts.people.names import may_be_same_name
from airflow_provider_contacts.people.non_personal_keys import (
    is_company_phone,
    is_placeholder_phone,
    is_placeholder_profile,
    is_role_mailbox,
)
from airflow_provider_contacts.people.tables import PeopleTables, is_not_erased
from airflow_provider_contacts.safeguards.keys import find_keys

_ROWS_PER_FETCH = 1000


def read_unmatched(
    references: Iterable[Reference],
    hooks: Mapping[str, ContactsHook[Any]],
    actions: Mapping[str, StopAction],
    log: Log,
) -> Iterator[tuple[Reference, Contact]]:
    """Read contacts from their vendors, where possible, and yield each with its reference.

    :param hooks: the hook of each connection.
    :param actions: the action of each connection, which may name its accounts.
    """
    for reference in references:
        account_id = reference["account_id"]
        for conn_id, hook in hooks.items():
            accounts = actions[conn_id].accounts
            is_other = bool(account_id and accounts) and account_id not in accounts
            if hook.vendor.name != reference["vendor"] or hook.vendor.contact is None or is_other:
                continue
            try:
                yield reference, hook.get_contact(reference)
                break
            except ContactsError as error:
                contact_id = reference["contact_id"]
                log.warning("%s: Contact %s could not be read. %s", hook.vendor.title, contact_id, error)


def match_by_keys(
    connection: sa.Connection, tables: PeopleTables, contacts: Sequence[tuple[Reference, Contact]]
) -> dict[int, Person]:
    """Return the people of contacts that are in no table, by the keys that they share with others.

    Every exported contact is read. A contact whose keys lead to several people has none, and a
    number leads only to contacts whose name does not disagree.

    :return: people, by position in ``contacts``.
    """
    keys = [_list_keys(_get_identity(contact)) for _, contact in contacts]
    wanted = {key for found in keys for key in found}
    holders = _find_holders(connection, tables.contacts, wanted) if wanted else {}
    found: dict[int, Person] = {}
    for index, (_, contact) in enumerate(contacts):
        own = [
            holder.reference
            for key in keys[index]
            for holder in holders.get(key, ())
            if _may_join(key, _get_identity(contact), contact.name, holder)
        ]
        people, _ = find_people(connection, tables, own)
        if len(people) == 1:
            found[index] = Person(people[0].person_id, people[0].contacts)
    return found


@dataclass(frozen=True, slots=True, repr=False)
class _Holder:
    """A contact that has a wanted key."""

    reference: Reference
    fields: Mapping[str, object]


def _may_join(key: str, identity: Mapping[str, object], name: str | None, holder: _Holder) -> bool:
    """Return whether a shared key shows that two contacts are one person.

    Keys join from the most to the least reliable kind, and must not contradict the kinds before
    them, as when people are resolved.
    """
    order = ("linkedin", "email", "phone")
    kind = key.partition(":")[0]
    own, other = _list_keys(identity), _list_keys(holder.fields)
    for stronger in order[: order.index(kind)]:
        of_kind = [{one for one in keys if one.startswith(f"{stronger}:")} for keys in (own, other)]
        if all(of_kind) and of_kind[0].isdisjoint(of_kind[1]):
            return False
    other_name = holder.fields["name"]
    return kind != "phone" or may_be_same_name(name, other_name if isinstance(other_name, str) else None)


def _find_holders(
    connection: sa.Connection, contacts: sa.Table, wanted: set[str]
) -> dict[str, list[_Holder]]:
    """Return the contacts that have one of the keys."""
    names = (*REFERENCE_FIELDS, *IDENTITY_FIELDS, "name")
    query = sa.select(*(contacts.c[name] for name in names)).where(is_not_erased(contacts))
    holders: dict[str, list[_Holder]] = defaultdict(list)
    for row in connection.execute(query.execution_options(yield_per=_ROWS_PER_FETCH)).mappings():
        fields = {str(name): value for name, value in row.items()}
        for key in wanted.intersection(_list_keys(fields)):
            reference: Reference = {
                "vendor": row["vendor"],
                "account_id": row["account_id"],
                "contact_id": row["contact_id"],
            }
            holders[key].append(_Holder(reference, fields))
    return holders


def _list_keys(fields: Mapping[str, object]) -> list[str]:
    """Return the keys that are one person's, without role mailboxes and the like."""
    keys = find_keys({name: fields[name] for name in IDENTITY_FIELDS})
    return [key for key in keys if not _is_shared(*key.split(":", 1))]


def _is_shared(kind: str, value: str) -> bool:
    if kind == "email":
        return is_role_mailbox(value)
    if kind == "phone":
        return is_placeholder_phone(value) or is_company_phone(value)
    return is_placeholder_profile(value)


def _get_identity(contact: Contact) -> dict[str, object]:
    return {name: getattr(contact, name) for name in IDENTITY_FIELDS}
