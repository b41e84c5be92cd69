"""Operator that stops outreach to people at all other vendors."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_contacts.hooks.base import ContactsHook
from airflow_provider_contacts.operators.arguments import declares, list_arguments, parse_arguments
from airflow_provider_contacts.operators.base import describe_task
from airflow_provider_contacts.operators.stopping.actions import StopAction, adapt_actions
from airflow_provider_contacts.operators.stopping.arguments import StopOptions
from airflow_provider_contacts.operators.updating.base import BaseWriteOperator
from airflow_provider_contacts.safeguards.configuration import find_secret_conn_id, locate_table

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_contacts.operators.stopping.run import StopRun
    from airflow_provider_contacts.operators.stopping.suppressing import StopSuppressions
    from airflow_provider_contacts.safeguards.approval import ApprovalAnswer

__all__ = ["StopOutreachOperator"]


class StopOutreachOperator(BaseWriteOperator):
    """Stop outreach to people at the other vendors; a preview unless ``preview=False``.

    Looks up the people of the given contacts in the table that ``ResolvePeopleOperator`` writes,
    and applies ``actions`` to all their other contacts. Each action changes a contact only once, so
    that a later run does not undo manual changes. If one vendor fails, the others are still
    updated, and a retry continues with the rest.

    All arguments are templated.

    :param contacts: references of the contacts who replied, as an event, a sensor or a listing
        returns them, or a query (``SqlContacts``) with the columns ``vendor``, ``account_id`` and
        ``contact_id``. They may also have ``cause`` and ``caused_at``, or the columns of a record
        that say why: ``replied_at``, ``unsubscribed_at`` and ``stage``.
    :param actions: by connection, one of ``{"stage": name}``, ``{"add_tags": names, "remove_tags":
        names}``, ``{"notes": …}``, ``"suppress"`` (add them to ``suppressions_table`` at this
        vendor), ``"manual"`` (only report them) and ``"default"`` (the change that the docs name
        for each vendor). They apply to suppressed people too, so a stage that does not stop
        outreach is an error, where the API docs say which stages do. Several connections of one
        vendor need the key ``accounts``.
    :param people_table: table of people.
    :param contacts_table: table of exported contacts.
    :param max_age: fail, so that a retry tries again, if a contact has changed longer ago than
        this, such as ``"1d"``, and people were not resolved since.
    :param cause: why they are stopped: ``reply``, ``opt_out`` or ``manual``. By default,
        ``contacts`` and ``contacts_table`` decide, and it is ``manual`` if they say nothing. A
        contact is stopped again by the same change only if the cause is later than that of the last
        stop, or an opt-out follows a reply.
    :param on_unmatched: what to do about references that belong to no person: ``fail``, after all
        others were stopped, so that a retry tries again; or ``report``. Where the vendor can return
        one contact, it is read and matched by its keys first.
    :param preview: report what would be done, and change no contact. The audit records it. If
        ``preview`` renders to an empty value, the task fails instead of writing.
    :return: ``people``: for each person, ``person_id``, ``matched_on`` (kinds of keys) and
        ``actions``, each a reference with ``contacts_conn_id``, ``action`` and ``outcome``;
        ``unmatched``: references that belong to no person; ``counts`` by outcome; and lists of
        references: ``updated`` (the vendor's docs say that the change stops outreach), ``marked``
        (they do not), ``suppressed`` (added to the suppressions), ``failed``, ``would_update``,
        ``manual``, ``removed`` (the vendor does not know them), ``no_action`` (their vendor is not
        in ``actions``) and ``outdated`` (they share no key with the person any more). Contacts that
        were ``stopped_before``, or are ``unchanged`` because they have opted out, are only counted.
    :raises UnsupportedByVendor: if a vendor's API cannot make a change; nothing is requested then.
    :raises InvalidRequest: if an action does not stop outreach, or too many contacts would change.
    :raises ContactsError: if the people were never resolved, or are older than ``max_age``; or,
        after the others were stopped, if contacts failed, have no action or are outdated, or
        references belong to no person, unless ``on_failure`` is ``continue``.
    """

    options_class = StopOptions
    template_fields: Sequence[str] = ("contacts", *list_arguments(StopOptions))

    @declares(StopOptions)
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)

    def run_attempt(self, context: Context, answer: ApprovalAnswer | None) -> dict[str, Any]:
        """Stop outreach to the people. If an approval is required and missing, ask for it first."""
        options = parse_arguments(self, StopOptions, self.required_arguments)
        with self._open_run(context, options) as run:
            run.check()
            if options.preview:
                run.preview()
            else:
                run.write(self.require_approver(context, run.attempts, options, answer))
            result: dict[str, Any] = run.report()
        self.forget_approval(context, options)
        return result

    def record_rejection(self, context: Context, answer: ApprovalAnswer) -> None:
        """Record in the audit who rejected the changes."""
        options = parse_arguments(self, StopOptions, self.required_arguments)
        with self._open_run(context, options) as run:
            for attempt in run.attempts:
                with attempt.open_audit():
                    attempt.record_rejected(answer.user)

    @contextlib.contextmanager
    def _open_run(self, context: Context, options: StopOptions) -> Iterator[StopRun]:
        """Plan what is done, and keep the tables open."""
        from airflow_provider_contacts.operators.stopping.people import PeopleFinder
        from airflow_provider_contacts.operators.stopping.plan import plan_stop, read_references
        from airflow_provider_contacts.operators.stopping.run import StopRun
        from airflow_provider_contacts.people.tables import open_people_tables

        hooks, actions = self._open_connections(options)
        causes = read_references(self.contacts, [hook.vendor for hook in hooks.values()])
        people_table = locate_table("people_table", options.people_table, options.sql_conn_id)
        with open_people_tables(people_table, options.contacts_table, create=False) as (engine, tables):
            finder = PeopleFinder(options, engine, tables, hooks, self.log)
            people, unmatched = finder.find(causes)
            finder.warn_of_unknown_accounts(actions)
            suppressions = self._find_suppressions(context, options)
            plan = plan_stop(
                people, unmatched, actions, hooks, suppressions, leave_opt_out=options.leave_opt_out
            )
            yield StopRun(context, plan, options, suppressions, engine, tables.stops)

    def _open_connections(
        self, options: StopOptions
    ) -> tuple[dict[str, ContactsHook[Any]], dict[str, StopAction]]:
        """Return the hook and the action of each connection, without any request."""
        hooks = {conn_id: ContactsHook.for_connection(conn_id, log=self.log) for conn_id in options.actions}
        vendors = {conn_id: hook.vendor for conn_id, hook in hooks.items()}
        return hooks, adapt_actions(options.actions, vendors, options.locate("suppressions_table"))

    def _find_suppressions(self, context: Context, options: StopOptions) -> StopSuppressions:
        """Return the suppressions that the task adds to."""
        from airflow_provider_contacts.operators.stopping.suppressing import StopSuppressions

        safeguards = options.find_safeguards()
        self.log.info("%s", safeguards)
        own = options.locate("suppressions_table")
        return StopSuppressions(
            safeguards, own, find_secret_conn_id(options.secret_conn_id), describe_task(context), self.log
        )
