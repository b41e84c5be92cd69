"""One attempt of a task to change contacts through one connection."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_contacts.core.changes import Change
from airflow_provider_contacts.core.logs import Log, ProgressLog
from airflow_provider_contacts.core.updates.targets import describe_changes, digest_targets
from airflow_provider_contacts.errors import Conflict, ContactsError
from airflow_provider_contacts.operators.base import describe_task
from airflow_provider_contacts.operators.updating.arguments import WriteOptions
from airflow_provider_contacts.operators.updating.plan import Gate, ReferenceList, UpdatePlan
from airflow_provider_contacts.safeguards.configuration import Safeguards

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_contacts.core.updates.progress import Progress, Store
    from airflow_provider_contacts.core.updates.run import Journal, Outcome, Updater
    from airflow_provider_contacts.hooks.base import ContactsHook
    from airflow_provider_contacts.safeguards.audit import AuditWriter
    from airflow_provider_contacts.safeguards.claims import Claims
    from airflow_provider_contacts.safeguards.request_text import RequestSection

MAX_CONTACTS_IN_LOG = 20


@dataclass(slots=True, repr=False)
class Attempt:
    """An attempt to change contacts through one connection.

    :param plan: what is done to each contact.
    :param gate: is asked again while contacts are written, or None.
    :param updaters: makes each change of the plan at the vendor.
    :param audit: where outcomes are recorded while :meth:`open_audit` is active, or None.
    :param suppressed_meanwhile: indexes of pending contacts that were suppressed while others were
        written.
    :param claims: claims contacts while :meth:`open_claims` is active, or None.
    :param claimed: indexes of pending contacts that were claimed.
    :param conflicts: the errors of those that another task has claimed.
    :param abandoned: indexes of pending contacts whose requests may still reach the vendor.
    """

    context: Context
    hook: ContactsHook[Any]
    options: WriteOptions
    safeguards: Safeguards
    plan: UpdatePlan
    log: Log
    gate: Gate | None = None
    updaters: Mapping[Change, Updater] = field(default_factory=dict)
    audit: AuditWriter | None = None
    suppressed_meanwhile: set[int] = field(default_factory=set)
    claims: Claims | None = None
    claimed: set[int] = field(default_factory=set)
    conflicts: dict[int, ContactsError] = field(default_factory=dict)
    abandoned: set[int] = field(default_factory=set)

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
        updates = self.hook.vendor.updates
        asks = self.options.fresh_check and not self.options.leave_opt_out
        if not asks and any(map(updates.would_leave_opt_out, counts)):
            self.log.info(
                "%s: The vendor is not asked whether contacts have opted out (%s).",
                self,
                "leave_opt_out" if self.options.leave_opt_out else "fresh_check is false",
            )
        self.updaters = {
            change: self.hook.create_updater(change, count, keeps_opt_out=asks)
            for change, count in counts.items()
        }

    def log_plan(self, duplicates: int = 0) -> None:
        """Log what is done to how many contacts.

        :param duplicates: how many items named a contact that another item names.
        """
        to_update = self.plan.to_update
        self.log.info(
            "%s: %d contacts to update (%s), %d unchanged, %d suppressed, %d unchecked, %d duplicates.",
            self,
            len(to_update),
            ", ".join(describe_changes(to_update)) or "no change",
            len(self.plan.unchanged),
            len(self.plan.suppressed_indexes),
            len(self.plan.unchecked_indexes),
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
            unchecked=len(self.plan.unchecked_indexes),
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

    @contextlib.contextmanager
    def open_claims(self) -> Iterator[None]:
        """Open the tables of claims, if there are any, and release the claims at the end.

        :raises ContactsError: if one cannot be written.
        """
        if not self.safeguards.claims:
            yield
            return
        from airflow_provider_contacts.safeguards.claims import open_claims

        vendor = self.hook.vendor.name
        with open_claims(self.safeguards.claims, vendor, describe_task(self.context)) as self.claims:
            try:
                yield
            finally:
                try:
                    # What is in flight may still reach the vendor.
                    self.claims.release(
                        except_of={self.plan.pending[one].contact_id for one in self.abandoned}
                    )
                except ContactsError as error:
                    self.log.warning("The claims could not be released, so they end after an hour. %s", error)
        self.claims = None

    def claim(self, indexes: Iterable[int]) -> None:
        """Claim pending contacts. Those that another task has claimed are not changed.

        :raises ContactsError: if they cannot be claimed.
        """
        new = [index for index in indexes if index not in self.claimed and index not in self.conflicts]
        if self.claims is None:
            self.claimed.update(new)
            return
        pending = self.plan.pending
        claimers = self.claims.claim(pending[index].contact_id for index in new)
        self.claimed.update(index for index in new if pending[index].contact_id not in claimers)
        self._add_conflicts(new, claimers)

    def record_preview(self) -> None:
        """Record what would be done.

        :raises ContactsError: if the audit cannot be written.
        """
        if self.audit is not None:
            self.audit.record_plan(
                self.plan.unchanged,
                self.plan.suppressed,
                unchecked=self.plan.unchecked,
                previewed=self.plan.to_update,
            )

    def record_skipped(self, approver: str | None) -> None:
        """Record which contacts are not updated, and why.

        :param approver: who approved the update, or None.
        :raises ContactsError: if the audit cannot be written.
        """
        if self.audit is not None:
            self.audit.approver = approver
            self.audit.record_plan(self.plan.unchanged, self.plan.suppressed, unchecked=self.plan.unchecked)

    def record_rejected(self, user: str | None) -> None:
        """Record that the changes were rejected.

        :param user: who rejected them, or None if the request timed out.
        :raises ContactsError: if the audit cannot be written.
        """
        if self.audit is not None:
            self.audit.approver = user
            self.audit.record_plan((), (), rejected=self.plan.to_update)

    def write(self, store: Store | None, journal: Journal | None) -> tuple[Outcome, Progress]:
        """Update the contacts that a previous attempt has not updated.

        :param store: remembers what is done.
        :param journal: where outcomes are recorded, or None.
        :return: the outcome by index into ``plan.pending``, and what to clear when the task
            succeeds.
        :raises ContactsError: if a guard or a journal fails. Contacts that fail are in the outcome.
        """
        from airflow_provider_contacts.core.updates.progress import Progress
        from airflow_provider_contacts.core.updates.run import update_all

        plan = self.plan
        progress = Progress(store, self.scope, plan.pending, self.log)
        if progress.done:
            self.log.info("Skipping %d contacts that a previous attempt updated.", len(progress.done))
        skipped = {*plan.held_indexes, *progress.done}
        self.claim(index for index in range(len(plan.pending)) if index not in skipped)
        outcome = update_all(
            plan.pending,
            self.updaters,
            progress,
            self.hook.settings.max_concurrency,
            ProgressLog(self.log, "Processed %d%s contacts, %.1f per second.").update,
            skip={*plan.held_indexes, *self.conflicts},
            journal=journal,
            guard=self._hold,
            abandon=self.abandoned.update,
        )
        outcome.failed.update(self.conflicts)
        return outcome, progress

    def _hold(self, waiting: Sequence[int], in_flight: Sequence[int]) -> set[int]:
        """Return which of the waiting contacts must not be updated any more, and renew the claims.

        :param in_flight: the contacts that are being updated.
        """
        held = self._hold_suppressed(waiting)
        if self.claims is not None:
            pending = self.plan.pending
            rest = [index for index in waiting if index not in held]
            claimers = self.claims.renew(pending[index].contact_id for index in (*rest, *in_flight))
            held |= self._add_conflicts(rest, claimers)
        return held

    def _add_conflicts(self, indexes: Iterable[int], claimers: Mapping[str, str]) -> set[int]:
        """Record the contacts that other tasks have claimed, and return which they are.

        :param claimers: the task that has claimed each, or an empty string.
        """
        ids = {index: self.plan.pending[index].contact_id for index in indexes}
        conflicts = {
            index: Conflict(
                f"The task {claimers[contact_id]!r} has claimed the contact, so it was not changed. Retry "
                "after that task has ended."
                if claimers[contact_id]
                else "The claim to the contact has ended, so it was not changed. Retry."
            )
            for index, contact_id in ids.items()
            if contact_id in claimers
        }
        if conflicts and self.audit is not None:
            self.audit.record((), conflicts)
        self.conflicts.update(conflicts)
        return set(conflicts)

    def _hold_suppressed(self, indexes: Sequence[int]) -> set[int]:
        """Return which contacts were suppressed since the plan was made, and record them."""
        if self.gate is None:
            return set()
        pending = self.plan.pending
        suppressed, unchecked = self.gate.judge(pending, indexes)
        held = suppressed | unchecked
        if held:
            self.log.warning(
                "%s: %d contacts are not updated, because they were suppressed meanwhile, or cannot be "
                "checked any more.",
                self,
                len(held),
            )
            self.suppressed_meanwhile |= held
            if self.audit is not None:
                self.audit.record_plan((), [pending[index] for index in sorted(held)])
        return held

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
