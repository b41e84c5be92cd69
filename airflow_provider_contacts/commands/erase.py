"""``airflow contacts erase``."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping, Sequence

from airflow_provider_contacts.commands.arguments import (
    enable_database_connections,
    parse_person,
    require_keys,
)
from airflow_provider_contacts.commands.output import count_of, print_note
from airflow_provider_contacts.core.validation import TableLocation
from airflow_provider_contacts.databases.connecting import connect
from airflow_provider_contacts.databases.errors import database_errors
from airflow_provider_contacts.databases.tables import require_table
from airflow_provider_contacts.errors import InvalidRequest
from airflow_provider_contacts.identity_keys import require_region
from airflow_provider_contacts.safeguards.configuration import ALL_VENDORS, find_secret_conn_id
from airflow_provider_contacts.safeguards.keys import find_keys, find_keys_to_erase, find_keys_to_suppress
from airflow_provider_contacts.safeguards.suppressions import open_suppressions
from airflow_provider_contacts.transfers.tables.erasing import FoundRows, erase, find_rows, list_other_columns
from airflow_provider_contacts.transfers.tables.table import define_table

# By argument, which has the name of the key's kind.
_REASON = "erased"
_SOURCE = "airflow contacts erase"


def erase_person(args: Namespace) -> None:
    """Erase a person's rows in a table of exported contacts, and print what was done."""
    enable_database_connections()
    given = parse_person(args)
    wanted = _parse_keys(args, given)
    table = define_table(args.table)
    with connect(args.sql_conn_id) as engine, database_errors("Erasing failed"):
        require_table(engine, table)
        person = find_rows(engine, table, wanted, find_keys(given))
        _print_found(person)
        if person.rows and (others := list_other_columns(engine, table)):
            print_note(f"Not erased: the columns that were added to the table: {', '.join(others)}.")
        if (person.rows or args.suppressions_table) and not (args.yes or _confirm(len(person.rows))):
            print("Nothing was erased or suppressed.")  # noqa: T201
            return
        if args.suppressions_table:
            own = find_keys_to_suppress(given, args.default_region or "")
            _suppress(args, list(dict.fromkeys([*own, *sorted(person.keys)])))
        if not person.rows:
            print("No row matches. Nothing was erased.")  # noqa: T201
            return
        erased = set(person.rows)
        erase(engine, table, erased)
        # An export may have written another row meanwhile.
        while later := set(find_rows(engine, table, wanted).rows) - erased:
            erase(engine, table, later)
            erased |= later
        count = len(erased)
    print(f"Erased {count_of(count, 'row')}. Exports do not fill them again.")  # noqa: T201
    vendors = ", ".join(sorted({vendor for vendor, *_ in person.rows}))
    print_note(f"Delete the contact at these vendors too: {vendors}. Files and XCom are not covered.")


def _parse_keys(args: Namespace, given: Mapping[str, object]) -> list[str]:
    if args.default_region:
        require_region("--default-region", args.default_region)
    keys = find_keys_to_erase(given, args.default_region or "")
    require_keys(args, keys)
    return keys


def _print_found(person: FoundRows) -> None:
    for row in person.rows:
        print("/".join(filter(None, row)))  # noqa: T201
    if person.related:
        print_note(
            f"Not erased: {count_of(len(person.related), 'other row')} that may be of the same person, by an "
            f"e-mail address, a phone number or a LinkedIn profile: {_list(person.related)}. If one is, "
            "erase it with --reference."
        )


def _list(rows: Sequence[tuple[str, str, str]]) -> str:
    shown = [f"{vendor}/{contact_id}" for vendor, _, contact_id in rows[:10]]
    more = len(rows) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _confirm(count: int) -> bool:
    try:
        what = f"Erase {count_of(count, 'row')}? This cannot be undone." if count else ""
        answer = input(f"{what or 'No row matches. Suppress the person?'} [y/N] ")
    except EOFError:
        raise InvalidRequest("The confirmation needs a terminal. Use --yes.") from None
    return answer.strip().lower() == "y"


def _suppress(args: Namespace, keys: Sequence[str]) -> None:
    location = TableLocation(args.sql_conn_id, args.suppressions_table)
    with open_suppressions(location, find_secret_conn_id(args.secret_conn_id), create=True) as suppressions:
        suppressions.add([keys], scope=ALL_VENDORS, reason=_REASON, source=_SOURCE, until=None)
    kinds = dict.fromkeys(key.partition(":")[0] for key in keys)
    print(f"Suppressed the person by: {', '.join(kinds)}.")  # noqa: T201
