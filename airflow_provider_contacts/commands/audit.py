"""``airflow contacts audit``."""

from __future__ import annotations

from argparse import Namespace
from datetime import datetime, timezone

from airflow_provider_contacts.commands.arguments import enable_database_connections
from airflow_provider_contacts.commands.output import count_of
from airflow_provider_contacts.core.validation import TableLocation, parse_optional_duration
from airflow_provider_contacts.errors import InvalidRequest
from airflow_provider_contacts.safeguards.audit import prune_audit


def prune(args: Namespace) -> None:
    """Delete the rows of an audit that are older than a duration, and print how many there were."""
    enable_database_connections()
    keep = parse_optional_duration("keep", args.keep)
    if keep is None:
        raise InvalidRequest("--keep must be a duration such as 400d.")
    count = prune_audit(TableLocation(args.sql_conn_id, args.table), datetime.now(timezone.utc) - keep)
    print(f"Deleted {count_of(count, 'row')} older than {args.keep}.")  # noqa: T201
