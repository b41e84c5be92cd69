"""Turn the arguments of the commands into a hook, filters and a condition."""

from __future__ import annotations

import logging
import os
from argparse import Namespace
from collections.abc import Iterable
from typing import Any

from airflow_provider_contacts.conditions import AllOf, Condition
from airflow_provider_contacts.core.logs import Log
from airflow_provider_contacts.core.matching.parsing import parse_condition
from airflow_provider_contacts.errors import InvalidRequest
from airflow_provider_contacts.hooks.base import ContactsHook
from airflow_provider_contacts.hooks.registry import hook_classes

_PROBLEMS = {
    "email": "--email is not an e-mail address.",
    "phone": "--phone is not a phone number with a country code, such as +12015550101.",
    "linkedin": "--linkedin is not the address of a profile, such as https://www.linkedin.com/in/ana-patel-1.",
}


def open_hook(conn_id: str) -> ContactsHook[Any]:
    """Return the hook of a connection in Airflow's database, its environment or a secrets backend.

    :raises InvalidConnection: if it does not exist, or a setting is invalid.
    """
    enable_database_connections()
    return ContactsHook.for_connection(conn_id, log=_stderr_log())


def enable_database_connections() -> None:
    """Make lookups find the connections in Airflow's database, which commands otherwise skip."""
    # Airflow has no public way to do this (seen in 3.3.2: `ensure_secrets_backend_loaded`).
    os.environ["_AIRFLOW_PROCESS_CONTEXT"] = "server"


def _stderr_log() -> Log:
    """Return a log that does not mix with the contacts on stdout, where Airflow's log goes."""
    log = logging.getLogger("airflow_provider_contacts.cli")
    log.propagate = False
    log.setLevel(logging.INFO)
    if not log.handlers:
        log.addHandler(logging.StreamHandler())
    return log


def parse_reference(text: str, argument: str) -> tuple[str, str | None, str]:
    """Parse a reference such as ``tether/665f…`` into vendor, account id (or None) and contact id.

    :param argument: the argument's name, for messages.
    :raises InvalidRequest: if it is not a reference.
    """
    vendor, *account, contact_id = text.strip().split("/") if "/" in text else ("", "")
    if vendor not in hook_classes() or not contact_id:
        raise InvalidRequest(
            f"{argument} must be VENDOR/CONTACT_ID or VENDOR/ACCOUNT_ID/CONTACT_ID, such as "
            f"tether/665f1c2e9b1d8a0012345678. Known vendors: {', '.join(hook_classes())}."
        )
    return vendor, "/".join(account) or None, contact_id


def parse_person(args: Namespace) -> dict[str, str]:
    """Return the fields of a contact that ``--email``, ``--reference`` and the like name.

    :raises InvalidRequest: if there are none.
    """
    fields = {"email": args.email, "phone": args.phone, "linkedin_url": args.linkedin}
    given = {name: value for name, value in fields.items() if value}
    if args.reference:
        vendor, _, contact_id = parse_reference(args.reference, "--reference")
        given.update({"vendor": vendor, "contact_id": contact_id})
    if not given:
        raise InvalidRequest("Set --email, --phone, --linkedin or --reference.")
    return given


def require_keys(args: Namespace, keys: Iterable[str]) -> None:
    """Check that each value that names a person gives a key.

    :param keys: of all values.
    :raises InvalidRequest: if one gives none.
    """
    found = {key.partition(":")[0] for key in keys}
    for name, problem in _PROBLEMS.items():
        if getattr(args, name) and name not in found:
            raise InvalidRequest(problem)


def parse_filters(pairs: list[str]) -> dict[str, Any]:
    """Return the filters of ``--filter KEY=VALUE``. A repeated key has a list of values."""
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


def parse_conditions(texts: list[str]) -> Condition | None:
    """Return the condition that requires every ``--condition``, or None if there is none."""
    conditions: Any = tuple(parse_condition(text) for text in texts)
    return AllOf(conditions) if conditions else None
