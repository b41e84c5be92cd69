"""The section ``[contacts]`` of Airflow's configuration, which applies to every update."""

from __future__ import annotations

SECTION = "contacts"
DEFAULT_SECRET_CONN_ID = "contacts_suppressions"  # noqa: S105 - the id of a connection


def read_option(name: str) -> str:
    """Return an option of Airflow's configuration, or an empty string."""
    from airflow.configuration import conf

    return (conf.get(SECTION, name, fallback="") or "").strip()


def find_suppression_locations(suppressions: str, secret_conn_id: str) -> list[tuple[str, str]]:
    """Return the tables of suppressions that an update has to respect, each with the connection of its secret.

    :param suppressions: the operator's own table, or empty.
    :param secret_conn_id: the connection of its secret.
    """
    locations = [(suppressions, secret_conn_id)] if suppressions else []
    if configured := read_option("suppressions"):
        locations.append((configured, read_option("suppressions_secret_conn_id") or DEFAULT_SECRET_CONN_ID))
    return list(dict.fromkeys(locations))


def find_audit_locations(audit: str) -> list[str]:
    """Return the tables that an update has to record its outcomes in.

    :param audit: the operator's own table, or empty.
    """
    return list(dict.fromkeys(filter(None, (audit, read_option("audit")))))
