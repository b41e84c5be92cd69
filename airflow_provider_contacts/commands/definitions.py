"""The definitions of the ``airflow contacts`` commands.

Every ``airflow`` command imports this module, so it imports nothing that only the commands need.
"""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable

from airflow.cli.cli_config import (
    ARG_OUTPUT,
    ARG_VERBOSE,
    ARG_YES,
    ActionCommand,
    Arg,
    CLICommand,
    GroupCommand,
    lazy_load_command,
)

from airflow_provider_contacts.conditions import SIMPLE_CONDITIONS, get_condition_name


def define_commands() -> list[CLICommand]:
    """Return the ``airflow contacts`` commands."""
    commands = [
        _check_command(),
        _list_command(),
        _export_command(),
        _filters_command(),
        _conditions_command(),
        _people_command(),
        _erase_command(),
        _audit_commands(),
        _sandbox_command(),
    ]
    return [GroupCommand(name="contacts", help="Contacts of outreach tools", subcommands=commands)]


def _command(module: str, function: str) -> Callable[..., object]:
    """Return a function that imports another one when it is called."""
    command: Callable[..., object] = lazy_load_command(
        f"airflow_provider_contacts.commands.{module}.{function}"
    )
    return command


def _check_command() -> ActionCommand:
    return ActionCommand(
        name="check",
        help="Test a connection, and say which form field to fix if it fails",
        func=_command("check", "check"),
        args=(_connection_arg(), ARG_VERBOSE),
    )


def _list_command() -> ActionCommand:
    limit = Arg(("--limit",), type=int, help="stop after this many contacts (default: all)")
    return ActionCommand(
        name="list",
        help="List the contacts of a connection",
        func=_command("listing", "list_contacts"),
        args=(_connection_arg(), *_selection_args(), limit, ARG_OUTPUT, ARG_VERBOSE),
    )


def _export_command() -> ActionCommand:
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
    without_raw = Arg(
        ("--without-raw",), action="store_true", help="leave out the column with the vendor's own objects"
    )
    return ActionCommand(
        name="export",
        help="Write the contacts of a connection to a file",
        func=_command("export", "export"),
        args=(_connection_arg(), path, *_selection_args(), content, without_raw, ARG_VERBOSE),
    )


def _filters_command() -> ActionCommand:
    return ActionCommand(
        name="filters",
        help="Print the filters that a vendor has",
        func=_command("support", "print_filters"),
        args=(_vendor_arg(), ARG_OUTPUT, ARG_VERBOSE),
    )


def _conditions_command() -> ActionCommand:
    return ActionCommand(
        name="conditions",
        help="Print the conditions, and which of them a vendor supports",
        func=_command("support", "print_conditions"),
        args=(_vendor_arg(), ARG_OUTPUT, ARG_VERBOSE),
    )


def _people_command() -> ActionCommand:
    person = Arg(
        ("--person",),
        metavar="VENDOR/ID",
        help="show only the person of this contact, such as tether/665f1c2e9b1d8a0012345678",
    )
    return ActionCommand(
        name="people",
        help="Show how many people are at which vendors, and what was set aside",
        func=_command("people", "show_people"),
        args=(
            _database_arg(),
            Arg(("table",), help="the table of people that ResolvePeopleOperator writes, or schema.table"),
            person,
            ARG_VERBOSE,
        ),
    )


def _erase_command() -> ActionCommand:
    return ActionCommand(
        name="erase",
        help="Erase a person's data from a table of exported contacts",
        func=_command("erase", "erase_person"),
        args=(
            _database_arg(),
            Arg(("table",), help="the table, or schema.table"),
            Arg(("--email",), help="e-mail address of the person"),
            Arg(("--phone",), help="phone number of the person, with its country code"),
            Arg(("--linkedin",), help="address of the person's LinkedIn profile"),
            Arg(
                ("--reference",),
                metavar="VENDOR/ID",
                help="one contact, such as tether/665f1c2e9b1d8a0012345678",
            ),
            Arg(("--suppressions-table",), help="suppress the person too, in this table of the database"),
            Arg(
                ("--secret-conn-id",),
                default="contacts_suppressions",
                help="connection whose password is the secret of the suppressions (default: contacts_suppressions)",
            ),
            ARG_YES,
            ARG_VERBOSE,
        ),
    )


def _audit_commands() -> GroupCommand:
    prune = ActionCommand(
        name="prune",
        help="Delete old rows",
        func=_command("audit", "prune"),
        args=(
            _database_arg(),
            Arg(("table",), help="the table of the audit, or schema.table"),
            Arg(("--keep",), required=True, help="how long to keep rows, such as 400d"),
            ARG_VERBOSE,
        ),
    )
    return GroupCommand(name="audit", help="The audit of updates", subcommands=[prune])


def _sandbox_command() -> ActionCommand:
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
    quiet = Arg(("--quiet",), action="store_true", help="print no line per request")
    return ActionCommand(
        name="sandbox",
        help="Serve the vendors on this machine, with fictional people",
        func=_command("sandbox", "run_sandbox"),
        args=(port, contacts, seed, no_rate_limits, quiet, ARG_VERBOSE),
    )


def _connection_arg() -> Arg:
    return Arg(("contacts_conn_id",), metavar="CONN_ID", help="id of the Airflow connection")


def _database_arg() -> Arg:
    return Arg(("sql_conn_id",), metavar="CONN_ID", help="id of the connection of the database")


def _vendor_arg() -> Arg:
    return Arg(
        ("contacts_conn_id",),
        metavar="CONN_ID",
        help="id of the Airflow connection, or a connection type such as mailstand",
    )


def _selection_args() -> tuple[Arg, Arg]:
    names = [
        ":".join(filter(None, (get_condition_name(condition), condition.example)))
        for condition in SIMPLE_CONDITIONS
    ]
    filters = Arg(
        ("--filter",),
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="filter of the vendor, see `airflow contacts filters`; repeat it for several filters or list values",
    )
    conditions = Arg(
        ("--condition",),
        action="append",
        default=[],
        metavar="CONDITION",
        help=f"{', '.join(names)}, or JSON, which also has all, any and not; repeat it to require all",
    )
    return filters, conditions


def _number(minimum: int, maximum: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not minimum <= int(text) <= maximum:
            raise ArgumentTypeError(f"must be a whole number from {minimum} to {maximum}")
        return int(text)

    return parse
