"""The base class of operators that write to vendors, and the arguments that make this safe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_contacts.operators.base import ContactsLike
from airflow_provider_contacts.operators.literals import check_literals
from airflow_provider_contacts.operators.updating.options import CHECKS, is_nothing
from airflow_provider_contacts.retry import RetryPolicyOperator
from airflow_provider_contacts.safeguards.configuration import DEFAULT_SECRET_CONN_ID

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_contacts.operators.updating.options import UpdateOptions
    from airflow_provider_contacts.safeguards.approval import Answer
    from airflow_provider_contacts.safeguards.request_text import RequestSection

__all__ = ["BaseWriteOperator"]


class BaseWriteOperator(RetryPolicyOperator):
    """Base class of operators that write to vendors.

    :param contacts: the contacts to start from. Templated.
    :param preview: report what would change, and write nothing. Templated.
    :param max_updates: fail before the first write if more contacts than this would change. Templated.
    :param on_failure: ``fail`` or ``continue``, after all contacts have been tried. Templated.
    :param require_approval: wait for a person to approve the update, always or above a number of contacts. Templated.
    :param approvers: ids of the only users who may approve. Templated.
    :param approval_timeout: how long to wait for the approval, such as ``"24h"``. Templated.
    :param suppressions: ``<conn_id>.<table>`` of contacts that must not be contacted. Templated.
    :param secret_conn_id: connection whose password is the secret of ``suppressions``. Templated.
    :param audit: ``<conn_id>.<table>`` that gets a row per contact and attempt. Templated.
    """

    template_fields: Sequence[str] = (
        "contacts",
        "preview",
        "max_updates",
        "on_failure",
        "require_approval",
        "approvers",
        "approval_timeout",
        "suppressions",
        "secret_conn_id",
        "audit",
    )
    # A template of these arguments must not render to nothing.
    safeguards: ClassVar[Sequence[str]] = ("require_approval", "approvers", "suppressions", "audit")

    def __init__(
        self,
        *,
        contacts: ContactsLike,
        preview: bool | str = False,
        max_updates: int | str = 1000,
        on_failure: str = "fail",
        require_approval: bool | int | str = False,
        approvers: Sequence[str | Mapping[str, str]] | str = (),
        approval_timeout: timedelta | str | None = None,
        suppressions: str | None = None,
        secret_conn_id: str = DEFAULT_SECRET_CONN_ID,
        audit: str | None = None,
        **kwargs: Any,
    ) -> None:
        # A downstream task can then use `task.output["updated"]`.
        super().__init__(**{"multiple_outputs": True, **kwargs})
        self.contacts = contacts
        self.preview = preview
        self.max_updates = max_updates
        self.on_failure = on_failure
        self.require_approval = require_approval
        self.approvers = approvers
        self.approval_timeout = approval_timeout
        self.suppressions = suppressions
        self.secret_conn_id = secret_conn_id
        self.audit = audit
        for name, check in CHECKS.items():
            check_literals(self, check, getattr(self, name))
        # A template that renders to nothing must not switch a safeguard off.
        self.required_arguments = [name for name in self.safeguards if not is_nothing(getattr(self, name))]

    def execute_complete(self, context: Context, event: Mapping[str, Any], displayed: str = "") -> Any:
        """Resume after an answer to the approval request.

        :param event: the answer.
        :param displayed: the number of the request that the person saw.
        :raises AirflowSkipException: if the update was rejected.
        """
        from airflow_provider_contacts.safeguards.approval import parse_answer, skip_if_rejected

        answer = parse_answer(event, displayed)
        skip_if_rejected(context, answer, self.log)
        return self._run(context, answer)

    def require_approver(
        self,
        context: Context,
        options: UpdateOptions,
        answer: Answer | None,
        digest: str,
        sections: Sequence[RequestSection],
    ) -> str | None:
        """Return who approved the changes, or None if no one has to. Without an approval, let the task wait for one.

        :param answer: the answer that resumed the task, or None.
        :param digest: of what is approved.
        :param sections: what the approver has to know about each connection.
        """
        from airflow_provider_contacts.safeguards.approval import ApprovalRequest, require_approver
        from airflow_provider_contacts.safeguards.request_text import write_request

        count = sum(len(section.targets) for section in sections)
        if options.threshold is None or count <= options.threshold or not count:
            return None
        request = ApprovalRequest.create(digest, partial(write_request, sections))
        return require_approver(self, context, request, answer, options.approvers, options.approval_timeout)

    def _run(self, context: Context, answer: Answer | None) -> Any:
        """Write. If an approval is required and missing, ask for it first."""
        raise NotImplementedError
