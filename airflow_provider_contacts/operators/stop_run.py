"""Stop outreach to the contacts of a plan, one connection after another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_provider_contacts.core.logs import Log
from airflow_provider_contacts.core.updates.progress import ConnectionStore, Progress
from airflow_provider_contacts.core.updates.run import Updater
from airflow_provider_contacts.core.updates.targets import Target, change_of
from airflow_provider_contacts.databases.errors import database_errors
from airflow_provider_contacts.databases.tables import require_write_permission
from airflow_provider_contacts.errors import ContactsError, InvalidRequest, UnsupportedByVendor
from airflow_provider_contacts.operators.base import describe_task
from airflow_provider_contacts.operators.stop_plan import ConnectionPlan, StopPlan
from airflow_provider_contacts.operators.update_options import UpdateOptions
from airflow_provider_contacts.operators.update_plan import list_references
from airflow_provider_contacts.operators.update_run import (
    MAX_CONTACTS_IN_LOG,
    list_failures,
    open_audit,
    write_updates,
)
from airflow_provider_contacts.people.stop_journal import StopJournal
from airflow_provider_contacts.safeguards.approval import find_store
from airflow_provider_contacts.safeguards.gate import Gate
from airflow_provider_contacts.safeguards.keys import find_keys
from airflow_provider_contacts.safeguards.suppressions import ALL, open_suppressions

if TYPE_CHECKING:
    import sqlalchemy as sa
    from airflow.sdk import Context

_SUPPRESSION_REASON = "outreach stopped"


@dataclass(slots=True, repr=False)
class StopRun:
    """One attempt to stop outreach to the contacts of a plan.

    :param people: the table of people, where the contacts that were stopped are marked.
    """

    plan: StopPlan
    options: UpdateOptions
    context: Context
    engine: sa.Engine
    people: sa.Table
    log: Log
    _updaters: dict[str, Updater] = field(default_factory=dict)

    def prepare(self, open_gate: Callable[[], Gate]) -> None:
        """Decide what to do with every contact, and check everything that can be checked before the first write.

        :raises ContactsError: if an action is invalid, there are too many contacts, or suppressions cannot be read. A vendor that
            cannot be reached is noted in the plan.
        """
        for one in self.plan.connections:
            self._find_unsuppressed(one)  # creates the table of suppressions, which the gate needs
        for one in self.plan.connections:
            one.make_plan(open_gate)
        count = self.plan.count_changes()
        if count > self.options.max_updates:
            raise InvalidRequest(
                f"{count} contacts would be changed, more than max_updates ({self.options.max_updates}). Nothing was written. Raise "
                "max_updates if this is intended."
            )
        for one in self.plan.connections:
            self._create_updater(one)
            self._log_plan(one)

    def _log_plan(self, one: ConnectionPlan) -> None:
        title = one.hook.vendor.title
        if one.action.type == "manual":
            self.log.info(
                "%s, connection %r: %d contacts to stop manually.", title, one.conn_id, len(one.contacts)
            )
            return
        suppressed = len(one.plan.suppressed_indexes)
        self.log.info(
            "%s, connection %r: %d contacts to change (%s), %d unchanged, %d suppressed.",
            title,
            one.conn_id,
            len(one.targets_to_change),
            one.action,
            len(one.contacts) - len(one.targets_to_change) - suppressed,
            suppressed,
        )
        if suppressed:
            self.log.warning(
                "%s, connection %r: %d suppressed contacts are not changed, because this change may do more than stop outreach. Stop them "
                "manually.",
                title,
                one.conn_id,
                suppressed,
            )

    def preview(self) -> None:
        """Note what would be done. Nothing is written to vendors."""
        self.log.info("This is a preview; nothing is written.")
        for one in self.plan.connections:
            with open_audit(self.context, one.hook, one.plan.pending, self.options.audit) as audit:
                audit.record_plan(one.plan.unchanged, one.plan.suppressed, previewed=one.plan.to_update)
            self._note_plan(one)
            self._note(one, one.targets_to_change, "failed" if one.errors else "would_update")

    def write(self, approver: str | None) -> None:
        """Update and suppress the contacts. Errors of one connection do not affect the others.

        :param approver: who approved it, or None.
        """
        with database_errors(f"The table {self.people.name!r} cannot be written, so nothing is written"):
            if self.engine.dialect.name != "sqlite":
                require_write_permission(self.engine, self.people, append_only=False)
        progress: list[Progress] = []
        with ExitStack() as stack:
            # Opened first: without its audit, nothing is written.
            audits = [
                stack.enter_context(open_audit(self.context, one.hook, one.plan.pending, self.options.audit))
                for one in self.plan.connections
            ]
            for one, audit in zip(self.plan.connections, audits, strict=True):
                audit.approver = approver
                audit.record_plan(one.plan.unchanged, one.plan.suppressed)
                self._note_plan(one)
                self._suppress(one)
                journal = StopJournal(
                    self.engine,
                    self.people,
                    one.hook.vendor.name,
                    one.plan.pending,
                    one.action.digest,
                    audit,
                )
                progress += self._update(one, journal)
        for done in progress:
            done.clear()

    def _create_updater(self, one: ConnectionPlan) -> None:
        if one.action.change is None:
            return
        try:
            self._updaters[one.conn_id] = one.hook.create_updater(one.action.change, len(one.plan.to_update))
        except (InvalidRequest, UnsupportedByVendor) as error:
            # The author's mistake.
            raise error.at(f"The action of {one.conn_id!r} is invalid. Nothing was written") from None
        except ContactsError as error:
            if one.plan.to_update:
                one.add_errors([error], str(error))

    def _update(self, one: ConnectionPlan, journal: StopJournal) -> list[Progress]:
        """Update the contacts of one connection, note the outcomes, and return what to clear at the end."""
        to_update = one.plan.to_update
        if not to_update:
            return []
        vendor = one.hook.vendor
        if one.errors:
            self._note(one, to_update, "failed")
            return []
        store = find_store(self.context)
        try:
            outcome, progress = write_updates(
                one.hook,
                one.plan,
                {change_of(to_update[0]): self._updaters[one.conn_id]},
                ConnectionStore(store, one.conn_id) if store else None,
                journal,
                self.log,
            )
        except ContactsError as error:
            one.add_errors([error], str(error))
            self._note(one, to_update, "failed")
            self._note(one, [one.plan.pending[index] for index in journal.updated], "updated")
            return []
        self._note(one, [one.plan.pending[index] for index in outcome.updated], "updated")
        failed = list_failures(vendor.name, one.plan, outcome)
        self.plan.set_outcomes(vendor.name, failed, "failed")
        one.add_errors(outcome.failed.values(), outcome.causes(one.plan.pending))
        for failure in failed[:MAX_CONTACTS_IN_LOG]:
            self.log.warning(
                "%s, connection %r: contact %s was not updated. %s",
                vendor.title,
                one.conn_id,
                failure["contact_id"],
                failure["error"],
            )
        return [] if failed else [progress]

    def _find_unsuppressed(self, one: ConnectionPlan) -> None:
        """Find the contacts that are to be suppressed and are not yet."""
        if one.action.type != "suppress" or not one.contacts:
            return
        keys = {id(contact): find_keys({**contact.fields, **contact.reference()}) for contact in one.contacts}
        location = self.options.suppressions
        secret_conn_id = self.options.secret_conn_id
        scopes = (ALL, one.hook.vendor.name)
        with open_suppressions(location, secret_conn_id, create=True) as suppressions:
            active = suppressions.find_active({key for found in keys.values() for key in found}, scopes)
        one.to_suppress = [
            (contact, keys[id(contact)])
            for contact in one.contacts
            if not active.issuperset(keys[id(contact)])
        ]

    def _suppress(self, one: ConnectionPlan) -> None:
        if not one.to_suppress:
            return
        keys = dict.fromkeys(key for _, found in one.to_suppress for key in found)
        location = self.options.suppressions
        with open_suppressions(location, self.options.secret_conn_id, create=True) as suppressions:
            suppressions.add(
                keys,
                scope=one.hook.vendor.name,
                reason=_SUPPRESSION_REASON,
                source=describe_task(self.context),
                until=None,
            )
        self.plan.set_outcomes(
            one.hook.vendor.name, [contact.reference() for contact, _ in one.to_suppress], "updated"
        )

    def _note_plan(self, one: ConnectionPlan) -> None:
        if one.action.type == "suppress":
            references = [contact.reference() for contact in one.contacts]
            self.plan.set_outcomes(one.hook.vendor.name, references, "unchanged")
        self._note(one, one.plan.unchanged, "unchanged")
        self._note(one, one.plan.suppressed, "suppressed")

    def _note(self, one: ConnectionPlan, targets: Sequence[Target], outcome: str) -> None:
        vendor = one.hook.vendor.name
        self.plan.set_outcomes(vendor, list_references(vendor, targets), outcome)
