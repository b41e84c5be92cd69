"""One attempt of a task to change contacts through one connection."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_contacts.core.changes import Change
from airflow_provider_contacts.core.logs import Log, ProgressLog
from airflow_provider_contacts.core.updates.targets import describe_changes, digest_targets
from airflow_provider_contacts.operators.updating.arguments import WriteOptions
from airflow_provider_contacts.operators.updating.plan import ReferenceList, UpdatePlan
from airflow_provider_contacts.safeguards.configuration import Safeguards

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_contacts.core.updates.progress import Progress, Store
    from airflow_provider_contacts.core.updates.run import Journal, Outcome, Updater
    from airflow_provider_contacts.hooks.base import ContactsHook
    from airflow_provider_contacts.safeguards.audit import AuditWriter
    from airflow_provider_contacts.safeguards.request_text import RequestSection

MAX_CONTACTS_IN_LOG = 20


@dataclass(slots=True, repr=False)
class Attempt:
    """An attempt to change contacts through one connection.

    :param plan: what is done to each contact.
    :param updaters: makes each change of the plan at the vendor.
    :param audit: where outcomes are recorded while :meth:`open_audit` is active, or None.
    """

    context: Context
    hook: ContactsHook[Any]
    options: WriteOptions
    safeguards: Safeguards
    plan: UpdatePlan
    log: Log
    updaters: Mapping[Change, Updater] = field(default_factory=dict)
    audit: AuditWriter | None = None

    def __str__(self) -> str:
        return f"{self.hook.vendor.title}, connection {self.hook.settings.conn_id!r}"

    @property
    def scope(self) -> str:
        """Text that identifies the connection: vendor, connection id and host."""
        settings = self.hook.settings
        return f"{self.hook.vendor.name} {settings.conn_id} {settings.base_url}"

    @property
    def digest(self) -> str:
        """Identifies the connection, the contacts that an approval covers, and their changes."""
        return digest_targets(self.scope, (*self.plan.to_update, *self.plan.changed_before))

    def create_updaters(self, counts: Mapping[Change, int]) -> None:
        """Ask the vendor what has to be known for each change, such as the id of a stage.

        :param counts: how many contacts get each change.
        :raises ContactsError: if the vendor cannot make a change, or does not answer.
        """
        self.updaters = {change: self.hook.create_updater(change, count) for change, count in counts.items()}

    def log_plan(self, duplicates: int = 0) -> None:
        """Log what is done to how many contacts.

        :param duplicates: how many items named a contact that another item names.
        """
        to_update = self.plan.to_update
        self.log.info(
            "%s: %d contacts to update (%s), %d unchanged, %d suppressed, %d duplicates.",
            self,
            len(to_update),
            ", ".join(describe_changes(to_update)) or "no change",
            len(self.plan.unchanged),
            len(self.plan.suppressed_indexes),
            duplicates,
        )

    def describe(self) -> RequestSection:
        """Return what an approver has to know."""
        from airflow_provider_contacts.safeguards.request_text import RequestSection

        return RequestSection(
            self.hook.vendor.title,
            self.hook.settings.conn_id,
            self.plan.to_update,
            unchanged=len(self.plan.unchanged),
            suppressed=len(self.plan.suppressed_indexes),
        )

    @contextlib.contextmanager
    def open_audit(self) -> Iterator[None]:
        """Open the tables of the audit, if there are any.

        :raises ContactsError: if one cannot be written.
        """
        if not self.safeguards.audits:
            yield
            return
        from airflow_provider_contacts.safeguards.audit import TaskAttempt, open_audit_writer

        attempt = TaskAttempt.from_context(self.context, self.hook.settings.conn_id, self.hook.vendor.name)
        with open_audit_writer(self.safeguards.audits, attempt, self.plan.pending) as self.audit:
            yield
        self.audit = None

    def record_preview(self) -> None:
        """Record what would be done."""
        if self.audit is not None:
            self.audit.record_plan(self.plan.unchanged, self.plan.suppressed, previewed=self.plan.to_update)

    def record_skipped(self, approver: str | None) -> None:
        """Record which contacts are not updated, and why.

        :param approver: who approved the update, or None.
        """
        if self.audit is not None:
            self.audit.approver = approver
            self.audit.record_plan(self.plan.unchanged, self.plan.suppressed)

    def write(self, store: Store | None, journal: Journal | None) -> tuple[Outcome, Progress]:
        """Update the contacts that a previous attempt has not updated.

        :param store: remembers what is done.
        :param journal: where outcomes are recorded, or None.
        :return: the outcome by index into ``plan.pending``, and what to clear when the task
            succeeds.
        """
        from airflow_provider_contacts.core.updates.progress import Progress
        from airflow_provider_contacts.core.updates.run import update_all

        plan = self.plan
        progress = Progress(store, self.scope, plan.pending, self.log)
        if progress.done:
            self.log.info("Skipping %d contacts that a previous attempt updated.", len(progress.done))
        outcome = update_all(
            plan.pending,
            self.updaters,
            progress,
            self.hook.settings.max_concurrency,
            ProgressLog(self.log, "Processed %d%s contacts, %.1f per second.").update,
            skip=plan.suppressed_indexes,
            journal=journal,
        )
        return outcome, progress

    def report_failures(self, outcome: Outcome) -> ReferenceList:
        """Return the references that failed, each with its ``error``, and log the first of them."""
        vendor = self.hook.vendor.name
        failed: ReferenceList = [
            {**self.plan.pending[index].reference(vendor), "error": f"{type(error).__name__}: {error}"}
            for index, error in sorted(outcome.failed.items())
        ]
        for failure in failed[:MAX_CONTACTS_IN_LOG]:
            self.log.warning(
                "%s: Contact %s was not updated. %s", self, failure["contact_id"], failure["error"]
            )
        return failed
