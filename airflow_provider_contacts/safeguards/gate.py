"""Which contacts of an update are suppressed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from airflow_provider_contacts.core.batches import batched
from airflow_provider_contacts.core.logs import Log
from airflow_provider_contacts.core.updates.targets import Target
from airflow_provider_contacts.core.validation import TableLocation, parse_table_name
from airflow_provider_contacts.databases import sa
from airflow_provider_contacts.databases.connecting import connect, transaction
from airflow_provider_contacts.databases.errors import database_errors
from airflow_provider_contacts.databases.tables import ERASED
from airflow_provider_contacts.safeguards.configuration import ALL_VENDORS, Safeguards
from airflow_provider_contacts.safeguards.keys import find_keys
from airflow_provider_contacts.safeguards.suppressions import open_suppressions

_COLUMNS = ("contact_id", "email", "phone", "country", "linkedin_url", "digest")
_IDS_PER_QUERY = 500


@dataclass(frozen=True, slots=True)
class SuppressionGate:
    """Looks contacts up in tables of suppressions.

    :param safeguards: these tables, and tables of exported contacts, in which to look up more about
        the contacts.
    :param ignored_reason: suppressions with this reason do not count, if it is not empty.
    """

    safeguards: Safeguards
    log: Log
    ignored_reason: str = ""

    def find_suppressed(self, targets: Sequence[Target], vendor: str) -> set[str]:
        """Return the ids of the contacts that must not be contacted.

        Contacts with the same id in several accounts are the same person, so all that is known of
        any of them counts.

        :raises ContactsError: if this cannot be found out.
        """
        contact_ids: dict[str, set[str]] = defaultdict(set)
        for target in targets:
            reference = target.reference(vendor)
            for fields in (target.fields, *target.other_fields):
                for key in find_keys({**fields, **reference}, vendor):
                    contact_ids[key].add(target.contact_id)
        suppressed: set[str] = set()
        for contact_id, rows in self._read_exported(targets, vendor).items():
            for fields in rows:
                if fields["digest"] == ERASED:
                    # The row was erased, so treat the contact as suppressed.
                    suppressed.add(contact_id)
                for key in find_keys(fields, vendor):
                    contact_ids[key].add(contact_id)
        for location, secret_conn_id in self.safeguards.suppressions:
            with open_suppressions(location, secret_conn_id, create=False) as suppressions:
                for key in suppressions.find_active(
                    contact_ids, (ALL_VENDORS, vendor), ignored_reason=self.ignored_reason
                ):
                    suppressed |= contact_ids[key]
        return suppressed

    def _read_exported(self, targets: Sequence[Target], vendor: str) -> dict[str, list[Mapping[str, object]]]:
        """Return the exported rows of the contacts, by contact id."""
        rows: dict[str, list[Mapping[str, object]]] = defaultdict(list)
        if not targets or not self.safeguards.contacts:
            return rows
        for location in self.safeguards.contacts:
            _read_rows(location, vendor, {target.contact_id for target in targets}, rows)
        bare = {target.contact_id for target in targets if not has_identity(target)}
        missing = len(bare - rows.keys())
        if missing:
            self.log.warning(
                "%d of %d references are not in the contacts table. Suppressions of their e-mail address, "
                "phone number or LinkedIn profile are not recognized. Export these contacts first.",
                missing,
                len(bare),
            )
        return rows


def has_identity(target: Target) -> bool:
    """Return whether more is known of a contact than its reference."""
    known = (target.fields, *target.other_fields)
    return any(fields.get(name) for fields in known for name in ("email", "phone", "linkedin_url"))


def _read_rows(
    location: TableLocation, vendor: str, contact_ids: set[str], rows: dict[str, list[Mapping[str, object]]]
) -> None:
    schema, table_name = parse_table_name(location.table, "contacts_table")
    table = sa.table(table_name, *map(sa.column, ("vendor", *_COLUMNS)), schema=schema)
    query = sa.select(*(table.c[column] for column in _COLUMNS)).where(table.c.vendor == vendor)
    problem = "The table of exported contacts cannot be read, so nothing is written"
    with connect(location.sql_conn_id) as engine, database_errors(problem), transaction(engine) as connection:
        for chunk in batched(sorted(contact_ids), _IDS_PER_QUERY):
            for row in connection.execute(query.where(table.c.contact_id.in_(chunk))):
                rows[str(row.contact_id)].append(dict(row._mapping))
