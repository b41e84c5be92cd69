"""The ``airflow contacts`` commands.

Every ``airflow`` command imports this module, so everything that the commands need is imported when they run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from argparse import Namespace

    from airflow.cli.cli_config import ActionCommand, Arg, CLICommand

    from airflow_provider_contacts.conditions import Condition
    from airflow_provider_contacts.contact import Contact
    from airflow_provider_contacts.core.logs import Log
    from airflow_provider_contacts.hooks.base import ContactsHook

_TABLE_COLUMNS = (
    "account_id",
    "contact_id",
    "name",
    "email",
    "phone",
    "company",
    "tags",
    "stage",
    "replied",
)


def get_contacts_cli_commands() -> list[CLICommand]:
    """Return the ``airflow contacts`` commands."""
    from airflow.cli.cli_config import GroupCommand

    return [
        GroupCommand(
            name="contacts",
            help="Contacts of outreach tools",
            subcommands=[_check_command(), _list_command(), _export_command(), _sandbox_command()],
        )
    ]


def _check_command() -> ActionCommand:
    from airflow.cli.cli_config import ARG_VERBOSE, ActionCommand

    return ActionCommand(
        name="check",
        help="Test a connection, and say which form field to fix if it fails",
        func=_check,
        args=(_connection_arg(), ARG_VERBOSE),
    )


def _list_command() -> ActionCommand:
    from airflow.cli.cli_config import ARG_OUTPUT, ARG_VERBOSE, ActionCommand, Arg

    limit = Arg(("--limit",), type=int, help="stop after this many contacts (default: all)")
    return ActionCommand(
        name="list",
        help="List the contacts of a connection",
        func=_list,
        args=(_connection_arg(), *_selection_args(), limit, ARG_OUTPUT, ARG_VERBOSE),
    )


def _export_command() -> ActionCommand:
    from airflow.cli.cli_config import ARG_VERBOSE, ActionCommand, Arg

    path = Arg(
        ("path",),
        help="file to write, or a URL such as s3://aws_default@bucket/contacts.parquet; the extension selects the format",
    )
    content = Arg(
        ("--content",),
        choices=("normalized", "raw"),
        default="normalized",
        help="raw: the vendor's own objects (default: normalized)",
    )
    return ActionCommand(
        name="export",
        help="Write the contacts of a connection to a file",
        func=_export,
        args=(_connection_arg(), path, *_selection_args(), content, ARG_VERBOSE),
    )


def _sandbox_command() -> ActionCommand:
    from airflow.cli.cli_config import ARG_VERBOSE, ActionCommand, Arg

    port = Arg(("--port",), type=_number(0, 65_535), default=8765, help="port to listen on (default: 8765)")
    contacts = Arg(
        ("--contacts",),
        type=_number(0, 1_000_000),
        default=250,
        help="contacts per vendor (default: 250)",
    )
    seed = Arg(("--seed",), type=int, default=7, help="random seed of the fictional people (default: 7)")
    no_rate_limits = Arg(
        ("--no-rate-limits",), action="store_true", help="accept any number of requests, unlike the vendors"
    )
    return ActionCommand(
        name="sandbox",
        help="Serve the vendors on this machine, with fictional people",
        func=_sandbox,
        args=(port, contacts, seed, no_rate_limits, ARG_VERBOSE),
    )


def _connection_arg() -> Arg:
    from airflow.cli.cli_config import Arg

    return Arg(("contacts_conn_id",), metavar="CONN_ID", help="id of the Airflow connection")


def _selection_args() -> tuple[Arg, Arg]:
    from airflow.cli.cli_config import Arg

    filters = Arg(
        ("--filter",),
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="filter of the vendor; repeat it for several filters or list values",
    )
    conditions = Arg(
        ("--condition",),
        action="append",
        default=[],
        metavar="CONDITION",
        help="replied, 'tagged:Hot lead', 'in_stage:Interested', or JSON; repeat it to require all",
    )
    return filters, conditions


def _number(minimum: int, maximum: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not minimum <= int(text) <= maximum:
            raise ValueError(text)
        return int(text)

    parse.__name__ = f"number from {minimum} to {maximum}"  # argparse shows it
    return parse


def _open_hook(conn_id: str) -> ContactsHook[Any]:
    from airflow_provider_contacts.hooks.base import ContactsHook

    _read_connections_from_database()
    return ContactsHook.for_connection(conn_id, log=_stderr_log())


def _read_connections_from_database() -> None:
    """Make Airflow look for connections in its database too, not only in the environment.

    Airflow has no public way to do this in a command (seen in 3.3.2: ``ensure_secrets_backend_loaded``).
    """
    import os

    os.environ["_AIRFLOW_PROCESS_CONTEXT"] = "server"


def _check(args: Namespace) -> None:
    from airflow_provider_contacts.errors import ContactsError

    try:
        is_ok, message = _open_hook(args.contacts_conn_id).test_connection()
    except ContactsError as error:
        is_ok = False
        message = str(error)
    print(message)
    if not is_ok:
        raise SystemExit(1)


def _list(args: Namespace) -> None:
    from airflow.cli.simple_table import AirflowConsole

    from airflow_provider_contacts.errors import ContactsError

    try:
        hook = _open_hook(args.contacts_conn_id)
        contacts = list(
            hook.list_contacts(
                _parse_filters(args.filter),
                condition=_parse_conditions(args.condition),
                limit=args.limit,
                raw=False,
            )
        )
    except ContactsError as error:
        raise SystemExit(str(error)) from None
    has_all_columns = args.output in ("json", "yaml")
    rows = [contact.to_dict() if has_all_columns else _table_row(contact) for contact in contacts]
    AirflowConsole().print_as(data=rows, output=args.output)


def _export(args: Namespace) -> None:
    from airflow_provider_contacts.errors import ContactsError
    from airflow_provider_contacts.transfers.formats import choose_format
    from airflow_provider_contacts.transfers.publishing import check_path, write_file

    try:
        file_format = choose_format(args.path, content=args.content)
        hook = _open_hook(args.contacts_conn_id)
        contacts = hook.list_contacts(
            _parse_filters(args.filter), condition=_parse_conditions(args.condition)
        )
        check_path(args.path)
        count, size = write_file(_with_progress(contacts, hook.vendor.title), args.path, file_format)
    except ContactsError as error:
        raise SystemExit(str(error)) from None
    print(f"Wrote {count} contacts ({size} bytes) to {args.path}")


def _sandbox(args: Namespace) -> None:
    from airflow_provider_contacts.sandbox.app import serve

    serve(port=args.port, contacts=args.contacts, seed=args.seed, rate_limits=not args.no_rate_limits)


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


def _stderr_log() -> Log:
    """Return a log that does not mix with the contacts on stdout, where Airflow's log goes."""
    import logging

    log = logging.getLogger("airflow_provider_contacts.cli")
    log.propagate = False
    log.setLevel(logging.INFO)
    if not log.handlers:
        log.addHandler(logging.StreamHandler())
    return log


def _parse_filters(pairs: list[str]) -> dict[str, Any]:
    from airflow_provider_contacts.errors import InvalidRequest

    filters: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise InvalidRequest("--filter takes KEY=VALUE, such as --filter stage=Interested.")
        if name in filters:
            previous = filters[name]
            filters[name] = [*(previous if isinstance(previous, list) else [previous]), value]
        else:
            filters[name] = value
    return filters


def _parse_conditions(texts: list[str]) -> Condition | None:
    from airflow_provider_contacts.conditions import AllOf
    from airflow_provider_contacts.core.condition_parsing import parse_condition

    conditions: Any = tuple(parse_condition(text) for text in texts)
    return AllOf(conditions) if conditions else None


def _table_row(contact: Contact) -> dict[str, object]:
    values = {column: getattr(contact, column) for column in _TABLE_COLUMNS}
    return {column: "" if value is None else value for column, value in values.items()}
