"""The tables of safeguards: a task's own, and those of Airflow's configuration (``[contacts]``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from airflow_provider_contacts.core.validation import TableLocation, parse_optional_table, parse_table_name
from airflow_provider_contacts.errors import InvalidRequest

SECTION = "contacts"
# What to do with contacts that cannot be checked against the suppressions.
UncheckedPolicy = Literal["fail", "skip", "allow"]
# The scope of a suppression at every vendor. Other scopes are the names of vendors.
ALL_VENDORS = "all"
# The tables of claims have one name, so that tasks with different tables in one schema share it.
CLAIMS_TABLE = "contact_claims"
DEFAULT_SECRET_CONN_ID = "contacts_suppressions"  # noqa: S105 - the id of a connection


def find_secret_conn_id(given: str | None) -> str:
    """Return the connection of a secret; if none is given, the one that is configured."""
    return given or read_option("suppressions_secret_conn_id") or DEFAULT_SECRET_CONN_ID


def require_table_for_secret(secret_conn_id: str, suppressions: TableLocation | None) -> None:
    """Check that a secret that is set is used: configured suppressions have a configured secret.

    :raises InvalidRequest: if it is not.
    """
    if secret_conn_id and suppressions is None:
        raise InvalidRequest(
            "`secret_conn_id` is set without `suppressions_table`. Set `suppressions_table` too, or remove "
            f"`secret_conn_id` to use the suppressions of [{SECTION}]."
        )


def read_option(name: str) -> str:
    """Return an option of Airflow's configuration, or an empty string."""
    from airflow.configuration import conf

    return (conf.get(SECTION, name, fallback="") or "").strip()


def read_table_option(name: str) -> TableLocation | None:
    """Return a table of Airflow's configuration, or None.

    :param name: the option, such as ``audit_table``.
    :raises InvalidRequest: if it is invalid, or ``sql_conn_id`` is not set.
    """
    try:
        table = parse_optional_table(name, read_option(name))
        return locate_table(name, table, "") if table else None
    except InvalidRequest as error:
        raise error.at(f"[{SECTION}] in Airflow's configuration") from None


def locate_table(argument: str, table: str, sql_conn_id: str) -> TableLocation:
    """Return a table with the connection of its database.

    :param argument: the argument that names the table, for messages.
    :param sql_conn_id: the connection, or an empty string for that of the configuration.
    :raises InvalidRequest: if neither names a connection.
    """
    conn_id = sql_conn_id or read_option("sql_conn_id")
    if not conn_id:
        raise InvalidRequest(
            f"`{argument}` names a table, but no database. Set `sql_conn_id`, or [{SECTION}] sql_conn_id "
            "for the whole installation."
        )
    return TableLocation(conn_id, table)


def read_suppressions() -> tuple[TableLocation, str] | None:
    """Return the configured suppressions and the connection of their secret, or None."""
    table = read_table_option("suppressions_table")
    return (table, find_secret_conn_id(None)) if table else None


@dataclass(frozen=True, slots=True)
class Safeguards:
    """The tables that a task respects and writes: its own, and those of Airflow's configuration.

    :param suppressions: tables of suppressions, each with the connection of its secret.
    :param contacts: tables of exported contacts, by which suppressed references are recognized.
    :param people: tables of people, each with the table of exported contacts in its database, by
        which all contacts of a person are recognized.
    :param audits: tables that get a row per contact and attempt.
    """

    suppressions: Sequence[tuple[TableLocation, str]]
    contacts: Sequence[TableLocation]
    people: Sequence[tuple[TableLocation, str]]
    audits: Sequence[TableLocation]

    @classmethod
    def create(
        cls,
        suppressions: TableLocation | None,
        secret_conn_id: str,
        contacts: TableLocation | None,
        people: TableLocation | None,
        audit: TableLocation | None,
    ) -> Safeguards:
        """Return the tables of a task, which may be None, and those of Airflow's configuration.

        :param secret_conn_id: connection of the secret of ``suppressions``.
        :raises InvalidRequest: if the configuration is invalid, or there are people without
            contacts.
        """
        own = (suppressions, secret_conn_id) if suppressions else None
        if people and not contacts:
            raise InvalidRequest(
                "`people_table` needs `contacts_table`, the table of exported contacts in the same database."
            )
        return cls(
            list(dict.fromkeys(filter(None, (own, read_suppressions())))),
            list(dict.fromkeys(filter(None, (contacts, read_table_option("contacts_table"))))),
            [(people, contacts.table)] if people and contacts else [],
            list(dict.fromkeys(filter(None, (audit, read_table_option("audit_table"))))),
        )

    @property
    def claims(self) -> list[TableLocation]:
        """The tables in which contacts are claimed: next to each audit and table of people."""
        locations = [*self.audits, *(people for people, _ in self.people)]
        return list(dict.fromkeys(_locate_claims(location) for location in locations))

    def __str__(self) -> str:
        suppressions = ", ".join(str(table) for table, _ in self.suppressions) or "none"
        return f"Suppressions: {suppressions}. Audit: {', '.join(map(str, self.audits)) or 'none'}."


def _locate_claims(location: TableLocation) -> TableLocation:
    """Return the table of claims in the schema of another table."""
    schema, _ = parse_table_name(location.table)
    return TableLocation(location.sql_conn_id, f"{schema}.{CLAIMS_TABLE}" if schema else CLAIMS_TABLE)
