"""The base classes of operators that write to vendors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_contacts.core.changes import Change, ChangeKind
from airflow_provider_contacts.core.updates.progress import find_store
from airflow_provider_contacts.core.updates.targets import change_of
from airflow_provider_contacts.errors import ContactsError, wrap_unexpected
from airflow_provider_contacts.hooks.base import ContactsHook
from airflow_provider_contacts.links import ContactLink, push_contact_url, push_references_to_approve
from airflow_provider_contacts.operators.arguments import (
    declares,
    list_arguments,
    parse_arguments,
    pop_arguments,
    set_arguments,
)
from airflow_provider_contacts.operators.base import ContactsLike
from airflow_provider_contacts.operators.sources import ContactSource
from airflow_provider_contacts.operators.updating.arguments import (
    WriteOptions,
)
from airflow_provider_contacts.operators.updating.attempt import MAX_CONTACTS_IN_LOG, Attempt
from airflow_provider_contacts.operators.updating.plan import (
    Gate,
    ReferenceList,
    is_satisfied,
    list_references,
    plan_updates,
)
from airflow_provider_contacts.operators.updating.rows import read_targets
from airflow_provider_contacts.retry import RetryPolicyOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_contacts.core.updates.run import Outcome
    from airflow_provider_contacts.safeguards.approval import ApprovalAnswer

__all__ = ["BaseUpdateOperator", "BaseWriteOperator"]


class BaseWriteOperator(RetryPolicyOperator):
    """Base class of operators that write to vendors. All arguments are templated.

    The tables are ``table`` or ``schema.table`` in the database of ``sql_conn_id``. Those of
    ``[contacts]`` in Airflow's configuration also apply.

    :param contacts: what a listing, a filter or a sensor returned, ids, or a query
        (``SqlContacts``) or file (``FileContacts``).
    :param preview: report what would change, and change no contact. The audit records it.
    :param max_updates: fail before the first write if more contacts than this would change.
    :param on_failure: ``fail`` tries all contacts and then fails, ``continue`` tries all and
        returns. Authentication, permission, quota and long rate-limit errors abort immediately in
        either mode, as do ten contacts in a row that fail with an error that a retry may fix.
    :param require_approval: wait for a person to approve, in Airflow's UI under Required Actions or
        through its API; a number means only if more contacts than this would change. If the
        contacts or their changes have changed when the task resumes, it asks again. A rejected
        update is skipped.
    :param approvers: ids of the only users who may approve; by default everyone who may edit the
        DAG run.
    :param approval_timeout: after this duration, such as ``"24h"``, the request counts as rejected.
        By default it waits without limit.
    :param sql_conn_id: connection of the database with the tables below; by default ``[contacts]
        sql_conn_id``.
    :param suppressions_table: table of contacts that must not be contacted, as
        ``SuppressContactsOperator`` writes it.
    :param secret_conn_id: connection whose password is the secret of ``suppressions_table``; by
        default ``[contacts] suppressions_secret_conn_id``, or ``contacts_suppressions``.
    :param contacts_table: table of exported contacts. It is where the e-mail address, phone number
        and LinkedIn profile of references are looked up, to recognize suppressed contacts.
    :param people_table: table of people, as ``ResolvePeopleOperator`` writes it. With it, a contact
        is suppressed if any contact of the person is. It needs ``contacts_table``.
    :param unchecked: what to do with contacts that cannot be checked against the suppressions:
        ``fail``, ``skip`` or ``allow``. By default it fails if one of them is a bare reference and
        ``contacts_table`` is not set, and skips them otherwise.
    :param fresh_check: before each change of a stage, ask the vendor whether the contact has opted
        out, where its API reports it (Mailstand). It takes a second request per contact. Without
        it, the stage in ``contacts`` decides.
    :param leave_opt_out: allow moving contacts out of a stage for people who have opted out, such
        as Do Not Contact. Otherwise they stay, and count as suppressed.
    :param audit_table: table that gets a row per contact and attempt.
    """

    options_class: ClassVar[type[WriteOptions]] = WriteOptions
    template_fields: Sequence[str] = ("contacts", *list_arguments(WriteOptions))
    ui_color = "#f1e4e4"

    @declares(WriteOptions)
    def __init__(self, *, contacts: ContactsLike, **kwargs: Any) -> None:
        given = pop_arguments(self.options_class, kwargs)
        # A downstream task can then use `task.output["updated"]`.
        super().__init__(**{"multiple_outputs": True, **kwargs})
        self.contacts = contacts
        self.required_arguments = set_arguments(self, self.options_class, given)

    def execute(self, context: Context) -> dict[str, Any]:
        """Make the changes, after an approval if one is required.

        :return: the result, which the class describes.
        :raises ContactsError: if contacts could not be changed, or a safeguard stops the task.
        """
        return self.run_attempt(context, None)

    def execute_complete(
        self, context: Context, event: Mapping[str, Any], displayed: str = "", asked: str = ""
    ) -> dict[str, Any]:
        """Resume after an answer to the approval request.

        :param event: the answer.
        :param displayed: the number of the request that the person saw.
        :param asked: the digest of the request that was sent.
        :raises AirflowSkipException: if the update was rejected.
        """
        from airflow_provider_contacts.safeguards.approval import forget_approval, parse_answer, skip

        answer = parse_answer(event, displayed, asked)
        if not answer.is_approved:
            # First: otherwise, a retry would use an earlier approval.
            forget_approval(context, self.log)
            self._try_to_record(context, answer)
            skip(answer, self.log)
        return self.run_attempt(context, answer)

    def _try_to_record(self, context: Context, answer: ApprovalAnswer) -> None:
        """Record a rejection in the audit. The task is skipped even if that fails."""
        try:
            self.record_rejection(context, answer)
        except Exception as error:
            self.log.warning("The rejection could not be recorded in the audit. %s", wrap_unexpected(error))

    def record_rejection(self, context: Context, answer: ApprovalAnswer) -> None:
        """Record in the audit who rejected the changes.

        :raises ContactsError: if that fails.
        """
        raise NotImplementedError

    def forget_approval(self, context: Context, options: WriteOptions) -> None:
        """Forget an approval after the update, so that the same update needs a new one."""
        if options.require_approval is not None and not options.preview:
            from airflow_provider_contacts.safeguards.approval import forget_approval

            forget_approval(context, self.log)

    def run_attempt(self, context: Context, answer: ApprovalAnswer | None) -> dict[str, Any]:
        """Make the changes. If an approval is required and missing, ask for it first.

        :param answer: the answer that resumed the task, or None.
        :return: the result of the task.
        :raises TaskAwaitingInput: if the task has to wait (``TaskDeferred`` on Airflow 3.2).
        :raises ContactsError: if contacts could not be changed, or a safeguard stops the task.
        """
        raise NotImplementedError

    def require_approver(
        self,
        context: Context,
        attempts: Sequence[Attempt],
        options: WriteOptions,
        answer: ApprovalAnswer | None,
    ) -> str | None:
        """Return who approved the changes, or None if no one has to, or let the task wait.

        :param attempts: what is approved, together.
        :param answer: the answer that resumed the task, or None.
        """
        if options.require_approval is None and options.approvers:
            self.log.warning("`approvers` has no effect, because `require_approval` is not set.")
        changing = [attempt for attempt in attempts if attempt.plan.to_update]
        # With those that an earlier attempt has changed: the rest needs the same approval.
        count = sum(len(attempt.plan.to_update) + len(attempt.plan.changed_before) for attempt in attempts)
        if options.require_approval is None or count <= options.require_approval or not changing:
            return None
        from airflow_provider_contacts.safeguards.approval import ApprovalRequest, require_approver
        from airflow_provider_contacts.safeguards.request_text import write_request

        sections = [attempt.describe() for attempt in changing]
        url = None
        if any(section.hidden for section in sections):
            url = push_references_to_approve(
                context,
                [
                    reference
                    for attempt in changing
                    for reference in list_references(attempt.hook.vendor.name, attempt.plan.to_update)
                ],
            )
        write = partial(write_request, sections, all_contacts=url)
        request = ApprovalRequest.create([attempt.digest for attempt in attempts], write)
        return require_approver(self, context, request, answer, options.approvers, options.approval_timeout)


class BaseUpdateOperator(BaseWriteOperator):
    """Change contacts of one connection. See :class:`BaseWriteOperator` for the rest.

    Contacts that are already up to date cost no request, and duplicates are updated once. Updates
    are idempotent, so sending one twice is harmless. On Airflow 3.3 a retry continues where the
    previous attempt ended. After the task has succeeded, clearing it repeats everything.

    All arguments are templated.

    :param contacts_conn_id: connection of the vendor that the contacts belong to.
    :param contacts: what a listing, a filter or a sensor returned, ids, or a query
        (``SqlContacts``) or file (``FileContacts``) that may also contain each contact's change.
    :return: ``{"updated", "unchanged", "suppressed", "unchecked", "failed"}``, each a list of
        references; those in ``failed`` have an ``error`` too. With ``preview``, ``updated`` is
        empty and ``would_update`` lists what it would contain.
    """

    template_fields: Sequence[str] = ("contacts_conn_id", *BaseWriteOperator.template_fields)
    operator_extra_links = (ContactLink(),)
    kind: ClassVar[ChangeKind]
    # The columns of a query that contain each contact's change.
    change_columns: ClassVar[Sequence[str]]

    def __init__(self, *, contacts_conn_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.contacts_conn_id = contacts_conn_id

    def reads_change_from_arguments(self) -> bool:
        """Return whether the change is in the arguments, not in the rows of ``contacts``."""
        return self.has_change() or not isinstance(self.contacts, ContactSource)

    def has_change(self) -> bool:
        """Return whether the arguments contain the change, so that a query need not."""
        raise NotImplementedError

    def parse_change(self) -> Change:
        """Validate the arguments and return the change."""
        raise NotImplementedError

    def parse_row_change(self, row: Mapping[str, object]) -> Change:
        """Validate the columns of a row that contain the change, and return it."""
        raise NotImplementedError

    def run_attempt(self, context: Context, answer: ApprovalAnswer | None) -> dict[str, ReferenceList]:
        """Update the contacts. If an approval is required and missing, ask for it first."""
        # If the task fails and nothing was pushed, Airflow logs an error about the missing link.
        push_contact_url(context, None)
        attempt = self._prepare(context)
        push_contact_url(context, attempt.plan.first_url)
        with attempt.open_audit():
            if attempt.options.preview:
                return self._preview(attempt)
            approver = self.require_approver(context, [attempt], attempt.options, answer)
            attempt.record_skipped(approver)
            with attempt.open_claims():
                outcome, progress = attempt.write(find_store(context), attempt.audit)
            result = self._report(attempt, outcome)
        self.forget_approval(context, attempt.options)
        progress.clear()
        return result

    def record_rejection(self, context: Context, answer: ApprovalAnswer) -> None:
        """Record in the audit who rejected the changes."""
        attempt = self._prepare(context, will_write=False)
        with attempt.open_audit():
            attempt.record_rejected(answer.user)

    def _prepare(self, context: Context, *, will_write: bool = True) -> Attempt:
        """Check everything that can be checked before the first write, and log the plan.

        :param will_write: whether the vendor is asked what an update needs.
        """
        options = parse_arguments(self, self.options_class, self.required_arguments)
        safeguards = options.find_safeguards()
        self.log.info("%s", safeguards)
        hook = ContactsHook.for_connection(self.contacts_conn_id)
        hook.require_update_support(self.kind)
        targets, duplicates = read_targets(self.contacts, self, hook.vendor)
        gate = Gate(safeguards, hook.vendor, options.unchecked, options.leave_opt_out)
        plan = gate.hold(plan_updates(targets, is_satisfied))
        options.check_count(len(plan.to_update))
        attempt = Attempt(context, hook, options, safeguards, plan, self.log, gate)
        counts = Counter(map(change_of, plan.to_update))
        if not counts and not isinstance(self.contacts, ContactSource):
            counts[self.parse_change()] = 0  # an invalid change is an error even without contacts
        if will_write:
            attempt.create_updaters(counts)
        attempt.log_plan(duplicates)
        return attempt

    def _preview(self, attempt: Attempt) -> dict[str, ReferenceList]:
        self.log.info("This is a preview; no contact is changed.")
        attempt.record_preview()
        vendor = attempt.hook.vendor.name
        plan = attempt.plan
        return {
            "updated": [],
            "unchanged": list_references(vendor, plan.unchanged),
            "suppressed": list_references(vendor, plan.suppressed),
            "unchecked": list_references(vendor, plan.unchecked),
            "failed": [],
            "would_update": list_references(vendor, plan.to_update),
        }

    def _report(self, attempt: Attempt, outcome: Outcome) -> dict[str, ReferenceList]:
        """Return the result of an update.

        :raises ContactsError: if contacts failed and ``on_failure`` is ``fail``.
        """
        plan = attempt.plan
        vendor = attempt.hook.vendor.name
        self.log.info("%d contacts updated, %d failed.", len(outcome.updated), len(outcome.failed))
        if outcome.opted_out:
            self.log.warning(
                "%d contacts have opted out at %s, so they keep their stage.",
                len(outcome.opted_out),
                attempt.hook.vendor.title,
            )
        failed = attempt.report_failures(outcome) if outcome.failed else []
        if failed and attempt.options.on_failure == "fail":
            raise ContactsError(
                f"{len(failed)} of {len(plan.to_update)} contacts could not be updated; "
                f"{len(outcome.updated)} were updated. The log lists the first {MAX_CONTACTS_IN_LOG} "
                f"failures. {outcome.causes(plan.pending)}",
                transient=any(not error.permanent for error in outcome.failed.values()),
            )
        # A contact that was suppressed after an earlier attempt had updated it is updated.
        updated = set(outcome.updated)
        held = {*plan.suppressed_indexes, *attempt.suppressed_meanwhile, *outcome.opted_out}
        suppressed = sorted(held - updated)
        unchecked = sorted(set(plan.unchecked_indexes) - updated)
        return {
            "updated": list_references(vendor, (plan.pending[index] for index in outcome.updated)),
            "unchanged": list_references(vendor, plan.unchanged),
            "suppressed": list_references(vendor, (plan.pending[index] for index in suppressed)),
            "unchecked": list_references(vendor, (plan.pending[index] for index in unchecked)),
            "failed": failed,
        }
