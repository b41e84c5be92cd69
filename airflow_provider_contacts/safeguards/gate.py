"""Which contacts of an update are suppressed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from airflow_provider_contacts.core.logs import Log
from airflow_provider_contacts.core.updates.targets import Target
from airflow_provider_contacts.databases.connecting import connect, transaction
from airflow_provider_contacts.databases.errors import database_errors
from airflow_provider_contacts.databases.tables import ERASED, parse_table_location, parse_table_name
from airflow_provider_contacts.safeguards.configuration import find_suppression_locations, read_location
from airflow_provider_contacts.safeguards.keys import find_keys
from airflow_provider_contacts.safeguards.suppressions import ALL, open_suppressions

_COLUMNS = ("contact_id", "email", "phone", "country", "linkedin_url", "digest")
_IDS_PER_QUERY = 500


@dataclass(frozen=True, slots=True)
class Gate:
    """Looks contacts up in tables of suppressions.

    :param locations: the tables, each with the connection of its secret.
    :param contacts_tables: ``<conn_id>.<table>`` of exported contacts, in which to look up more about the contacts.
    :param ignored_reason: suppressions with this reason do not count, if it is not empty.
    """

    locations: Sequence[tuple[str, str]]
    contacts_tables: Sequence[str]
    log: Log
    ignored_reason: str = ""

    def find_suppressed(self, targets: Sequence[Target], vendor: str) -> set[str]:
        """Return the ids of the contacts that must not be contacted.

        Contacts with the same id in several accounts are the same person, so all that is known of any of them counts.

        :raises ContactsError: if this cannot be found out.
        """
        if not self.locations:
            return set()
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
                    # Whether this person has opted out cannot be looked up any more.
                    suppressed.add(contact_id)
                for key in find_keys(fields, vendor):
                    contact_ids[key].add(contact_id)
        for location, secret_conn_id in self.locations:
            with open_suppressions(location, secret_conn_id, create=False) as suppressions:
                for key in suppressions.find_active(
                    contact_ids, (ALL, vendor), ignored_reason=self.ignored_reason
                ):
                    suppressed |= contact_ids[key]
        return suppressed

    def _read_exported(self, targets: Sequence[Target], vendor: str) -> dict[str, list[Mapping[str, object]]]:
        """Return the exported rows of the contacts, by contact id."""
        rows: dict[str, list[Mapping[str, object]]] = defaultdict(list)
        if not targets or not self.contacts_tables:
            return rows
        for location in self.contacts_tables:
            _read_rows(location, vendor, {target.contact_id for target in targets}, rows)
        bare = {target.contact_id for target in targets if not has_identity(target)}
        missing = len(bare - rows.keys())
        if missing:
            self.log.warning(
                "%d of %d references are not in the contacts table. Suppressions of their e-mail address, phone number or LinkedIn "
                "profile are not recognized. Export these contacts first.",
                missing,
                len(bare),
            )
        return rows


def has_identity(target: Target) -> bool:
    """Return whether more is known of a contact than its reference."""
    known = (target.fields, *target.other_fields)
    return any(fields.get(name) for fields in known for name in ("email", "phone", "linkedin_url"))


def _read_rows(
    location: str, vendor: str, contact_ids: set[str], rows: dict[str, list[Mapping[str, object]]]
) -> None:
    import sqlalchemy as sa

    conn_id, name = parse_table_location(location, "contacts_table")
    schema, table_name = parse_table_name(name, "contacts_table")
    table = sa.table(table_name, *map(sa.column, ("vendor", *_COLUMNS)), schema=schema)
    query = sa.select(*(table.c[column] for column in _COLUMNS)).where(table.c.vendor == vendor)
    remaining = iter(sorted(contact_ids))
    problem = "The table of exported contacts cannot be read, so nothing is written"
    with connect(conn_id) as engine, database_errors(problem), transaction(engine) as connection:
        while chunk := list(islice(remaining, _IDS_PER_QUERY)):
            for row in connection.execute(query.where(table.c.contact_id.in_(chunk))):
                rows[str(row.contact_id)].append(dict(row._mapping))


def open_gate(
    suppressions: str, secret_conn_id: str, contacts_table: str, log: Log, *, ignored_reason: str = ""
) -> Gate:
    """Return the gate for an operator's arguments and Airflow's configuration.

    :param suppressions: the operator's own table of suppressions, or empty.
    :param secret_conn_id: connection of its secret.
    :param contacts_table: the operator's own table of exported contacts, or empty.
    :param ignored_reason: suppressions with this reason do not count, if it is not empty.
    """
    return Gate(
        find_suppression_locations(suppressions, secret_conn_id),
        list(dict.fromkeys(filter(None, (contacts_table, read_location("contacts_table"))))),
        log,
        ignored_reason,
    )
