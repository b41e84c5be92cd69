"""Make the planned changes to the contacts of one connection."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_contacts.core.changes import Change
from airflow_provider_contacts.core.logs import Log, ProgressLog
from airflow_provider_contacts.core.updates.targets import Target
from airflow_provider_contacts.operators.updating.plan import UpdatePlan

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_contacts.core.updates.progress import Progress, Store
    from airflow_provider_contacts.core.updates.run import Journal, Outcome, Updater
    from airflow_provider_contacts.hooks.base import ContactsHook
    from airflow_provider_contacts.safeguards.audit import AuditWriter

MAX_CONTACTS_IN_LOG = 20


def build_scope(hook: ContactsHook[Any]) -> str:
    """Return text that identifies a connection: vendor, connection id and host."""
    return f"{hook.vendor.name} {hook.settings.conn_id} {hook.settings.base_url}"


def open_audit(
    context: Context, hook: ContactsHook[Any], targets: Sequence[Target], audit: str
) -> contextlib.AbstractContextManager[AuditWriter]:
    """Open the audit of an attempt at one connection.

    :param targets: the contacts that may be updated.
    :param audit: the operator's own table, or empty.
    """
    from airflow_provider_contacts.safeguards.audit import Attempt, open_audit_writer
    from airflow_provider_contacts.safeguards.configuration import find_audit_locations

    attempt = Attempt.from_context(context, hook.settings.conn_id, hook.vendor.name)
    return open_audit_writer(find_audit_locations(audit), attempt, targets)


def write_updates(
    hook: ContactsHook[Any],
    plan: UpdatePlan,
    updaters: Mapping[Change, Updater],
    store: Store | None,
    journal: Journal,
    log: Log,
) -> tuple[Outcome, Progress]:
    """Update the contacts of a plan that a previous attempt has not updated.

    :param updaters: an updater for each change.
    :param store: remembers what is done.
    :param journal: where outcomes are recorded.
    :return: the outcome by index into ``plan.pending``, and what to clear when the task succeeds.
    """
    from airflow_provider_contacts.core.updates.progress import Progress
    from airflow_provider_contacts.core.updates.run import update_all

    progress = Progress(store, build_scope(hook), plan.pending, log)
    already_done = len(progress.done)
    if already_done:
        log.info("Skipping %d contacts that a previous attempt updated.", already_done)
    lines = ProgressLog(log, "Processed %d%s contacts, %.1f per second.")
    outcome = update_all(
        plan.pending,
        updaters,
        progress,
        hook.settings.max_concurrency,
        lambda count: lines.update(count - already_done, len(plan.to_update) - already_done),
        skip=plan.suppressed_indexes,
        journal=journal,
    )
    return outcome, progress


def list_failures(vendor: str, plan: UpdatePlan, outcome: Outcome) -> list[dict[str, object]]:
    """Return the references of the contacts that failed, each with its ``error``."""
    return [
        {**plan.pending[index].reference(vendor), "error": f"{type(error).__name__}: {error}"}
        for index, error in sorted(outcome.failed.items())
    ]
