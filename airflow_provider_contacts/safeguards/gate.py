"""Which contacts of an update are suppressed, and which cannot be checked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from airflow_provider_contacts.contact import Reference
from airflow_provider_contacts.core.batches import batched
from airflow_provider_contacts.core.updates.targets import Target
from airflow_provider_contacts.core.validation import TableLocation
from airflow_provider_contacts.databases import sa
from airflow_provider_contacts.databases.connecting import connect, snapshot, transaction
from airflow_provider_contacts.databases.dialects import require_schema_support
from airflow_provider_contacts.databases.errors import database_errors
from airflow_provider_contacts.databases.tables import ERASED, require_table
from airflow_provider_contacts.people.lookup import list_contacts_of_people
from airflow_provider_contacts.people.tables import define_contacts_table, open_people_tables
from airflow_provider_contacts.safeguards.configuration import ALL_VENDORS, Safeguards
from airflow_provider_contacts.safeguards.keys import find_keys
from airflow_provider_contacts.safeguards.suppressions import open_suppressions

_COLUMNS = ("contact_id", "email", "phone", "country", "linkedin_url", "digest")
_IDS_PER_QUERY = 500


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Ids of contacts that must not, or cannot safely, be contacted.

    :param suppressed: they are suppressed.
    :param unchecked: nothing but their reference is known, or none of their values can be read.
    """

    suppressed: set[str] = field(default_factory=set)
    unchecked: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class SuppressionGate:
    """Looks contacts up in tables of suppressions.

    :param safeguards: these tables, and the tables in which to look up more about the contacts.
    """

    safeguards: Safeguards

    def judge(self, targets: Sequence[Target], vendor: str) -> Verdicts:
        """Return which contacts are suppressed, and which cannot be checked.

        Contacts with the same id in several accounts are the same person, so all that is known of
        any of them counts, and of all contacts of the people if there is a table of people.

        :raises ContactsError: if this cannot be found out.
        """
        if not targets or not self.safeguards.suppressions:
            return Verdicts()
        known = _KnownContacts(vendor)
        for target in targets:
            for fields in (target.fields, *target.other_fields):
                known.add(target.contact_id, {**fields, **target.reference(vendor)})
        for location in self.safeguards.contacts:
            _read_exported(location, known)
        for people_table, contacts_table in self.safeguards.people:
            _read_people(people_table, contacts_table, known)
        suppressed = set(known.erased)
        for location, secret_conn_id in self.safeguards.suppressions:
            with open_suppressions(location, secret_conn_id, create=False) as suppressions:
                for key in suppressions.find_active(known.contact_ids, (ALL_VENDORS, vendor)):
                    suppressed |= known.contact_ids[key]
        return Verdicts(suppressed, known.ids - known.checked - suppressed)


class _KnownContacts:
    """What is known of the contacts of an update.

    :param vendor: the vendor of the update.
    """

    def __init__(self, vendor: str) -> None:
        self.vendor = vendor
        self.ids: set[str] = set()
        # Contacts with a key other than their reference.
        self.checked: set[str] = set()
        self.erased: set[str] = set()
        # By key: the ids of the contacts whose person has it.
        self.contact_ids: dict[str, set[str]] = defaultdict(set)

    def add(self, contact_id: str, fields: Mapping[str, object]) -> None:
        """Add what a record says of the person of a contact.

        :param fields: the fields of the contact, or of another one of the person.
        """
        self.ids.add(contact_id)
        if fields.get("digest") == ERASED:
            # The row was erased, so treat the contact as suppressed.
            self.erased.add(contact_id)
        for key in find_keys(fields, self.vendor):
            if not key.startswith("reference:"):
                self.checked.add(contact_id)
            self.contact_ids[key].add(contact_id)


def _read_exported(location: TableLocation, known: _KnownContacts) -> None:
    """Add the exported rows of the contacts."""
    table = define_contacts_table(location.table)
    query = sa.select(*(table.c[name] for name in _COLUMNS)).where(table.c.vendor == known.vendor)
    problem = f"The exported contacts {location} cannot be read, so no more contacts are updated"
    with connect(location.sql_conn_id) as engine, database_errors(problem):
        require_schema_support(engine.dialect.name, table.schema)
        require_table(engine, table, allow_other_columns=True, writer="ContactsToSqlOperator")
        with transaction(engine) as connection:
            for chunk in batched(sorted(known.ids), _IDS_PER_QUERY):
                for row in connection.execute(query.where(table.c.contact_id.in_(chunk))):
                    known.add(str(row.contact_id), dict(row._mapping))


def _read_people(people_table: TableLocation, contacts_table: str, known: _KnownContacts) -> None:
    """Add what is known of all contacts of the people."""
    problem = f"The people {people_table} cannot be read, so no more contacts are updated"
    with (
        open_people_tables(people_table, contacts_table, create=False) as (engine, tables),
        database_errors(problem),
        snapshot(engine) as connection,
    ):
        references: Iterable[Reference] = (
            {"vendor": known.vendor, "account_id": "", "contact_id": contact_id}
            for contact_id in sorted(known.ids)
        )
        for (_, contact_id), contacts in list_contacts_of_people(connection, tables, references).items():
            for contact in contacts:
                known.add(contact_id, {**contact.fields, **contact.reference()})
