"""The ``airflow contacts`` commands.

Every ``airflow`` command imports this module, so what the commands need is imported when they run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.cli.cli_config import CLICommand


def get_contacts_cli_commands() -> list[CLICommand]:
    """Return the commands that Airflow adds to its own."""
    from airflow.cli.cli_config import ARG_OUTPUT, ARG_VERBOSE, ActionCommand, Arg, GroupCommand

    conn_id = Arg(("contacts_conn_id",), metavar="CONN_ID", help="id of the Airflow connection")
    filters = Arg(
        ("--filter",),
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a parameter of the vendor; repeat it for more, or for a list",
    )
    conditions = Arg(
        ("--condition",),
        action="append",
        default=[],
        metavar="CONDITION",
        help="replied, 'tagged:Hot lead', 'in_stage:Interested', or JSON; all given must hold",
    )
    return [
        GroupCommand(
            name="contacts",
            help="Contacts of outreach tools",
            subcommands=[
                ActionCommand(
                    name="check",
                    help="Test a connection and say in words what is wrong",
                    func=_check,
                    args=(conn_id, ARG_VERBOSE),
                ),
                ActionCommand(
                    name="list",
                    help="List the contacts of a connection",
                    func=_list,
                    args=(
                        conn_id,
                        filters,
                        conditions,
                        Arg(("--limit",), type=int, help="stop after this many contacts (default: all)"),
                        ARG_OUTPUT,
                        ARG_VERBOSE,
                    ),
                ),
                ActionCommand(
                    name="export",
                    help="Write the contacts of a connection to a file",
                    func=_export,
                    args=(
                        conn_id,
                        Arg(
                            ("path",),
                            help="file to write, or a URL such as s3://aws_default@bucket/contacts.parquet; "
                            "the ending tells the format",
                        ),
                        filters,
                        conditions,
                        Arg(
                            ("--content",),
                            choices=("normalized", "raw"),
                            default="normalized",
                            help="raw: the vendor's own objects (default: normalized)",
                        ),
                        ARG_VERBOSE,
                    ),
                ),
                ActionCommand(
                    name="sandbox",
                    help="Serve the four vendors on this machine, with invented people",
                    func=_sandbox,
                    args=(
                        Arg(
                            ("--port",),
                            type=_number(0, 65_535),
                            default=8765,
                            help="port to listen on (default: 8765)",
                        ),
                        Arg(
                            ("--contacts",),
                            type=_number(0, 1_000_000),
                            default=250,
                            help="contacts per vendor (default: 250)",
                        ),
                        Arg(("--seed",), type=int, default=7, help="which people are invented (default: 7)"),
                        Arg(
                            ("--no-rate-limits",),
                            action="store_true",
                            help="answer any number of requests, unlike the vendors",
                        ),
                        ARG_VERBOSE,
                    ),
                ),
            ],
        )
    ]


def _number(low: int, high: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
            raise ValueError(text)
        return int(text)

    number.__name__ = f"number from {low} to {high}"
    return number


def _hook(conn_id: str) -> Any:
    import os

    # Without this, Airflow looks for connections in the environment alone and not in its database.
    os.environ["_AIRFLOW_PROCESS_CONTEXT"] = "server"
    from airflow_provider_contacts.hooks.base import ContactsHook

    return ContactsHook.for_connection(conn_id)


def _check(args: Any) -> None:
    from airflow_provider_contacts.errors import ContactsError

    try:
        worked, message = _hook(args.contacts_conn_id).test_connection()
    except ContactsError as error:
        worked, message = False, str(error)
    print(message)
    if not worked:
        raise SystemExit(1)


def _list(args: Any) -> None:
    from airflow.cli.simple_table import AirflowConsole

    from airflow_provider_contacts.errors import ContactsError

    try:
        hook = _hook(args.contacts_conn_id)
        # Airflow's log goes to where the contacts go.
        hook._log = _stderr_log()
        asked = {"condition": _condition(args.condition), "limit": args.limit, "raw": False}
        contacts = list(hook.list_contacts(_filters(args.filter), **asked))
    except ContactsError as error:
        raise SystemExit(str(error)) from None
    wide = args.output in ("json", "yaml")
    AirflowConsole().print_as(
        data=[contact.to_dict() if wide else _row(contact) for contact in contacts], output=args.output
    )


def _export(args: Any) -> None:
    from airflow_provider_contacts.errors import ContactsError
    from airflow_provider_contacts.transfers.files import check_target, format_of, land

    try:
        format = format_of(args.path, content=args.content)
        hook = _hook(args.contacts_conn_id)
        hook._log = _stderr_log()
        contacts = hook.list_contacts(_filters(args.filter), condition=_condition(args.condition))
        check_target(args.path)
        seen, size = land(_counted(contacts, hook.vendor.title), args.path, format)
    except ContactsError as error:
        raise SystemExit(str(error)) from None
    print(f"{seen} contacts, {size} bytes: {args.path}")


def _counted(contacts: Iterable[Any], title: str) -> Iterator[Any]:
    """Give the contacts, and show on a terminal how many there are so far."""
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


def _stderr_log() -> Any:
    import logging

    log = logging.getLogger("airflow_provider_contacts.cli")
    log.propagate = False
    log.setLevel(logging.INFO)
    if not log.handlers:
        log.addHandler(logging.StreamHandler())
    return log


def _filters(pairs: list[str]) -> dict[str, Any]:
    from airflow_provider_contacts.errors import InvalidRequest

    filters: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise InvalidRequest("--filter takes KEY=VALUE, such as --filter stage=Interested")
        if name in filters:
            known = filters[name]
            filters[name] = [*(known if isinstance(known, list) else [known]), value]
        else:
            filters[name] = value
    return filters


def _condition(texts: list[str]) -> Any:
    from airflow_provider_contacts.conditions import AllOf, parse_condition

    conditions: Any = tuple(parse_condition(text) for text in texts)
    return AllOf(conditions) if conditions else None


def _row(contact: Any) -> dict[str, Any]:
    columns = ("account_id", "contact_id", "name", "email", "phone", "company", "tags", "stage", "replied")
    return {
        column: "" if getattr(contact, column) is None else getattr(contact, column) for column in columns
    }


def _sandbox(args: Any) -> None:
    from airflow_provider_contacts.sandbox.server import serve

    serve(port=args.port, contacts=args.contacts, seed=args.seed, rate_limits=not args.no_rate_limits)
