"""The section ``[contacts]`` of Airflow's configuration, which applies to every update."""

from __future__ import annotations

from airflow_provider_contacts.errors import InvalidRequest
from airflow_provider_contacts.safeguards.arguments import parse_optional_location

SECTION = "contacts"
DEFAULT_SECRET_CONN_ID = "contacts_suppressions"  # noqa: S105 - the id of a connection


def read_option(name: str) -> str:
    """Return an option of Airflow's configuration, or an empty string."""
    from airflow.configuration import conf

    return (conf.get(SECTION, name, fallback="") or "").strip()


def read_location(name: str) -> str:
    """Return a table of Airflow's configuration, as ``<conn_id>.<table>``, or an empty string.

    :raises InvalidRequest: if it is something else.
    """
    location = read_option(name)
    try:
        return parse_optional_location(name, location)
    except InvalidRequest as error:
        raise error.at(f"[{SECTION}] in Airflow's configuration") from None


def find_suppression_locations(suppressions: str, secret_conn_id: str) -> list[tuple[str, str]]:
    """Return the tables of suppressions that an update has to respect, each with the connection of its secret.

    :param suppressions: the operator's own table, or empty.
    :param secret_conn_id: the connection of its secret.
    """
    locations = [(suppressions, secret_conn_id)] if suppressions else []
    if configured := read_location("suppressions"):
        locations.append((configured, read_option("suppressions_secret_conn_id") or DEFAULT_SECRET_CONN_ID))
    return list(dict.fromkeys(locations))


def find_audit_locations(audit: str) -> list[str]:
    """Return the tables that an update has to record its outcomes in.

    :param audit: the operator's own table, or empty.
    """
    return list(dict.fromkeys(filter(None, (audit, read_location("audit")))))
