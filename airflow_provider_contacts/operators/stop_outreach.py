"""Operator that stops outreach to people at all other vendors."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from airflow_provider_contacts.core.validation import (
    is_empty_argument,
    parse_bool,
    parse_optional_duration,
    parse_table,
)
from airflow_provider_contacts.errors import InvalidRequest
from airflow_provider_contacts.hooks.base import ContactsHook
from airflow_provider_contacts.operators.arguments import argument, declares, list_arguments, parse_arguments
from airflow_provider_contacts.operators.base import describe_task
from airflow_provider_contacts.operators.stopping.actions import StopAction, adapt_actions, parse_actions
from airflow_provider_contacts.operators.updating.arguments import WriteOptions
from airflow_provider_contacts.operators.updating.base import BaseWriteOperator
from airflow_provider_contacts.safeguards.configuration import locate_table

if TYPE_CHECKING:
    import sqlalchemy as sa
    from airflow.sdk import Context

    from airflow_provider_contacts.contact import Reference
    from airflow_provider_contacts.operators.stopping.run import StopRun
    from airflow_provider_contacts.operators.stopping.suppressing import StopSuppressions
    from airflow_provider_contacts.people.lookup import Person
    from airflow_provider_contacts.people.tables import PeopleTables
    from airflow_provider_contacts.safeguards.approval import ApprovalAnswer

__all__ = ["StopOutreachOperator"]


def _parse_preview(name: str, value: object) -> bool:
    return is_empty_argument(value) or parse_bool(name, value)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class StopOptions(WriteOptions):
    """The arguments of :class:`StopOutreachOperator` after templates are rendered."""

    actions: Mapping[str, StopAction] = argument(parse_actions)
    people_table: str = argument(parse_table, "contact_people", is_safeguard=True)
    contacts_table: str = argument(parse_table, "contacts", is_safeguard=True)
    max_age: timedelta | None = argument(parse_optional_duration, None, is_safeguard=True)
    preview: bool = argument(_parse_preview, True, is_safeguard=True)


class StopOutreachOperator(BaseWriteOperator):
    """Stop outreach to people at the other vendors; a preview unless ``preview=False``.

    Looks up the people of the given contacts in the table that ``ResolvePeopleOperator`` writes,
    and applies ``actions`` to all their other contacts. Each action changes a contact only once, so
    that a later run does not undo manual changes. If one vendor fails, the others are still
    updated, and a retry continues with the rest.

    All arguments are templated.

    :param contacts: references of the contacts who replied, as an event, a sensor or a listing
        returns them, or a query (``SqlContacts``) with the columns ``vendor``, ``account_id`` and
        ``contact_id``.
    :param actions: by connection, one of ``{"stage": name}``, ``{"add_tags": names, "remove_tags":
        names}``, ``{"notes": …}``, ``"suppress"`` (add them to ``suppressions_table`` at this
        vendor), ``"manual"`` (only report them) and ``"default"`` (the change that the docs name
        for each vendor). Several connections of one vendor need the key ``accounts``.
    :param people_table: table of people.
    :param contacts_table: table of exported contacts.
    :param max_age: fail if a contact has changed longer ago than this, such as ``"1d"``, and people
        were not resolved since. By default this is a warning.
    :param preview: report what would be done, and change no contact. The audit records it. If
        ``preview`` renders to an empty value, the task fails instead of writing.
    :return: ``people``: for each person ``person_id``, ``matched_on`` (kinds of keys) and
        ``actions``, each a reference with ``contacts_conn_id``, ``action`` and ``outcome``;
        ``unmatched``: references that belong to no person; and ``updated``, ``unchanged``,
        ``suppressed``, ``failed``, ``would_update``, ``manual`` and ``removed`` (at their vendor),
        lists of references.
    :raises UnsupportedByVendor: if a vendor's API cannot make a change; nothing is requested then.
    :raises InvalidRequest: if the people were never resolved, are older than ``max_age``, or too
        many contacts would change.
    :raises ContactsError: if contacts failed and ``on_failure`` is ``fail``.
    """

    options_class = StopOptions
    template_fields: Sequence[str] = ("contacts", *list_arguments(StopOptions))

    @declares(StopOptions)
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)

    def run_attempt(self, context: Context, answer: ApprovalAnswer | None) -> dict[str, Any]:
        """Stop outreach to the people. If an approval is required and missing, ask for it first."""
        from airflow_provider_contacts.operators.stopping.plan import plan_stop, read_references
        from airflow_provider_contacts.operators.stopping.run import StopRun
        from airflow_provider_contacts.people.tables import open_people_tables

        options = parse_arguments(self, StopOptions, self.required_arguments)
        hooks, actions = self._open_connections(options)
        references = read_references(self.contacts, [hook.vendor for hook in hooks.values()])
        people_table = locate_table("people_table", options.people_table, options.sql_conn_id)
        with open_people_tables(people_table, options.contacts_table, create=False) as (engine, tables):
            people, unmatched = self._find_people(options, engine, tables, references)
            self._warn_of_unknown_accounts(options, engine, tables, hooks, actions)
            suppressions = self._open_suppressions(context, options, actions)
            plan = plan_stop(people, unmatched, actions, hooks, suppressions)
            run = StopRun(context, plan, options, suppressions, engine, tables.stops)
            run.check()
            if options.preview:
                run.preview()
            else:
                run.write(self.require_approver(context, run.attempts, options, answer))
        return self._finish(context, options, run)

    def _open_connections(
        self, options: StopOptions
    ) -> tuple[dict[str, ContactsHook[Any]], dict[str, StopAction]]:
        """Return the hook and the action of each connection, without any request."""
        hooks = {conn_id: ContactsHook.for_connection(conn_id, log=self.log) for conn_id in options.actions}
        vendors = {conn_id: hook.vendor for conn_id, hook in hooks.items()}
        return hooks, adapt_actions(options.actions, vendors, options.locate("suppressions_table"))

    def _open_suppressions(
        self, context: Context, options: StopOptions, actions: Mapping[str, StopAction]
    ) -> StopSuppressions:
        """Return the suppressions of the task.

        A missing table is created only if nothing but suppressions is written: an empty table would
        let any other change through.
        """
        from airflow_provider_contacts.operators.stopping.suppressing import StopSuppressions

        safeguards = options.find_safeguards()
        self.log.info("%s", safeguards)
        own = options.locate("suppressions_table")
        suppressions = StopSuppressions(
            safeguards, own, options.secret_conn_id, describe_task(context), self.log
        )
        types = {action.type for action in actions.values()}
        if "suppress" in types and types <= {"suppress", "manual"}:
            suppressions.create_table()
        return suppressions

    def _finish(self, context: Context, options: StopOptions, run: StopRun) -> dict[str, Any]:
        from airflow_provider_contacts.safeguards.approval import forget_approval

        result = run.report()
        if not options.preview and options.require_approval is not None:
            forget_approval(context, self.log)
        return result

    def _find_people(
        self, options: StopOptions, engine: sa.Engine, tables: PeopleTables, references: Sequence[Reference]
    ) -> tuple[list[Person], list[Reference]]:
        """Return the people of the references, and the references without a person."""
        from airflow_provider_contacts.people.lookup import compute_backlog_age, find_people

        with _read(options, engine) as connection:
            self._check_age(options, compute_backlog_age(connection, tables, datetime.now(timezone.utc)))
            people, unmatched = find_people(connection, tables, references)
        if unmatched:
            self.log.warning(
                "%d of %d references belong to no person in %r. Export the contacts and resolve the people "
                "first.",
                len(unmatched),
                len(references),
                options.people_table,
            )
        return people, unmatched

    def _warn_of_unknown_accounts(
        self,
        options: StopOptions,
        engine: sa.Engine,
        tables: PeopleTables,
        hooks: Mapping[str, ContactsHook[Any]],
        actions: Mapping[str, StopAction],
    ) -> None:
        from airflow_provider_contacts.people.lookup import find_accounts

        if not any(action.accounts for action in actions.values()):
            return
        with _read(options, engine) as connection:
            known_accounts = find_accounts(connection, tables)
        for conn_id, action in actions.items():
            vendor = hooks[conn_id].vendor
            known = known_accounts.get(vendor.name, [])
            if unknown := [account for account in action.accounts if account not in known]:
                self.log.warning(
                    "`accounts` of %r names %s, which no contact in %r has. Known accounts of %s: %s.",
                    conn_id,
                    ", ".join(unknown),
                    options.people_table,
                    vendor.title,
                    ", ".join(known) or "none",
                )

    def _check_age(self, options: StopOptions, age: timedelta | None) -> None:
        if age is None:
            raise InvalidRequest(
                f"The people in {options.people_table!r} were never resolved from contacts. Run "
                "ResolvePeopleOperator first. Nothing was written."
            )
        if options.max_age is not None and age > options.max_age:
            raise InvalidRequest(
                f"Contacts in {options.contacts_table!r} changed {age} ago, and the people in "
                f"{options.people_table!r} have not been resolved since; max_age is {options.max_age}. Run "
                "ResolvePeopleOperator, then retry. Nothing was written."
            )
        if age:
            self.log.warning(
                "Contacts in %r changed %s ago, and the people in %r have not been resolved since. Run "
                "ResolvePeopleOperator after every export.",
                options.contacts_table,
                age,
                options.people_table,
            )


@contextlib.contextmanager
def _read(options: StopOptions, engine: sa.Engine) -> Iterator[sa.Connection]:
    """Provide a connection whose reads all see the same people."""
    from airflow_provider_contacts.databases.connecting import snapshot
    from airflow_provider_contacts.databases.errors import database_errors

    problem = f"The table {options.people_table!r} cannot be read, so nothing is written"
    with database_errors(problem), snapshot(engine) as connection:
        yield connection
