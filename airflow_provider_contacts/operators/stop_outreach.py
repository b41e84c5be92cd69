"""Operator that stops outreach to people at all other vendors."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_contacts.core.updates.targets import compute_digest
from airflow_provider_contacts.core.validation import parse_optional_duration
from airflow_provider_contacts.databases.tables import parse_table_name
from airflow_provider_contacts.errors import ContactsError, InvalidRequest
from airflow_provider_contacts.hooks.base import ContactsHook
from airflow_provider_contacts.operators.base import ContactsLike, describe_task
from airflow_provider_contacts.operators.literals import check_literals
from airflow_provider_contacts.operators.stopping.actions import (
    SUPPRESSION_REASON,
    StopAction,
    adapt_actions,
    parse_actions,
)
from airflow_provider_contacts.operators.updating.attempt import build_scope
from airflow_provider_contacts.operators.updating.base_write import BaseWriteOperator
from airflow_provider_contacts.operators.updating.options import UpdateOptions, is_nothing, parse_options

if TYPE_CHECKING:
    import sqlalchemy as sa
    from airflow.sdk import Context, XComArg

    from airflow_provider_contacts.contact import Reference
    from airflow_provider_contacts.operators.stopping.plan import StopPlan
    from airflow_provider_contacts.people.tables import PeopleTables
    from airflow_provider_contacts.safeguards.approval import Answer
    from airflow_provider_contacts.safeguards.gate import Gate

__all__ = ["OUTCOMES", "StopOutreachOperator"]

OUTCOMES = ("updated", "unchanged", "suppressed", "failed", "would_update", "manual", "removed")


class StopOutreachOperator(BaseWriteOperator):
    """Stop outreach to people at the other vendors, for example because they replied or opted out at one.

    Looks up the people of the given contacts in the table that ``ResolvePeopleOperator`` writes, and applies ``actions`` to all their other
    contacts. Each action changes a contact only once, so that a later run does not undo manual changes. If one vendor
    fails, the others are still updated, and a retry continues with the rest.

    :param contacts: references of the contacts who replied, such as an event, a sensor or a listing returns them, or a query
        (``SqlContacts``) with the columns ``vendor``, ``account_id`` and ``contact_id``. Templated.
    :param sql_conn_id: connection of the database with the tables of people and of exported contacts. Templated.
    :param actions: by connection, one of ``{"stage": name}``, ``{"add_tags": names, "remove_tags": names}``, ``{"notes": …}``,
        ``"suppress"`` (add them to ``suppressions`` at this vendor), ``"manual"`` (only report them) and ``"default"`` (the least
        drastic change that the API documents). Several connections of one vendor need the key ``accounts``. Templated.
    :param people_table: table of people. Templated.
    :param contacts_table: table of exported contacts. Templated.
    :param max_age: fail if contacts have changed longer ago than this, such as ``"1d"``, and were not resolved since. By default this is a
        warning. Templated.
    :param preview: report what would be done, and change no contact. The audit records it. This is the default. Templated.
    :param max_updates: fail before the first write if more contacts than this would change. Templated.
    :param on_failure: ``fail`` or ``continue``, after all contacts have been tried. Templated.
    :param require_approval: wait for a person to approve, always or above a number of contacts. Templated.
    :param approvers: ids of the only users who may approve. Templated.
    :param approval_timeout: how long to wait for the approval, such as ``"24h"``. Templated.
    :param suppressions: ``<conn_id>.<table>`` of contacts that must not be contacted, and to which ``"suppress"`` adds. Templated.
    :param secret_conn_id: connection whose password is the secret of ``suppressions``. Templated.
    :param audit: ``<conn_id>.<table>`` that gets a row per changed contact and attempt. Templated.
    :return: ``people``: for each person ``person_id``, ``matched_on`` (kinds of keys) and ``actions``, each a reference with
        ``contacts_conn_id``, ``action`` and ``outcome``; ``unmatched``: references that belong to no person; and ``updated``,
        ``unchanged``, ``suppressed``, ``failed``, ``would_update``, ``manual`` and ``removed`` (at their vendor), lists of references.
    :raises UnsupportedByVendor: if a vendor's API cannot make a change; nothing is requested then.
    :raises InvalidRequest: if the people were never resolved, are older than ``max_age``, or too many contacts would change.
    :raises ContactsError: if contacts failed and ``on_failure`` is ``fail``.
    """

    template_fields: Sequence[str] = (
        *BaseWriteOperator.template_fields,
        "sql_conn_id",
        "actions",
        "people_table",
        "contacts_table",
        "max_age",
    )
    # A preview that renders to nothing must not become a run that writes.
    safeguards = (*BaseWriteOperator.safeguards, "preview", "max_age")
    ui_color = "#f1e4e4"

    def __init__(
        self,
        *,
        contacts: ContactsLike,
        sql_conn_id: str,
        actions: Mapping[str, str | Mapping[str, object]] | XComArg | str,
        people_table: str = "contact_people",
        contacts_table: str = "contacts",
        max_age: timedelta | str | None = None,
        preview: bool | str = True,
        **kwargs: Any,
    ) -> None:
        self.max_age = max_age
        super().__init__(contacts=contacts, preview=True if is_nothing(preview) else preview, **kwargs)
        self.sql_conn_id = sql_conn_id
        # Templates replace it before it is used.
        self.actions: Any = actions
        self.people_table = people_table
        self.contacts_table = contacts_table
        check_literals(self, parse_actions, actions)
        check_literals(self, partial(parse_optional_duration, "max_age"), max_age)
        for name in ("people_table", "contacts_table"):
            check_literals(self, partial(_check_table, name), getattr(self, name))

    def execute(self, context: Context) -> dict[str, Any]:
        """Stop outreach to the people."""
        return self._run(context, None)

    def _run(self, context: Context, answer: Answer | None) -> dict[str, Any]:
        from airflow_provider_contacts.operators.stopping.plan import read_references
        from airflow_provider_contacts.operators.stopping.run import StopRun
        from airflow_provider_contacts.people.tables import open_people_tables

        options = parse_options(self)
        hooks, actions = self._parse_actions(options)
        references = read_references(self.contacts, [hook.vendor for hook in hooks.values()])
        with open_people_tables(self.sql_conn_id, self.people_table, self.contacts_table, create=False) as (
            engine,
            tables,
        ):
            plan = self._plan(context, engine, tables, hooks, actions, references)
            run = StopRun(plan, options, context, engine, tables.stops, self.log)
            run.prepare(partial(self._open_gate, options))
            if options.preview:
                run.preview()
            else:
                run.write(self._require_approver(context, plan, options, answer))
        return self._report(context, plan, options)

    def _parse_actions(
        self, options: UpdateOptions
    ) -> tuple[dict[str, ContactsHook[Any]], dict[str, StopAction]]:
        """Return the hook and the action of each connection, without any request."""
        parsed = parse_actions(self.actions)
        hooks = {conn_id: ContactsHook.for_connection(conn_id, log=self.log) for conn_id in parsed}
        vendors = {conn_id: hook.vendor for conn_id, hook in hooks.items()}
        return hooks, adapt_actions(parsed, vendors, options.suppressions)

    def _plan(
        self,
        context: Context,
        engine: sa.Engine,
        tables: PeopleTables,
        hooks: Mapping[str, ContactsHook[Any]],
        actions: Mapping[str, StopAction],
        references: Sequence[Reference],
    ) -> StopPlan:
        """Look up the people of the references, and decide what to do with their contacts."""
        from airflow_provider_contacts.databases.connecting import snapshot
        from airflow_provider_contacts.databases.errors import database_errors
        from airflow_provider_contacts.operators.stopping.plan import StopPlan
        from airflow_provider_contacts.people.lookup import compute_age, find_accounts, find_people

        with (
            database_errors(
                f"The table {self.people_table!r} of connection {self.sql_conn_id!r} cannot be read, so nothing is written"
            ),
            snapshot(engine) as connection,
        ):
            self._check_age(compute_age(connection, tables, datetime.now(timezone.utc)))
            people, unmatched = find_people(connection, tables, references)
            has_accounts = any(action.accounts for action in actions.values())
            known_accounts = find_accounts(connection, tables) if has_accounts else {}
        if unmatched:
            self.log.warning(
                "%d of %d references belong to no person in %r. Export the contacts and resolve the people first.",
                len(unmatched),
                len(references),
                self.people_table,
            )
        for conn_id, action in actions.items():
            known = known_accounts.get(hooks[conn_id].vendor.name, [])
            if unknown := [account for account in action.accounts if account not in known]:
                self.log.warning(
                    "`accounts` of %r names %s, which no contact in %r has. Its accounts of %s are: %s.",
                    conn_id,
                    ", ".join(unknown),
                    self.people_table,
                    hooks[conn_id].vendor.title,
                    ", ".join(known) or "none",
                )
        return StopPlan.create(people, unmatched, actions, hooks, describe_task(context))

    def _check_age(self, age: timedelta | None) -> None:
        max_age = parse_optional_duration("max_age", self.max_age)
        if age is None:
            raise InvalidRequest(
                f"The people in {self.people_table!r} were never resolved from contacts. Run ResolvePeopleOperator first. Nothing was written."
            )
        if max_age is not None and age > max_age:
            raise InvalidRequest(
                f"Contacts in {self.contacts_table!r} changed {age} ago, and the people in {self.people_table!r} have not been resolved since; "
                f"max_age is {max_age}. Run ResolvePeopleOperator, then retry. Nothing was written."
            )
        if age:
            self.log.warning(
                "Contacts in %r changed %s ago, and the people in %r have not been resolved since. Run ResolvePeopleOperator after every export.",
                self.contacts_table,
                age,
                self.people_table,
            )

    def _open_gate(self, options: UpdateOptions) -> Gate:
        from airflow_provider_contacts.safeguards.gate import open_gate

        contacts = f"{self.sql_conn_id}.{self.contacts_table}"
        # What this operator has suppressed itself must not keep it from stopping the person.
        return open_gate(
            options.suppressions,
            options.secret_conn_id,
            contacts,
            self.log,
            ignored_reason=SUPPRESSION_REASON,
        )

    def _require_approver(
        self, context: Context, plan: StopPlan, options: UpdateOptions, answer: Answer | None
    ) -> str | None:
        parts = [one for one in plan.connections if one.targets_to_change]
        digests = sorted(
            compute_digest(build_scope(one.hook), one.targets_to_approve) for one in plan.connections
        )
        digest = hashlib.sha256("".join(digests).encode()).hexdigest()
        sections = [one.to_section() for one in parts]
        return self.require_approver(context, options, answer, digest, sections)

    def _report(self, context: Context, plan: StopPlan, options: UpdateOptions) -> dict[str, Any]:
        """Return the result.

        :raises ContactsError: if contacts failed and ``on_failure`` is ``fail``.
        """
        from airflow_provider_contacts.safeguards.approval import forget_approval

        by_outcome = plan.group_by_outcome()
        self.log.info(
            "Found %d people; %d references belong to no person. Their other contacts: %s.",
            len(plan.people),
            len(plan.unmatched),
            ", ".join(f"{len(found)} {name.replace('_', ' ')}" for name, found in by_outcome.items())
            or "none",
        )
        errors = [error for one in plan.connections for error in one.errors]
        if errors and options.on_failure == "fail":
            causes = " ".join(one.describe_errors() for one in plan.connections if one.errors)
            failed = len(by_outcome["failed"])
            outcome = (
                f"{failed} contacts could not be checked."
                if options.preview
                else f"{failed} contacts could not be stopped; {len(by_outcome['updated'])} were updated. A retry continues with the rest."
            )
            raise ContactsError(f"{outcome} {causes}", transient=any(not error.permanent for error in errors))
        if not options.preview and options.threshold is not None:
            forget_approval(context, self.log)
        return {
            "people": plan.describe_people(),
            "unmatched": plan.unmatched,
            **{name: by_outcome.get(name, []) for name in OUTCOMES},
        }


def _check_table(argument: str, value: object) -> None:
    parse_table_name(value, argument)
