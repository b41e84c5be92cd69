"""``airflow contacts filters`` and ``airflow contacts conditions``: what a vendor supports."""

from __future__ import annotations

from argparse import Namespace

from airflow_provider_contacts.commands.arguments import open_hook
from airflow_provider_contacts.commands.output import print_note, print_rows
from airflow_provider_contacts.core.filters import describe_filters
from airflow_provider_contacts.core.matching.descriptions import describe_conditions
from airflow_provider_contacts.core.vendor import Vendor
from airflow_provider_contacts.errors import ContactsError
from airflow_provider_contacts.hooks.registry import hook_classes

_SUPPORT_LEGEND = (
    "server: sent to the vendor as a filter, then checked on each record. server only: records do not report "
    "it, so it does not work with `~`, `|` or FilterContactsOperator. record: all records are read and "
    'checked. To combine conditions, use JSON with all, any or not: {"condition": "all", "of": '
    '[{"condition": "replied"}, {"condition": "has_phone"}]}.'
)
_FILTER_LEGEND = (
    '"with the filter X": set that filter too. Without it, server becomes server only, and server only is '
    "rejected."
)


def print_filters(args: Namespace) -> None:
    """Print the filters of a connection's vendor."""
    rows = [
        {
            "filter": one.name,
            "value": one.type,
            "meaning": one.meaning,
            "example": f"{one.name}={one.example}",
        }
        for one in describe_filters(_find_vendor(args.contacts_conn_id).contacts.filters)
    ]
    print_rows(rows, args.output)


def print_conditions(args: Namespace) -> None:
    """Print all conditions, and how a connection's vendor supports them."""
    rows = [
        {"condition": one.text, "in Python": one.python, "meaning": one.meaning, "support": one.support}
        for one in describe_conditions(_find_vendor(args.contacts_conn_id))
    ]
    print_rows(rows, args.output)
    if args.output == "table":
        print_note(_SUPPORT_LEGEND)
        if any("with the filter" in str(row["support"]) for row in rows):
            print_note(_FILTER_LEGEND)


def _find_vendor(name: str) -> Vendor:
    """Return the vendor with this connection type, or of the connection with this id."""
    if (hook_class := hook_classes().get(name)) is not None:
        return hook_class.vendor
    try:
        return open_hook(name).vendor
    except ContactsError as error:
        raise SystemExit(f"{error} Connection types work too: {', '.join(hook_classes())}.") from None
