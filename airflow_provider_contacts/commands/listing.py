"""``airflow contacts list``."""

from __future__ import annotations

from argparse import Namespace

from airflow_provider_contacts.commands.arguments import open_hook, parse_conditions, parse_filters
from airflow_provider_contacts.commands.hints import explain_no_matches
from airflow_provider_contacts.commands.output import count_of, print_note, print_rows, without_empty_columns

_TABLE_COLUMNS = ("account_id", "contact_id", "name", "email", "phone", "company", "tags", "stage", "replied")


def list_contacts(args: Namespace) -> None:
    """Print the contacts of a connection, and how many there are."""
    filters = parse_filters(args.filter)
    condition = parse_conditions(args.condition)
    hook = open_hook(args.contacts_conn_id)
    contacts = list(hook.list_contacts(filters, condition=condition, limit=args.limit, raw=False))
    has_all_columns = args.output in ("json", "yaml")
    if has_all_columns:
        rows = [contact.to_dict() for contact in contacts]
    else:
        rows = without_empty_columns(
            [{name: getattr(contact, name) for name in _TABLE_COLUMNS} for contact in contacts]
        )
    print_rows(rows, args.output)
    if not contacts:
        print_note(explain_no_matches(hook, filters, condition))
    else:
        print_note(count_of(len(contacts), "contact"))
