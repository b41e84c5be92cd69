"""``airflow contacts people``."""

from __future__ import annotations

from argparse import Namespace

from airflow_provider_contacts.commands.arguments import enable_database_connections, parse_reference
from airflow_provider_contacts.commands.output import count_of, print_rows
from airflow_provider_contacts.databases import sa
from airflow_provider_contacts.databases.connecting import connect, transaction
from airflow_provider_contacts.databases.errors import database_errors
from airflow_provider_contacts.databases.tables import require_table
from airflow_provider_contacts.errors import InvalidRequest
from airflow_provider_contacts.people.summary import Summary, find_person_rows, summarize_people
from airflow_provider_contacts.people.tables import define_people_table


def show_people(args: Namespace) -> None:
    """Print how many people are at which vendors, or one person."""
    enable_database_connections()
    people = define_people_table(args.table)
    with (
        connect(args.sql_conn_id) as engine,
        database_errors(f"The table {args.table!r} of connection {args.sql_conn_id!r} cannot be read"),
    ):
        require_table(engine, people, writer="ResolvePeopleOperator")
        with transaction(engine) as connection:
            if args.person:
                _print_person(connection, people, args.person)
            else:
                _print_summary(summarize_people(connection, people))


def _print_person(connection: sa.Connection, people: sa.Table, text: str) -> None:
    rows = find_person_rows(connection, people, *parse_reference(text, "--person"))
    if not rows:
        raise InvalidRequest(
            f"{text} belongs to no person in {people.name!r}. Export the contacts, and run "
            "ResolvePeopleOperator."
        )
    print_rows(rows, "table")


def _print_summary(summary: Summary) -> None:
    total = sum(summary.people.values())
    several = sum(count for vendors, count in summary.people.items() if len(vendors) > 1)
    print(  # noqa: T201
        f"{count_of(sum(summary.contacts.values()), 'contact')} belong to {total} people; {several} people "
        "have contacts at several vendors."
    )
    print_rows(
        [
            {"vendors": ", ".join(vendors), "people": count, "contacts": summary.contacts[vendors]}
            for vendors, count in sorted(
                summary.people.items(), key=lambda item: (-len(item[0]), -item[1], item[0])
            )
        ],
        "table",
    )
    if summary.set_aside:
        print("Contacts with keys that were set aside:")  # noqa: T201
    print_rows(
        [
            {"key": kind, "reason": reason.replace("_", " "), "contacts": count}
            for (kind, reason), count in sorted(summary.set_aside.items())
        ],
        "table",
    )
