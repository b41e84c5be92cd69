"""``airflow contacts check``."""

from __future__ import annotations

from argparse import Namespace

from airflow_provider_contacts.commands.arguments import open_hook
from airflow_provider_contacts.errors import ContactsError


def check(args: Namespace) -> None:
    """Test a connection, print a message, and exit with 1 if it does not work."""
    try:
        is_ok, message = open_hook(args.contacts_conn_id).test_connection()
    except ContactsError as error:
        is_ok = False
        message = str(error)
    print(message)  # noqa: T201
    if not is_ok:
        raise SystemExit(1)
