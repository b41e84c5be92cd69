"""``airflow contacts audit``."""

from __future__ import annotations

from argparse import Namespace

from airflow_provider_contacts.commands.arguments import enable_database_connections, parse_reference
from airflow_provider_contacts.commands.output import count_of, print_note, print_rows
from airflow_provider_contacts.core.validation import TableLocation, parse_optional_duration
from airflow_provider_contacts.errors import InvalidRequest
from airflow_provider_contacts.safeguards.audit import list_rows, prune_audit

_COLUMNS = (
    "recorded_at",
    "outcome",
    "change",
    "error",
    "approver",
    "dag_id",
    "task_id",
    "run_id",
    "try_number",
)


def show(args: Namespace) -> None:
    """Print what an audit says about a contact, the latest first."""
    enable_database_connections()
    reference = parse_reference(args.reference, "REFERENCE")
    rows = list_rows(TableLocation(args.sql_conn_id, args.table), *reference)
    if not rows:
        print_note(f"{args.reference} is not in the audit {args.table!r}.")
    print_rows([{name: row[name] for name in _COLUMNS} for row in rows], args.output)


def prune(args: Namespace) -> None:
    """Delete the rows of an audit that are older than a duration, and print how many there were."""
    enable_database_connections()
    keep = parse_optional_duration("keep", args.keep)
    if keep is None:
        raise InvalidRequest("--keep must be a duration such as 400d.")
    count = prune_audit(TableLocation(args.sql_conn_id, args.table), keep)
    print(f"Deleted {count_of(count, 'row')} older than {args.keep}.")  # noqa: T201
