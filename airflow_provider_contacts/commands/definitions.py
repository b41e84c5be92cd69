"""The definitions of the ``airflow contacts`` commands.

Every ``airflow`` command imports this module, so it imports nothing that only the commands need.
"""

from __future__ import annotations

import importlib
from argparse import ArgumentTypeError, Namespace
from collections.abc import Callable, Sequence

from airflow.cli.cli_config import ARG_OUTPUT, ARG_VERBOSE, ARG_YES, ActionCommand, Arg, GroupCommand

from airflow_provider_contacts.conditions import SIMPLE_CONDITIONS, get_condition_name
from airflow_provider_contacts.errors import ContactsError

_CONDITIONS = ", ".join(
    ":".join(filter(None, (get_condition_name(condition), condition.example)))
    for condition in SIMPLE_CONDITIONS
)


def define_commands() -> GroupCommand:
    """Return the ``airflow contacts`` commands."""
    return GroupCommand(
        name="contacts",
        help="Contacts of outreach tools",
        subcommands=[*_reading_commands(), *_table_commands(), _sandbox_command()],
    )


def _command(name: str, help_text: str, function: str, *args: Arg) -> ActionCommand:
    """Return a command.

    :param function: module and name of what it calls. An error ends the command with status 1.
    """
    module, _, function_name = function.partition(".")

    def run(namespace: Namespace) -> None:
        called = getattr(
            importlib.import_module(f"airflow_provider_contacts.commands.{module}"), function_name
        )
        try:
            called(namespace)
        except ContactsError as error:
            raise SystemExit(str(error)) from None

    return ActionCommand(name=name, help=help_text, func=run, args=(*args, ARG_VERBOSE))


def _reading_commands() -> list[ActionCommand]:
    """Return the commands that read vendors."""
    connection = Arg(("contacts_conn_id",), metavar="CONN_ID", help="id of the Airflow connection")
    vendor = Arg(
        ("contacts_conn_id",),
        metavar="CONN_ID",
        help="id of the Airflow connection, or a connection type such as mailstand",
    )
    filters = Arg(
        ("--filter",),
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="filter of the vendor, see `airflow contacts filters`; repeat it for several filters or values",
    )
    conditions = Arg(
        ("--condition",),
        action="append",
        default=[],
        metavar="CONDITION",
        help=f"{_CONDITIONS}, or JSON, which also has all, any and not; repeat it to require all",
    )
    limit = Arg(("--limit",), type=int, help="stop after this many contacts (default: all)")
    path = Arg(
        ("path",),
        help="file, or URL such as s3://aws_default@bucket/contacts.parquet; its ending selects the format",
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
    check_help = "Test a connection, and say which form field to fix if it fails"
    list_help = "List the contacts of a connection"
    export_help = "Write the contacts of a connection to a file"
    conditions_help = "Print the conditions, and which of them a vendor supports"
    selected = (connection, filters, conditions)
    return [
        _command("check", check_help, "check.check", connection),
        _command("list", list_help, "listing.list_contacts", *selected, limit, ARG_OUTPUT),
        _command("export", export_help, "export.export", *selected, path, content, without_raw),
        _command(
            "filters", "Print the filters that a vendor has", "support.print_filters", vendor, ARG_OUTPUT
        ),
        _command("conditions", conditions_help, "support.print_conditions", vendor, ARG_OUTPUT),
    ]


def _table_commands() -> list[ActionCommand | GroupCommand]:
    """Return the commands that read and write the user's tables."""
    database = Arg(("sql_conn_id",), metavar="CONN_ID", help="id of the connection of the database")
    example = "such as tether/665f1c2e9b1d8a0012345678"
    people = _command(
        "people",
        "Show how many people are at which vendors, and what was set aside",
        "people.show_people",
        database,
        Arg(("table",), help="the table of people that ResolvePeopleOperator writes, or schema.table"),
        Arg(("--person",), metavar="VENDOR/ID", help=f"show only the person of this contact, {example}"),
    )
    person = (
        Arg(("--email",), help="e-mail address of the person"),
        Arg(("--phone",), help="phone number of the person, with its country code"),
        Arg(("--linkedin",), help="address of the person's LinkedIn profile"),
        Arg(("--reference",), metavar="VENDOR/ID", help=f"one contact, {example}"),
    )
    secret = Arg(
        ("--secret-conn-id",),
        help="connection with the secret of the suppressions (default: the configured one)",
    )
    erase = _command(
        "erase",
        "Erase a person's data from a table of exported contacts",
        "erase.erase_person",
        database,
        Arg(("table",), help="the table, or schema.table"),
        *person,
        Arg(("--default-region",), help="country of a phone number without a code, such as US"),
        Arg(("--suppressions-table",), help="suppress the person too, in this table of the database"),
        secret,
        ARG_YES,
    )
    return [
        people,
        erase,
        _audit_commands(database, example),
        _suppression_commands(database, person, secret),
    ]


def _audit_commands(database: Arg, example: str) -> GroupCommand:
    prune = _command(
        "prune",
        "Delete old rows",
        "audit.prune",
        database,
        Arg(("table",), help="the table of the audit, or schema.table"),
        Arg(("--keep",), required=True, help="how long to keep rows, such as 400d"),
    )
    show = _command(
        "show",
        "Show what was done to a contact",
        "audit.show",
        database,
        Arg(("table",), help="the table of the audit, or schema.table"),
        Arg(("reference",), metavar="VENDOR/ID", help=f"the contact, {example}"),
        ARG_OUTPUT,
    )
    return GroupCommand(name="audit", help="The audit of updates", subcommands=[prune, show])


def _suppression_commands(database: Arg, person: Sequence[Arg], secret: Arg) -> GroupCommand:
    suppressions_table = Arg(
        ("table",),
        nargs="?",
        default="contact_suppressions",
        help="the table, or schema.table (default: contact_suppressions)",
    )
    check = _command(
        "check",
        "Show whether a person is suppressed, since when and why",
        "suppressions.check",
        database,
        suppressions_table,
        *person,
        secret,
        ARG_OUTPUT,
    )
    summary = _command(
        "summary",
        "Show how many keys are suppressed, by kind, scope and reason",
        "suppressions.summarize",
        database,
        suppressions_table,
        secret,
        ARG_OUTPUT,
    )
    return GroupCommand(
        name="suppressions", help="People who must not be contacted", subcommands=[check, summary]
    )


def _sandbox_command() -> ActionCommand:
    return _command(
        "sandbox",
        "Serve the vendors on this machine, with fictional people",
        "sandbox.run_sandbox",
        Arg(("--port",), type=_number(65_535), default=8765, help="port to listen on (default: 8765)"),
        Arg(("--contacts",), type=_number(1_000_000), default=250, help="contacts per vendor (default: 250)"),
        Arg(("--seed",), type=int, default=7, help="random seed of the fictional people (default: 7)"),
        Arg(
            ("--no-rate-limits",),
            action="store_true",
            help="accept any number of requests, unlike the vendors",
        ),
        Arg(("--quiet",), action="store_true", help="print no line per request"),
    )


def _number(maximum: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isascii() or not text.isdigit() or int(text) > maximum:
            raise ArgumentTypeError(f"must be a whole number from 0 to {maximum}")
        return int(text)

    return parse
