"""Stop outreach to the contacts of a plan, one connection after another."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_contacts.contact import Reference, ReferenceKey, key_of
from airflow_provider_contacts.core.logs import Log
from airflow_provider_contacts.core.updates.targets import Target
from airflow_provider_contacts.databases import sa
from airflow_provider_contacts.databases.errors import database_errors
from airflow_provider_contacts.databases.tables import require_write_permission
from airflow_provider_contacts.errors import ContactsError, InvalidRequest, UnsupportedByVendor
from airflow_provider_contacts.operators.stopping.actions import StopAction
from airflow_provider_contacts.operators.stopping.journal import StopJournal
from airflow_provider_contacts.operators.stopping.plan import StopPlan, list_other_contacts
from airflow_provider_contacts.operators.stopping.suppressing import StopSuppressions
from airflow_provider_contacts.operators.updating.arguments import WriteOptions
from airflow_provider_contacts.operators.updating.attempt import Attempt

if TYPE_CHECKING:
    from airflow.sdk import Context

OUTCOMES = ("updated", "unchanged", "suppressed", "failed", "would_update", "manual", "removed")


@dataclass(slots=True, repr=False)
class ConnectionRun:
    """An attempt to stop outreach through one connection.

    :param errors: why contacts could not be stopped.
    :param causes: the errors as text.
    """

    attempt: Attempt
    action: StopAction
    errors: list[ContactsError] = field(default_factory=list)
    causes: str = ""

    def add_errors(self, errors: Iterable[ContactsError], causes: str) -> None:
        """Note that contacts could not be stopped.

        :param causes: the errors as text.
        """
        self.errors += errors
        self.causes = causes

    def create_updaters(self) -> None:
        """Ask the vendor what the change needs. A vendor that cannot be reached is noted.

        :raises ContactsError: if the action is invalid.
        """
        if self.action.change is None or self.action.type == "suppress":
            return
        to_update = self.attempt.plan.to_update
        try:
            self.attempt.create_updaters({self.action.change: len(to_update)})
        except (InvalidRequest, UnsupportedByVendor) as error:
            # The author's mistake.
            conn_id = self.attempt.hook.contacts_conn_id
            raise error.at(f"The action of {conn_id!r} is invalid. Nothing was written") from None
        except ContactsError as error:
            if to_update:
                self.add_errors([error], str(error))

    def log_plan(self, log: Log, to_stop_manually: int) -> None:
        """Log what is done to how many contacts."""
        if self.action.type == "manual":
            log.info("%s: %d contacts to stop manually.", self.attempt, to_stop_manually)
            return
        self.attempt.log_plan()
        if suppressed := len(self.attempt.plan.suppressed_indexes):
            log.warning(
                "%s: %d suppressed contacts are not changed, because this change may do more than stop "
                "outreach. Stop them manually.",
                self.attempt,
                suppressed,
            )


class StopRun:
    """One attempt to stop outreach to the contacts of a plan.

    :param stops: the table in which stopped contacts are recorded.
    """

    def __init__(
        self,
        context: Context,
        plan: StopPlan,
        options: WriteOptions,
        suppressions: StopSuppressions,
        engine: sa.Engine,
        stops: sa.Table,
    ) -> None:
        self._plan = plan
        self._options = options
        self._suppressions = suppressions
        self._log = suppressions.log
        self._engine = engine
        self._stops = stops
        self._outcomes: dict[ReferenceKey, str] = dict(plan.outcomes)
        self._connections = [
            ConnectionRun(
                Attempt(context, one.hook, options, suppressions.safeguards, one.updates, self._log),
                one.action,
            )
            for one in plan.connections
        ]

    @property
    def attempts(self) -> list[Attempt]:
        """The attempts at all connections."""
        return [connection.attempt for connection in self._connections]

    def check(self) -> None:
        """Check everything that can be checked before the first write, and log the plan.

        :raises ContactsError: if an action is invalid, or there are too many contacts.
        """
        self._options.check_count(sum(len(attempt.plan.to_update) for attempt in self.attempts))
        for connection, planned in zip(self._connections, self._plan.connections, strict=True):
            connection.create_updaters()
            connection.log_plan(self._log, len(planned.contacts))

    def preview(self) -> None:
        """Set the outcomes to what would be done. Nothing is sent to vendors."""
        self._log.info("This is a preview; no contact is changed.")
        for connection in self._connections:
            attempt = connection.attempt
            with attempt.open_audit():
                attempt.record_preview()
            self._set_outcomes(
                attempt, attempt.plan.to_update, "failed" if connection.errors else "would_update"
            )

    def write(self, approver: str | None) -> None:
        """Update and suppress the contacts. A vendor that fails does not affect the others.

        :param approver: who approved it, or None.
        :raises ContactsError: if outcomes cannot be recorded; nothing more is changed then.
        """
        with database_errors(f"The table {self._stops.name!r} cannot be written, so nothing is written"):
            require_write_permission(self._engine, self._stops, append_only=True)
        with ExitStack() as stack:
            # Opened first: without its audit, nothing is written.
            for attempt in self.attempts:
                stack.enter_context(attempt.open_audit())
            for connection in self._connections:
                connection.attempt.record_skipped(approver)
                if connection.attempt.plan.to_update:
                    self._write_connection(connection)

    def _write_connection(self, connection: ConnectionRun) -> None:
        """Change the contacts of one connection, and set the outcomes."""
        attempt = connection.attempt
        self._set_outcomes(attempt, attempt.plan.to_update, "failed")
        if connection.errors:
            return
        journal = StopJournal(
            self._engine,
            self._stops,
            attempt.hook.vendor.name,
            attempt.plan.pending,
            connection.action.digest,
            self._suppressions.source,
            attempt.audit,
        )
        try:
            if connection.action.type == "suppress":
                self._suppressions.add(attempt.plan.to_update, attempt.hook.vendor.name)
                journal.record(range(len(attempt.plan.pending)), {})
            else:
                # What is done is in the table of stops, so nothing else has to remember it.
                outcome, _ = attempt.write(None, journal)
                attempt.report_failures(outcome)
                connection.add_errors(outcome.failed.values(), outcome.causes(attempt.plan.pending))
        except ContactsError as error:
            if journal.error is not None:
                raise journal.error from None
            connection.add_errors([error], str(error))
        self._set_outcomes(attempt, [attempt.plan.pending[index] for index in journal.updated], "updated")

    def _set_outcomes(self, attempt: Attempt, targets: Iterable[Target], outcome: str) -> None:
        vendor = attempt.hook.vendor.name
        self._outcomes.update((key_of(target.reference(vendor)), outcome) for target in targets)

    def report(self) -> dict[str, Any]:
        """Return the result.

        :raises ContactsError: if contacts failed and ``on_failure`` is ``fail``.
        """
        references = self._group_by_outcome()
        self._log.info(
            "Found %d people; %d references belong to no person. The people's other contacts: %s.",
            len(self._plan.people),
            len(self._plan.unmatched),
            ", ".join(f"{len(found)} {name.replace('_', ' ')}" for name, found in references.items())
            or "none",
        )
        if self._options.on_failure == "fail":
            self._raise_errors(len(references.get("failed", ())), len(references.get("updated", ())))
        return {
            "people": self._plan.describe_people(self._outcomes),
            "unmatched": list(self._plan.unmatched),
            **{name: references.get(name, []) for name in OUTCOMES},
        }

    def _group_by_outcome(self) -> dict[str, list[Reference]]:
        """Return the references of the contacts by what happened to them."""
        found: dict[str, list[Reference]] = defaultdict(list)
        for person in self._plan.people:
            for contact in list_other_contacts(person):
                found[self._outcomes[contact.key]].append(contact.reference())
        return found

    def _raise_errors(self, failed: int, updated: int) -> None:
        failing = [connection for connection in self._connections if connection.errors]
        if not failing:
            return
        outcome = "could not be checked."
        if not self._options.preview:
            outcome = f"could not be stopped; {updated} were updated. A retry continues with the rest."
        causes = " ".join(f"{connection.attempt}: {connection.causes}" for connection in failing)
        errors = [error for connection in failing for error in connection.errors]
        raise ContactsError(
            f"{failed} contacts {outcome} {causes}", transient=any(not error.permanent for error in errors)
        )
