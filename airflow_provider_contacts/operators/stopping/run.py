"""Stop outreach to the contacts of a plan, one connection after another."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_contacts.contact import Reference, ReferenceKey, key_of
from airflow_provider_contacts.core.updates.run import Outcome
from airflow_provider_contacts.core.updates.targets import Target
from airflow_provider_contacts.databases import sa
from airflow_provider_contacts.databases.errors import database_errors
from airflow_provider_contacts.databases.tables import require_write_permission
from airflow_provider_contacts.errors import ContactsError, NotFound
from airflow_provider_contacts.operators.stopping.connections import ConnectionRun
from airflow_provider_contacts.operators.stopping.plan import StopPlan, list_other_contacts
from airflow_provider_contacts.operators.stopping.records import StopRecords
from airflow_provider_contacts.operators.stopping.suppressing import StopSuppressions
from airflow_provider_contacts.operators.updating.attempt import Attempt

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_contacts.operators.stopping.arguments import StopOptions

_MAX_LOGGED = 20
# Lists of references in the result.
OUTCOMES = (
    "updated",
    "marked",
    "suppressed",
    "failed",
    "would_update",
    "manual",
    "removed",
    "no_action",
    "outdated",
)


class StopRun:
    """One attempt to stop outreach to the contacts of a plan.

    :param stops: the table in which stopped contacts are recorded.
    """

    def __init__(
        self,
        context: Context,
        plan: StopPlan,
        options: StopOptions,
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
                one.stop_targets,
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
            require_write_permission(self._engine, self._stops, append_only=False)
        with ExitStack() as stack:
            # Opened first: without its audit, nothing is written.
            for attempt in self.attempts:
                stack.enter_context(attempt.open_audit())
            for connection in self._connections:
                connection.attempt.record_skipped(approver)
                if connection.attempt.plan.to_update:
                    self._write_connection(connection)
                else:
                    with connection.attempt.open_claims():
                        pass  # those of an earlier attempt, which was killed, are released

    def _write_connection(self, connection: ConnectionRun) -> None:
        """Change the contacts of one connection, and set the outcomes."""
        attempt = connection.attempt
        plan = attempt.plan
        self._set_outcomes(attempt, plan.to_update, "failed")
        if connection.errors:
            self._record_failed(connection, connection.errors[0])
            return
        change = connection.action.change
        records = StopRecords(
            self._engine,
            self._stops,
            attempt.hook.vendor.name,
            connection.stop_targets,
            connection.action.digest,
            change is not None and attempt.hook.vendor.updates.records_opt_out(change),
            self._suppressions.source,
            attempt.audit,
        )
        try:
            with attempt.open_claims():
                attempt.claim(range(len(plan.pending)))
                self._leave_out(connection, records)
                self._write_claimed(connection, records)
        except ContactsError as error:
            # Nothing more is changed, at any vendor.
            if lost := records.error or (attempt.audit and attempt.audit.error):
                raise lost from None
            if not attempt.claimed:
                self._record_failed(connection, error)
            connection.add_errors([error], str(error))
        finally:
            self._set_outcomes(
                attempt, [plan.pending[index] for index in records.updated], connection.outcome
            )

    def _record_failed(self, connection: ConnectionRun, error: ContactsError) -> None:
        """Record that no contact of a connection was changed."""
        attempt = connection.attempt
        if attempt.audit is not None:
            held = attempt.plan.held_indexes
            attempt.audit.record(
                (), {index: error for index in range(len(attempt.plan.pending)) if index not in held}
            )

    def _leave_out(self, connection: ConnectionRun, records: StopRecords) -> None:
        """Leave out the contacts that another run has stopped since the plan was made."""
        attempt = connection.attempt
        plan = attempt.plan
        change = connection.action.change
        stopped, opted_out = records.find_changed_meanwhile(attempt.claimed)
        if self._options.leave_opt_out or not (
            change and attempt.hook.vendor.updates.would_leave_opt_out(change)
        ):
            opted_out = set()
        attempt.plan = replace(plan, suppressed_indexes={*plan.suppressed_indexes, *stopped, *opted_out})
        left_out = [plan.pending[index] for index in sorted(stopped | opted_out)]
        if left_out and attempt.audit is not None:
            attempt.audit.record_plan(left_out, ())
        self._set_outcomes(attempt, [plan.pending[index] for index in stopped], "stopped_before")
        self._set_outcomes(attempt, [plan.pending[index] for index in opted_out], "unchanged")

    def _write_claimed(self, connection: ConnectionRun, records: StopRecords) -> None:
        """Change the contacts that are claimed, and note the errors of the others."""
        attempt = connection.attempt
        pending = attempt.plan.pending
        if connection.action.type == "suppress":
            claimed = sorted(attempt.claimed - attempt.plan.held_indexes)
            self._suppressions.add([pending[index] for index in claimed], attempt.hook.vendor.name)
            records.record(claimed, {})
            outcome = Outcome(claimed, dict(attempt.conflicts))
        else:
            # What is done is in the table of stops, so nothing else has to remember it.
            outcome, _ = attempt.write(None, records)
        gone = {index for index, error in outcome.failed.items() if isinstance(error, NotFound)}
        self._set_outcomes(attempt, [pending[index] for index in gone], "removed")
        self._set_outcomes(attempt, [pending[index] for index in outcome.opted_out], "unchanged")
        for index in gone:
            del outcome.failed[index]
        if outcome.failed:
            attempt.report_failures(outcome)
            connection.add_errors(outcome.failed.values(), outcome.causes(pending))

    def _set_outcomes(self, attempt: Attempt, targets: Iterable[Target], outcome: str) -> None:
        vendor = attempt.hook.vendor.name
        self._outcomes.update((key_of(target.reference(vendor)), outcome) for target in targets)

    def report(self) -> dict[str, Any]:
        """Return the result.

        :raises ContactsError: if contacts could not be stopped and ``on_failure`` is ``fail``.
        """
        references = self._group_by_outcome()
        counts = {name: len(found) for name, found in sorted(references.items())}
        self._log.info(
            "Found %d people; %d references belong to no person. The people's other contacts: %s.",
            len(self._plan.people),
            len(self._plan.unmatched),
            ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items()) or "none",
        )
        self._log_references({"unmatched": self._plan.unmatched, **references})
        self._log_stopped_before()
        if self._options.on_failure == "fail":
            self._raise_errors(references)
        return {
            "people": self._plan.describe_people(self._outcomes),
            "unmatched": list(self._plan.unmatched),
            **{name: references.get(name, []) for name in OUTCOMES},
            "counts": counts,
        }

    def _log_references(self, references: Mapping[str, Sequence[Reference]]) -> None:
        """Log the first contacts that someone has to look at: a task that fails has no result."""
        for name in ("manual", "no_action", "outdated", "unmatched"):
            if found := references.get(name):
                shown = ", ".join("/".join(filter(None, key_of(one))) for one in found[:_MAX_LOGGED])
                more = f" and {len(found) - _MAX_LOGGED} more" if len(found) > _MAX_LOGGED else ""
                self._log.info("%s: %s%s.", name.replace("_", " ").capitalize(), shown, more)

    def _log_stopped_before(self) -> None:
        times = [
            stop.at
            for person in self._plan.people
            for contact in person.contacts
            if self._outcomes.get(contact.key) == "stopped_before"
            for stop in contact.stops
        ]
        if times:
            first, last = min(times).date(), max(times).date()
            self._log.info(
                "Contacts that were stopped before (%s) have no later reply or opt-out.",
                first if first == last else f"{first} to {last}",
            )

    def _group_by_outcome(self) -> dict[str, list[Reference]]:
        """Return the references of the contacts by what happened to them."""
        found: dict[str, list[Reference]] = defaultdict(list)
        for person in self._plan.people:
            for contact in list_other_contacts(person):
                found[self._outcomes[contact.key]].append(contact.reference())
        return found

    def _raise_errors(self, references: Mapping[str, Sequence[Reference]]) -> None:
        problems = []
        is_transient = False
        failing = [connection for connection in self._connections if connection.errors]
        if failing:
            outcome = "could not be checked."
            if not self._options.preview:
                changed = sum(len(references.get(name, ())) for name in ("updated", "marked", "suppressed"))
                outcome = f"could not be stopped; {changed} were changed. A retry continues with the rest."
            causes = " ".join(f"{connection.attempt}: {connection.causes}" for connection in failing)
            problems.append(f"{len(references.get('failed', ()))} contacts {outcome} {causes}")
            errors = [error for connection in failing for error in connection.errors]
            is_transient = any(not error.permanent for error in errors)
        if without := references.get("no_action", ()):
            vendors = sorted({reference["vendor"] for reference in without})
            problems.append(
                f"{len(without)} contacts of {', '.join(vendors)} have no action, so they were not stopped. "
                'Add their connection to `actions`, with "manual" if they are stopped manually.'
            )
        if outdated := len(references.get("outdated", ())):
            problems.append(
                f"{outdated} contacts share no key with the person any more, so they were not changed. Run "
                "ResolvePeopleOperator, then retry."
            )
            is_transient = True
        if self._plan.unmatched and self._options.on_unmatched == "fail":
            problems.append(
                f"{len(self._plan.unmatched)} references belong to no person. Export the contacts and run "
                "ResolvePeopleOperator, then retry. If they were erased, or deleted at the vendor, set "
                '`on_unmatched` to "report".'
            )
            is_transient = True
        if problems:
            raise ContactsError(" ".join(problems), transient=is_transient)
