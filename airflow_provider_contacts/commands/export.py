"""``airflow contacts export``."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable, Iterator

from airflow_provider_contacts.commands.arguments import open_hook, parse_conditions, parse_filters
from airflow_provider_contacts.commands.hints import explain_no_matches
from airflow_provider_contacts.commands.output import count_of, print_note
from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.transfers.contacts_to_object_storage import list_for_file
from airflow_provider_contacts.transfers.files.formats import choose_format
from airflow_provider_contacts.transfers.files.publishing import check_path, make_absolute, write_file


def export(args: Namespace) -> None:
    """Write the contacts of a connection to a file, and print where it is."""
    path = make_absolute(args.path)
    file_format = choose_format(path, content=args.content, include_raw=not args.without_raw)
    filters = parse_filters(args.filter)
    condition = parse_conditions(args.condition)
    hook = open_hook(args.contacts_conn_id)
    contacts = list_for_file(hook, file_format, filters, condition, hook.log)
    check_path(path)
    count, size = write_file(_with_progress(contacts, hook.vendor.title), path, file_format)
    print(f"Wrote {count_of(count, 'contact')} ({size} bytes) to {path}")  # noqa: T201
    if count == 0:
        print_note(explain_no_matches(hook, filters, condition))


def _with_progress(contacts: Iterable[Contact], title: str) -> Iterator[Contact]:
    """Yield the contacts, and show on a terminal how many there are so far."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}: {task.completed} contacts"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        yield from progress.track(contacts, description=title, total=None)
