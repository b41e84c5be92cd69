"""The base class of operators that update contacts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_contacts.core.changes import Change, ChangeKind
from airflow_provider_contacts.core.updates.targets import Target, change_of, compute_digest
from airflow_provider_contacts.errors import ContactsError
from airflow_provider_contacts.hooks.base import ContactsHook
from airflow_provider_contacts.links import ContactLink, push_contact_url
from airflow_provider_contacts.operators.literals import check_literals
from airflow_provider_contacts.operators.sources import ContactSource
from airflow_provider_contacts.operators.updating.attempt import (
    MAX_CONTACTS_IN_LOG,
    build_scope,
    list_failures,
    open_audit,
    write_updates,
)
from airflow_provider_contacts.operators.updating.base_write import BaseWriteOperator
from airflow_provider_contacts.operators.updating.options import UpdateOptions, parse_options
from airflow_provider_contacts.operators.updating.plan import (
    UpdatePlan,
    is_satisfied,
    list_references,
)
from airflow_provider_contacts.operators.updating.rows import read_targets
from airflow_provider_contacts.safeguards.arguments import parse_optional_location

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_contacts.core.updates.run import Outcome, Updater
    from airflow_provider_contacts.core.vendor import Vendor
    from airflow_provider_contacts.safeguards.approval import Answer
    from airflow_provider_contacts.safeguards.audit import AuditWriter
    from airflow_provider_contacts.safeguards.request_text import RequestSection

__all__ = ["BaseUpdateOperator"]


class BaseUpdateOperator(BaseWriteOperator):
    """Change many contacts.

    Contacts that are already up to date cost no request, and duplicates are updated once. Updates are idempotent, so
    sending one twice is harmless. On Airflow 3.3 a retry continues where the previous attempt ended. After the task has
    succeeded, clearing it repeats everything.

    :param contacts_conn_id: connection of the vendor that the contacts belong to. Templated.
    :param contacts: what a listing, a filter or a sensor returned, ids, or a query (``SqlContacts``) or file
        (``FileContacts``) that may also contain each contact's change. Templated.
    :param preview: report what would change, and write nothing. Templated.
    :param max_updates: fail before the first write if more contacts than this would change. Templated.
    :param on_failure: ``fail`` tries all contacts and then fails, ``continue`` tries all and returns. Authentication,
        permission, quota and long rate-limit errors abort immediately in either mode, as do ten
        contacts in a row that fail with an error that a retry may fix. Templated.
    :param require_approval: wait for a person to approve the update, in Airflow's UI under Required Actions or through its API;
        a number means only if more contacts than this would change. If the contacts or their changes have changed when the
        task resumes, it asks again. A rejected update is skipped. Templated.
    :param approvers: ids of the only users who may approve; by default everyone who may edit the DAG run. Templated.
    :param approval_timeout: after this duration, such as ``"24h"``, the update counts as rejected. By default it waits without
        limit. Templated.
    :param suppressions: ``<conn_id>.<table>`` of contacts that must not be contacted, as ``SuppressContactsOperator`` writes it.
        They are not updated, in addition to those of ``[contacts] suppressions`` in Airflow's configuration. Templated.
    :param secret_conn_id: connection whose password is the secret of ``suppressions``. Templated.
    :param contacts_table: ``<conn_id>.<table>`` of exported contacts. It is where the e-mail address, phone number and LinkedIn
        profile of references are looked up, to recognize suppressed contacts. Templated.
    :param audit: ``<conn_id>.<table>`` that gets a row per contact and attempt, in addition to ``[contacts] audit``. Templated.
    :return: ``{"updated", "unchanged", "suppressed", "failed"}``, each a list of references; those in ``failed`` have an
        ``error`` too. With ``preview``, ``updated`` is empty and ``would_update`` lists what it would contain.
    """

    template_fields: Sequence[str] = (
        "contacts_conn_id",
        *BaseWriteOperator.template_fields,
        "contacts_table",
    )
    safeguards = (*BaseWriteOperator.safeguards, "contacts_table")
    ui_color = "#f1e4e4"
    operator_extra_links = (ContactLink(),)
    kind: ClassVar[ChangeKind]
    # The columns of a query that contain each contact's change.
    change_columns: ClassVar[Sequence[str]]

    def __init__(
        self,
        *,
        contacts_conn_id: str,
        contacts_table: str | None = None,
        **kwargs: Any,
    ) -> None:
        self.contacts_table = contacts_table
        super().__init__(**kwargs)
        self.contacts_conn_id = contacts_conn_id
        check_literals(self, _parse_contacts_table, contacts_table)

    def reads_change_from_arguments(self) -> bool:
        """Return whether to read the change from the arguments, not from the rows of ``contacts``."""
        return self.has_change() or not isinstance(self.contacts, ContactSource)

    def has_change(self) -> bool:
        """Return whether the arguments contain the change, so that a query need not."""
        raise NotImplementedError

    def parse_change(self) -> Change:
        """Validate the arguments and return the change."""
        raise NotImplementedError

    def parse_row_change(self, row: Mapping[str, object]) -> Change:
        """Validate the columns of a query that contain a contact's change, and return the change."""
        raise NotImplementedError

    def execute(self, context: Context) -> dict[str, list[dict[str, object]]]:
        """Update the contacts."""
        return self._run(context, None)

    def _run(self, context: Context, answer: Answer | None) -> dict[str, list[dict[str, object]]]:
        push_contact_url(
            context, None
        )  # if the task fails, Airflow would log an error about the missing link
        options = parse_options(self)
        hook = ContactsHook.for_connection(self.contacts_conn_id)
        hook.require_update_support(self.kind)
        plan, duplicates = self._plan(hook.vendor, options)
        to_update = plan.to_update
        options.check_count(len(to_update))
        updaters = self._create_updaters(hook, to_update)
        self._log_plan(hook.vendor, plan, duplicates)
        push_contact_url(context, plan.first_url)
        result = plan.to_result(hook.vendor.name)
        with open_audit(context, hook, plan.pending, options.audit) as audit_writer:
            if options.preview:
                self.log.info("This is a preview; nothing is written.")
                audit_writer.record_plan(plan.unchanged, plan.suppressed, previewed=to_update)
                return {**result, "would_update": list_references(hook.vendor.name, to_update)}
            digest = compute_digest(build_scope(hook), to_update)
            audit_writer.approver = self.require_approver(
                context, options, answer, digest, [self._describe(hook, plan)]
            )
            audit_writer.record_plan(plan.unchanged, plan.suppressed)
            return {**result, **self._update(context, hook, plan, updaters, audit_writer)}

    def _plan(self, vendor: Vendor, options: UpdateOptions) -> tuple[UpdatePlan, int]:
        """Read the contacts, and decide what to do with each. Return also how many duplicates there were."""
        from airflow_provider_contacts.safeguards.gate import open_gate

        targets, duplicates = read_targets(self.contacts, self, vendor)
        contacts_table = _parse_contacts_table(self.contacts_table)
        gate = open_gate(options.suppressions, options.secret_conn_id, contacts_table, self.log)
        return UpdatePlan.create(
            targets, gate, vendor, is_satisfied, vendor.updates.only_stops_outreach
        ), duplicates

    def _create_updaters(self, hook: ContactsHook[Any], targets: list[Target]) -> dict[Change, Updater]:
        counts = Counter(map(change_of, targets))
        if not counts and not isinstance(self.contacts, ContactSource):
            counts[self.parse_change()] = 0  # an invalid change is an error even without contacts
        return {change: hook.create_updater(change, count) for change, count in counts.items()}

    def _log_plan(self, vendor: Vendor, plan: UpdatePlan, duplicates: int) -> None:
        from airflow_provider_contacts.safeguards.request_text import describe_changes

        to_update = plan.to_update
        self.log.info(
            "%s: %d contacts to update (%s), %d already up to date, %d suppressed, %d duplicates.",
            vendor.title,
            len(to_update),
            ", ".join(describe_changes(to_update)) or "no change",
            len(plan.unchanged),
            len(plan.suppressed_indexes),
            duplicates,
        )

    def _describe(self, hook: ContactsHook[Any], plan: UpdatePlan) -> RequestSection:
        """Return what an approver has to know."""
        from airflow_provider_contacts.safeguards.request_text import RequestSection

        return RequestSection(
            hook.vendor.title,
            self.contacts_conn_id,
            plan.to_update,
            unchanged=len(plan.unchanged),
            suppressed=len(plan.suppressed_indexes),
        )

    def _update(
        self,
        context: Context,
        hook: ContactsHook[Any],
        plan: UpdatePlan,
        updaters: Mapping[Change, Updater],
        audit_writer: AuditWriter,
    ) -> dict[str, list[dict[str, object]]]:
        from airflow_provider_contacts.safeguards.approval import find_store, forget_approval

        outcome, progress = write_updates(hook, plan, updaters, find_store(context), audit_writer, self.log)
        result = self._report(hook.vendor, outcome, plan)
        if audit_writer.approver is not None:
            forget_approval(context, self.log)
        progress.clear()
        return result

    def _report(
        self, vendor: Vendor, outcome: Outcome, plan: UpdatePlan
    ) -> dict[str, list[dict[str, object]]]:
        """Return the result of an update.

        :raises ContactsError: if contacts failed and ``on_failure`` is ``fail``.
        """
        targets = plan.pending
        failed = list_failures(vendor.name, plan, outcome)
        self.log.info("%d contacts updated, %d failed.", len(outcome.updated), len(failed))
        for one in failed[:MAX_CONTACTS_IN_LOG]:
            self.log.warning("Contact %s was not updated. %s", one["contact_id"], one["error"])
        if failed and self.on_failure == "fail":
            raise ContactsError(
                f"{len(failed)} of {len(plan.to_update)} contacts could not be updated; {len(outcome.updated)} were updated. The log "
                f"lists the first {MAX_CONTACTS_IN_LOG} failures. {outcome.causes(targets)}",
                transient=any(not error.permanent for error in outcome.failed.values()),
            )
        # A contact that was suppressed after an earlier attempt had updated it is updated.
        suppressed = sorted(set(plan.suppressed_indexes) - set(outcome.updated))
        return {
            "updated": list_references(vendor.name, [targets[index] for index in outcome.updated]),
            "suppressed": list_references(vendor.name, [targets[index] for index in suppressed]),
            "failed": failed,
        }


def _parse_contacts_table(value: object) -> str:
    return parse_optional_location("contacts_table", value)
