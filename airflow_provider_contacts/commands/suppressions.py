"""``airflow contacts suppressions``."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager

from airflow_provider_contacts.commands.arguments import (
    enable_database_connections,
    parse_person,
    require_keys,
)
from airflow_provider_contacts.commands.output import print_note, print_rows
from airflow_provider_contacts.core.validation import TableLocation
from airflow_provider_contacts.safeguards.configuration import ALL_VENDORS, find_secret_conn_id
from airflow_provider_contacts.safeguards.keys import find_keys, find_keys_to_suppress
from airflow_provider_contacts.safeguards.suppressions import SuppressionList, open_suppressions


def check(args: Namespace) -> None:
    """Print the suppressions of a person, by every reading of the given values."""
    person = parse_person(args)
    keys = find_keys(person)
    require_keys(args, keys)
    with _open(args) as suppressions:
        rows = suppressions.list_rows(keys)
    scopes = sorted({str(row["scope"]) for row in rows if row["is_active"]})
    at = "all vendors" if ALL_VENDORS in scopes else ", ".join(scopes)
    print_note(f"Suppressed at {at}." if scopes else "Not suppressed.")
    print_note("Only the given keys were looked up. The contact may have others.")
    if args.phone and not any(key.startswith("phone:") for key in find_keys_to_suppress(person)):
        print_note("--phone has no country code, so the person may have another number: write it with +.")
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
