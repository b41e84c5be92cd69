"""The people of the references of a stop, and why outreach to them is stopped."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from airflow_provider_contacts.contact import Contact, Reference, ReferenceKey, key_of
from airflow_provider_contacts.core.logs import Log
from airflow_provider_contacts.core.vendor import Vendor
from airflow_provider_contacts.databases import sa
from airflow_provider_contacts.databases.connecting import snapshot
from airflow_provider_contacts.databases.errors import database_errors
from airflow_provider_contacts.errors import ContactsError
from airflow_provider_contacts.hooks.base import ContactsHook
from airflow_provider_contacts.operators.stopping.actions import StopAction
from airflow_provider_contacts.operators.stopping.arguments import StopOptions
from airflow_provider_contacts.operators.stopping.causes import Cause, combine_causes, find_cause
from airflow_provider_contacts.operators.stopping.plan import StoppedPerson, find_outdated
from airflow_provider_contacts.operators.stopping.unmatched import match_by_keys, read_unmatched
from airflow_provider_contacts.people.lookup import Person, compute_backlog_age, find_accounts, find_people
from airflow_provider_contacts.people.tables import PeopleTables

_CAUSE_FIELDS = ("stage", "replied", "replied_at", "unsubscribed_at")
Causes = Mapping[ReferenceKey, tuple[Reference, Cause | None]]


@dataclass(frozen=True, slots=True, repr=False)
class PeopleFinder:
    """Finds people in the table of people.

    :param hooks: the hook of each connection.
    """

    options: StopOptions
    engine: sa.Engine
    tables: PeopleTables
    hooks: Mapping[str, ContactsHook[Any]]
    log: Log

    def find(self, causes: Causes) -> tuple[list[StoppedPerson], list[Reference]]:
        """Return the people of references, and the references without a person.

        :param causes: the references, each with the cause that its item names.
        :raises ContactsError: if the table is too old, or cannot be read.
        """
        with self._read() as connection:
            self._check_age(compute_backlog_age(connection, self.tables))
            references = [reference for reference, _ in causes.values()]
            people, unmatched = find_people(connection, self.tables, references)
        found = {person.person_id: person for person in people}
        fresh: dict[str, list[tuple[Reference, Contact]]] = defaultdict(list)
        read = (
            list(read_unmatched(unmatched, self.hooks, self.options.actions, self.log)) if unmatched else []
        )
        if read:
            with self._read() as connection:
                matched = match_by_keys(connection, self.tables, read)
            for index, person in matched.items():
                found.setdefault(person.person_id, person)
                fresh[person.person_id].append(read[index])
                unmatched.remove(read[index][0])
        if unmatched:
            self.log.warning(
                "%d of %d references belong to no person in %r. Export the contacts and resolve the people "
                "first.",
                len(unmatched),
                len(causes),
                self.options.people_table,
            )
        return [
            self._describe(person, fresh[name], causes) for name, person in sorted(found.items())
        ], unmatched

    def warn_of_unknown_accounts(self, actions: Mapping[str, StopAction]) -> None:
        """Warn of accounts in ``actions`` that no contact has."""
        if not any(action.accounts for action in actions.values()):
            return
        with self._read() as connection:
            known_accounts = find_accounts(connection, self.tables)
        for conn_id, action in actions.items():
            vendor = self.hooks[conn_id].vendor
            known = known_accounts.get(vendor.name, [])
            if unknown := [account for account in action.accounts if account not in known]:
                self.log.warning(
                    "`accounts` of %r names %s, which no contact in %r has. Known accounts of %s: %s.",
                    conn_id,
                    ", ".join(unknown),
                    self.options.people_table,
                    vendor.title,
                    ", ".join(known) or "none",
                )

    def _describe(
        self, person: Person, fresh: list[tuple[Reference, Contact]], causes: Causes
    ) -> StoppedPerson:
        """Return a person with the cause, and the contacts that may be another person's by now."""
        vendors: dict[str, Vendor] = {hook.vendor.name: hook.vendor for hook in self.hooks.values()}
        named = [
            (contact, key)
            for contact in person.contacts
            for key in (contact.key, (contact.vendor, "", contact.contact_id))
            if key in causes
        ]
        keys = [key for _, key in named]
        keys += [key_of(reference) for reference, _ in fresh]
        records = [
            *((contact.vendor, contact.fields) for contact, _ in named),
            *((one.vendor, {name: getattr(one, name) for name in _CAUSE_FIELDS}) for _, one in fresh),
        ]
        reasons = [
            *(causes[key][1] for key in keys),
            *(find_cause(fields, vendors[vendor]) for vendor, fields in records if vendor in vendors),
        ]
        if self.options.cause is not None:
            at = max((cause.at for cause in reasons if cause and cause.at), default=None)
            reasons = [Cause(self.options.cause, at)]
        contacts = [contact for _, contact in fresh]
        return StoppedPerson(person, combine_causes(reasons), find_outdated(person, contacts))

    def _check_age(self, age: timedelta | None) -> None:
        options = self.options
        if age is None:
            raise ContactsError(
                f"The people in {options.people_table!r} were never resolved from these contacts. Run "
                "ResolvePeopleOperator, then retry. Nothing was written.",
                transient=True,
            )
        if options.max_age is not None and age > options.max_age:
            raise ContactsError(
                f"Contacts in {options.contacts_table!r} changed {age} ago, and the people in "
                f"{options.people_table!r} have not been resolved since; max_age is {options.max_age}. Run "
                "ResolvePeopleOperator, then retry. Nothing was written.",
                transient=True,
            )
        if age:
            self.log.warning(
                "Contacts in %r changed %s ago, and the people in %r have not been resolved since. Run "
                "ResolvePeopleOperator after every export.",
                options.contacts_table,
                age,
                options.people_table,
            )

    @contextlib.contextmanager
    def _read(self) -> Iterator[sa.Connection]:
        """Provide a connection whose reads all see the same people."""
        problem = f"The table {self.options.people_table!r} cannot be read, so nothing is written"
        with database_errors(problem), snapshot(self.engine) as connection:
            yield connection
