"""Which contacts of an update are suppressed."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from airflow_provider_contacts.core.logs import Log
from airflow_provider_contacts.core.updates.targets import Target
from airflow_provider_contacts.databases.connecting import connect, transaction
from airflow_provider_contacts.databases.errors import database_errors
from airflow_provider_contacts.databases.tables import parse_table_location, parse_table_name
from airflow_provider_contacts.safeguards.configuration import find_suppression_locations, read_option
from airflow_provider_contacts.safeguards.keys import find_keys, has_identity
from airflow_provider_contacts.safeguards.suppressions import ALL, open_suppressions

_COLUMNS = ("contact_id", "email", "phone", "country", "linkedin_url")
_IDS_PER_QUERY = 500


@dataclass(frozen=True, slots=True)
class Gate:
    """Looks contacts up in tables of suppressions.

    :param locations: the tables, each with the connection of its secret.
    :param contacts_table: ``<conn_id>.<table>`` of exported contacts, in which to look up what references leave out, or empty.
    """

    locations: Sequence[tuple[str, str]]
    contacts_table: str
    log: Log

    def find_suppressed(self, targets: Sequence[Target], vendor: str) -> set[int]:
        """Return the indexes of the targets that must not be contacted.

        :raises ContactsError: if this cannot be found out.
        """
        if not self.locations:
            return set()
        indexes: dict[str, set[int]] = defaultdict(set)
        exported = self._read_exported(targets, vendor)
        for index, target in enumerate(targets):
            reference = target.reference(vendor)
            for fields in ({**target.fields, **reference}, *exported.get(target.contact_id, ())):
                for key in find_keys(fields, vendor):
                    indexes[key].add(index)
        suppressed: set[int] = set()
        with contextlib.ExitStack() as stack:
            opened = [
                stack.enter_context(open_suppressions(location, secret_conn_id, create=False))
                for location, secret_conn_id in self.locations
            ]
            for suppressions in opened:
                for key in suppressions.find_active(indexes, (ALL, vendor)):
                    suppressed |= indexes[key]
        return suppressed

    def _read_exported(self, targets: Sequence[Target], vendor: str) -> dict[str, list[Mapping[str, object]]]:
        """Return the exported rows of the contacts of which only the reference is known, by contact id."""
        bare = {target.contact_id for target in targets if not has_identity(target.fields)}
        if not bare or not self.contacts_table:
            return {}
        rows = _read_rows(self.contacts_table, vendor, bare)
        missing = len(bare - rows.keys())
        if missing:
            self.log.warning(
                "%d of %d references are not in the contacts table. Suppressions of their e-mail address, phone number or LinkedIn "
                "profile are not recognized. Export these contacts first.",
                missing,
                len(bare),
            )
        return rows


def _read_rows(location: str, vendor: str, contact_ids: set[str]) -> dict[str, list[Mapping[str, object]]]:
    import sqlalchemy as sa

    conn_id, name = parse_table_location(location, "contacts_table")
    schema, table_name = parse_table_name(name, "contacts_table")
    table = sa.table(table_name, *map(sa.column, ("vendor", *_COLUMNS)), schema=schema)
    query = sa.select(*(table.c[column] for column in _COLUMNS)).where(table.c.vendor == vendor)
    rows: dict[str, list[Mapping[str, object]]] = defaultdict(list)
    remaining = iter(sorted(contact_ids))
    problem = "The table of exported contacts cannot be read, so nothing is written"
    with connect(conn_id) as engine, database_errors(problem), transaction(engine) as connection:
        while chunk := list(islice(remaining, _IDS_PER_QUERY)):
            for row in connection.execute(query.where(table.c.contact_id.in_(chunk))):
                rows[row.contact_id].append(dict(row._mapping))
    return dict(rows)


def open_gate(suppressions: str, secret_conn_id: str, contacts_table: str, log: Log) -> Gate:
    """Return the gate for an operator's arguments and Airflow's configuration.

    :param suppressions: the operator's own table of suppressions, or empty.
    :param secret_conn_id: connection of its secret.
    :param contacts_table: the operator's own table of exported contacts, or empty.
    """
    return Gate(
        find_suppression_locations(suppressions, secret_conn_id),
        contacts_table or read_option("contacts_table"),
        log,
    )
