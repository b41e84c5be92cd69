"""``airflow contacts suppressions``."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager

from airflow_provider_contacts.commands.arguments import enable_database_connections, parse_person
from airflow_provider_contacts.commands.output import print_note, print_rows
from airflow_provider_contacts.core.validation import TableLocation
from airflow_provider_contacts.safeguards.configuration import ALL_VENDORS, find_secret_conn_id
from airflow_provider_contacts.safeguards.keys import find_keys
from airflow_provider_contacts.safeguards.suppressions import SuppressionList, open_suppressions


def check(args: Namespace) -> None:
    """Print the suppressions of a person, by every reading of the given values."""
    person = parse_person(args)
    with _open(args) as suppressions:
        rows = suppressions.list_rows(find_keys(person))
    scopes = sorted({str(row["scope"]) for row in rows if row["is_active"]})
    at = "all vendors" if ALL_VENDORS in scopes else ", ".join(scopes)
    print_note(f"Suppressed at {at}." if scopes else "Not suppressed.")
    print_rows(rows, args.output)


def summarize(args: Namespace) -> None:
    """Print how many keys are suppressed, by kind, scope and reason."""
    with _open(args) as suppressions:
        print_rows(suppressions.count_rows(), args.output)


@contextmanager
def _open(args: Namespace) -> Iterator[SuppressionList]:
    enable_database_connections()
    location = TableLocation(args.sql_conn_id, args.table)
    with open_suppressions(location, find_secret_conn_id(args.secret_conn_id), create=False) as suppressions:
        yield suppressions
