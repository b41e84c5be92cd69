"""Stop outreach to the contacts of a plan, one connection after another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_provider_contacts.core.changes import SuppressChange
from airflow_provider_contacts.core.logs import Log
from airflow_provider_contacts.core.updates.run import Updater
from airflow_provider_contacts.core.updates.targets import Target, change_of
from airflow_provider_contacts.databases.errors import database_errors
from airflow_provider_contacts.databases.tables import require_write_permission
from airflow_provider_contacts.errors import ContactsError, InvalidRequest, UnsupportedByVendor
from airflow_provider_contacts.operators.stopping.actions import SUPPRESSION_REASON
from airflow_provider_contacts.operators.stopping.journal import StopJournal
from airflow_provider_contacts.operators.stopping.plan import ConnectionPlan, StopPlan
from airflow_provider_contacts.operators.updating.attempt import (
    MAX_CONTACTS_IN_LOG,
    list_failures,
    open_audit,
    write_updates,
)
from airflow_provider_contacts.operators.updating.options import UpdateOptions
from airflow_provider_contacts.operators.updating.plan import list_references
from airflow_provider_contacts.safeguards.gate import Gate
from airflow_provider_contacts.safeguards.keys import find_keys
from airflow_provider_contacts.safeguards.suppressions import ALL, open_suppressions

if TYPE_CHECKING:
    import sqlalchemy as sa
    from airflow.sdk import Context

    from airflow_provider_contacts.safeguards.audit import AuditWriter


@dataclass(slots=True, repr=False)
class StopRun:
    """One attempt to stop outreach to the contacts of a plan.

    :param stops: the table in which stopped contacts are recorded.
    """

    plan: StopPlan
    options: UpdateOptions
    context: Context
    engine: sa.Engine
    stops: sa.Table
    log: Log
    _updaters: dict[str, Updater] = field(default_factory=dict)

    def prepare(self, open_gate: Callable[[], Gate]) -> None:
        """Decide what to do with every contact, and check everything that can be checked before the first write.

        :raises ContactsError: if an action is invalid, there are too many contacts, or suppressions cannot be read. A vendor that
            cannot be reached is noted in the plan.
        """
        for part in self.plan.connections:
            self._find_unsuppressed(part)  # creates the table of suppressions, which the gate needs
        for part in self.plan.connections:
            part.make_plan(open_gate)
        self.options.check_count(self.plan.count_changes())
        for part in self.plan.connections:
            self._create_updater(part)
            self._log_plan(part)

    def preview(self) -> None:
        """Set the outcomes to what would be done. Nothing is sent to vendors."""
        self.log.info("This is a preview; no contact is changed.")
        for part in self.plan.connections:
            with self._open_audit(part) as audit:
                audit.record_plan(part.plan.unchanged, part.plan.suppressed, previewed=part.targets_to_change)
            self._set_planned_outcomes(part)
            self._set_outcomes(part, part.targets_to_change, "failed" if part.errors else "would_update")

    def write(self, approver: str | None) -> None:
        """Update and suppress the contacts. A vendor that fails does not affect the others.

        :param approver: who approved it, or None.
        :raises ContactsError: if outcomes cannot be recorded; nothing more is changed then.
        """
        with database_errors(f"The table {self.stops.name!r} cannot be written, so nothing is written"):
            require_write_permission(self.engine, self.stops, append_only=True)
        with ExitStack() as stack:
            # Opened first: without its audit, nothing is written.
            audits = [stack.enter_context(self._open_audit(part)) for part in self.plan.connections]
            for part, audit in zip(self.plan.connections, audits, strict=True):
                audit.approver = approver
                audit.record_plan(part.plan.unchanged, part.plan.suppressed)
                self._set_planned_outcomes(part)
                if part.to_suppress:
                    self._suppress(part, audit)
                elif part.plan.to_update:
                    self._update(part, audit)

    def _open_audit(self, part: ConnectionPlan) -> AbstractContextManager[AuditWriter]:
        return open_audit(self.context, part.hook, part.pending, self.options.audit)

    def _open_journal(self, part: ConnectionPlan, audit: AuditWriter) -> StopJournal:
        return StopJournal(
            self.engine,
            self.stops,
            part.hook.vendor.name,
            part.pending,
            part.action.digest,
            part.source,
            audit,
        )

    def _create_updater(self, part: ConnectionPlan) -> None:
        change = part.action.change
        if change is None or isinstance(change, SuppressChange):
            return
        try:
            self._updaters[part.conn_id] = part.hook.create_updater(change, len(part.plan.to_update))
        except (InvalidRequest, UnsupportedByVendor) as error:
            # The author's mistake.
            raise error.at(f"The action of {part.conn_id!r} is invalid. Nothing was written") from None
        except ContactsError as error:
            if part.plan.to_update:
                part.add_errors([error], str(error))

    def _log_plan(self, part: ConnectionPlan) -> None:
        title = part.hook.vendor.title
        if part.action.type == "manual":
            self.log.info(
                "%s, connection %r: %d contacts to stop manually.", title, part.conn_id, len(part.targets)
            )
            return
        suppressed = len(part.plan.suppressed_indexes)
        self.log.info(
            "%s, connection %r: %d contacts to change (%s), %d unchanged, %d suppressed.",
            title,
            part.conn_id,
            len(part.targets_to_change),
            part.action,
            len(part.targets) - len(part.targets_to_change) - suppressed,
            suppressed,
        )
        if suppressed:
            self.log.warning(
                "%s, connection %r: %d suppressed contacts are not changed, because this change may do more than stop outreach. Stop them "
                "manually.",
                title,
                part.conn_id,
                suppressed,
            )

    def _update(self, part: ConnectionPlan, audit: AuditWriter) -> None:
        """Update the contacts of one connection, and set the outcomes."""
        to_update = part.plan.to_update
        self._set_outcomes(part, to_update, "failed")
        if part.errors:
            return
        vendor = part.hook.vendor
        journal = self._open_journal(part, audit)
        updaters = {change_of(to_update[0]): self._updaters[part.conn_id]}
        try:
            # What is done is in the table of stops, so nothing else has to remember it.
            outcome, _ = write_updates(part.hook, part.plan, updaters, None, journal, self.log)
        except ContactsError as error:
            if journal.error is not None:
                raise journal.error from None
            part.add_errors([error], str(error))
            self._set_outcomes(part, [part.plan.pending[index] for index in journal.updated], "updated")
            return
        self._set_outcomes(part, [part.plan.pending[index] for index in outcome.updated], "updated")
        failed = list_failures(vendor.name, part.plan, outcome)
        part.add_errors(outcome.failed.values(), outcome.causes(part.plan.pending))
        for failure in failed[:MAX_CONTACTS_IN_LOG]:
            self.log.warning(
                "%s, connection %r: contact %s was not updated. %s",
                vendor.title,
                part.conn_id,
                failure["contact_id"],
                failure["error"],
            )

    def _find_unsuppressed(self, part: ConnectionPlan) -> None:
        """Find the contacts that are to be suppressed and are not yet."""
        if part.action.type != "suppress" or not part.targets:
            return
        vendor = part.hook.vendor.name
        keys = [self._find_keys(part, target) for target in part.targets]
        with open_suppressions(
            self.options.suppressions, self.options.secret_conn_id, create=True
        ) as suppressions:
            active = suppressions.find_active({key for found in keys for key in found}, (ALL, vendor))
        part.to_suppress = [
            target
            for target, found in zip(part.targets, keys, strict=True)
            if not active.issuperset(found) and not part.was_stopped(target)
        ]

    def _suppress(self, part: ConnectionPlan, audit: AuditWriter) -> None:
        """Add the contacts of one connection to the suppressions, and set the outcomes."""
        keys = dict.fromkeys(key for target in part.to_suppress for key in self._find_keys(part, target))
        try:
            with open_suppressions(
                self.options.suppressions, self.options.secret_conn_id, create=True
            ) as suppressions:
                suppressions.add(
                    keys,
                    scope=part.hook.vendor.name,
                    reason=SUPPRESSION_REASON,
                    source=part.source,
                    until=None,
                )
        except ContactsError as error:
            part.add_errors([error], str(error))
            self._set_outcomes(part, part.to_suppress, "failed")
            return
        self._set_outcomes(part, part.to_suppress, "updated")
        self._open_journal(part, audit).record(range(len(part.to_suppress)), {})

    @staticmethod
    def _find_keys(part: ConnectionPlan, target: Target) -> list[str]:
        return find_keys({**target.fields, **target.reference(part.hook.vendor.name)})

    def _set_planned_outcomes(self, part: ConnectionPlan) -> None:
        if part.action.type == "suppress":
            self._set_outcomes(part, part.targets, "unchanged")
        self._set_outcomes(part, part.plan.unchanged, "unchanged")
        self._set_outcomes(part, part.plan.suppressed, "suppressed")

    def _set_outcomes(self, part: ConnectionPlan, targets: Sequence[Target], outcome: str) -> None:
        vendor = part.hook.vendor.name
        self.plan.set_outcomes(vendor, list_references(vendor, targets), outcome)
