"""Ask a person to approve an update, through Airflow's human-in-the-loop feature.

An approval is bound to a digest of the connection, the contacts and their changes. Its start is a
number on the form, so that an answer says what it is about: before Airflow 3.4, a task that asks
again still shows its first request.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow_provider_contacts.core.logs import Log
from airflow_provider_contacts.core.updates.progress import Store, find_store
from airflow_provider_contacts.errors import ContactsError, InvalidRequest, wrap_unexpected

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator, Context

APPROVE = "Approve"
REJECT = "Reject"

_FIELD = "request"
_FIELD_HELP = (
    "The number of the request that you approve. If the task has asked again, Airflow may still show its "
    "first request: the task's log has the current one, with its number."
)
_STATE_KEY = "contacts-approval"
# In hexadecimal. The whole digest is compared too.
_NUMBER_LENGTH = 8
_ASKS_AGAIN = "A retry asks again."


@dataclass(frozen=True, slots=True)
class ApprovalRequest:
    """What a person is asked.

    :param digest: of the connection, the contacts and their changes.
    :param number: what the form shows of the digest.
    :param body: Markdown, without personal data.
    """

    digest: str
    number: str
    subject: str
    body: str

    @classmethod
    def create(cls, digests: Iterable[str], write: Callable[..., tuple[str, str]]) -> ApprovalRequest:
        """Return a request. Its number is the start of its digest.

        :param digests: of what is approved at each connection.
        :param write: takes the number, and returns the subject and the body.
        """
        digest = hashlib.sha256("".join(sorted(digests)).encode()).hexdigest()
        number = digest[:_NUMBER_LENGTH]
        return cls(digest, number, *write(number=number))


@dataclass(frozen=True, slots=True)
class ApprovalAnswer:
    """What a person answered.

    :param number: of the request that the answer is about.
    :param user: who answered, or None if the request timed out.
    :param user_id: the id of that user.
    :param asked: the digest of the request that the task sent last.
    """

    is_approved: bool
    number: str
    user: str | None
    user_id: str | None = None
    asked: str = ""

    def __str__(self) -> str:
        return f"{self.user} rejected the update" if self.user else "No one approved the update in time"


def parse_answer(event: Mapping[str, Any], displayed: str, asked: str) -> ApprovalAnswer:
    """Return the answer in the event that resumes a task.

    :param displayed: the number of the request that Airflow displayed.
    :param asked: the digest of the request that the task sent.
    :raises ContactsError: if the event has no answer.
    """
    options = event.get("chosen_options")
    if "error" in event or not options:
        raise ContactsError(
            "Airflow resumed the task without an answer to the approval request "
            f"({event.get('error_type', 'unknown')}). Nothing was written. A retry asks again.",
            transient=True,
        )
    number = (event.get("params_input") or {}).get(_FIELD) or displayed
    user = event.get("responded_by_user")
    is_approved = list(options) == [APPROVE]
    user_id = None if user is None else _read(user, "id")
    return ApprovalAnswer(is_approved, str(number).strip(), _name_of(user), user_id, asked)


def skip(answer: ApprovalAnswer, log: Log) -> NoReturn:
    """Skip a task whose update was rejected.

    :raises AirflowSkipException: always.
    """
    from airflow.sdk.exceptions import AirflowSkipException

    # Airflow does not log the text of the exception at a level that is shown.
    log.warning("%s. Nothing was written, and the task is skipped.", answer)
    raise AirflowSkipException(f"{answer}. Nothing was written.")


def require_approver(
    operator: BaseOperator,
    context: Context,
    request: ApprovalRequest,
    answer: ApprovalAnswer | None,
    approvers: Sequence[Mapping[str, str]],
    timeout: timedelta | None,
) -> str:
    """Return the approver of a request, or send it and let the task wait for an answer.

    The task resumes in the operator's ``execute_complete``.

    :param answer: the answer that resumed the task, or None.
    :param approvers: the only users who may answer, as ``{"id", "name"}``, or none for all.
    :param timeout: after this time, the request counts as rejected.
    :raises TaskAwaitingInput: if the task has to wait (``TaskDeferred`` on Airflow 3.2).
    """
    memory = ApprovalMemory.of_task(context, operator.log)
    allowed = {user["id"] for user in approvers}
    if answer is None:
        if approver := memory.find_approver(request, allowed):
            operator.log.info(
                "Request %s was approved by %s in an earlier attempt.", request.number, approver
            )
            return approver
        require_known_approvers(approvers, operator.log)
    elif allowed and answer.user_id not in allowed:
        operator.log.warning(
            "%s approved the update, but is not one of `approvers`. Nothing was written. Asking again.",
            answer.user or "An unknown user",
        )
    elif answer.number == request.number and answer.asked == request.digest:
        approver = answer.user or "unknown"
        operator.log.info("Request %s was approved by %s.", request.number, approver)
        memory.save(request, approver, answer.user_id)
        return approver
    else:
        operator.log.warning(
            "%s approved request %s, but the contacts or their changes have changed since. Nothing was "
            "written. Asking again, as request %s.",
            answer.user or "An unknown user",
            answer.number,
            request.number,
        )
    return _ask(operator, context, request, approvers, timeout)


def forget_approval(context: Context, log: Log) -> None:
    """Forget an approval after the update, so that the same update needs a new one next time."""
    ApprovalMemory.of_task(context, log).clear()


def _ask(
    operator: BaseOperator,
    context: Context,
    request: ApprovalRequest,
    approvers: Sequence[Mapping[str, str]],
    timeout: timedelta | None,
) -> NoReturn:
    displayed = _send(context, request, approvers)
    if displayed != request.number:
        operator.log.warning(
            "Airflow still shows an earlier request (%s). The current request is %s. To approve it, enter "
            "this number in the form:\n%s",
            displayed or "without a number",
            request.number,
            request.body,
        )
    operator.log.info("Waiting for the approval of request %s.", request.number)
    try:
        from airflow.sdk.exceptions import TaskAwaitingInput
    except ImportError:  # Airflow 3.2
        _defer(operator, context, displayed, request, timeout)
    kwargs = {"displayed": displayed, "asked": request.digest}
    raise TaskAwaitingInput(method_name="execute_complete", kwargs=kwargs, timeout=timeout)


def _send(context: Context, request: ApprovalRequest, approvers: Sequence[Mapping[str, str]]) -> str:
    """Send the request, and return the number of the request that Airflow displays."""
    from airflow.sdk.api.datamodels._generated import HITLUser
    from airflow.sdk.execution_time import task_runner
    from airflow.sdk.execution_time.comms import CreateHITLDetailPayload

    # Airflow's own function for this drops the response.
    stored: Any = task_runner.SUPERVISOR_COMMS.send(
        CreateHITLDetailPayload(
            ti_id=context["ti"].id,
            options=[APPROVE, REJECT],
            subject=request.subject,
            body=request.body,
            defaults=[REJECT],
            multiple=False,
            params=_params(request.number),
            assigned_users=[HITLUser(**user) for user in approvers],
        )
    )
    field = (getattr(stored, "params", None) or {}).get(_FIELD)
    return str(field.get("value") if isinstance(field, Mapping) else field or "")


def _params(number: str) -> dict[str, Any]:
    from airflow.sdk import Param

    param = Param(number, type="string", title="Request", description=_FIELD_HELP)
    return {_FIELD: param.serialize()}


def _defer(
    operator: BaseOperator,
    context: Context,
    displayed: str,
    request: ApprovalRequest,
    timeout: timedelta | None,
) -> NoReturn:
    from airflow.providers.standard.triggers.hitl import HITLTrigger
    from airflow.sdk.timezone import utcnow

    trigger = HITLTrigger(
        ti_id=context["ti"].id,
        options=[APPROVE, REJECT],
        defaults=[REJECT],
        params=_params(request.number),
        multiple=False,
        timeout_datetime=utcnow() + timeout if timeout else None,
    )
    kwargs = {"displayed": displayed, "asked": request.digest}
    operator.defer(trigger=trigger, method_name="execute_complete", kwargs=kwargs)


class ApprovalMemory:
    """Remembers an approval across attempts of a task, on Airflow 3.3.

    It is not essential: without it, a retry asks again. So does a task that was cleared: Airflow
    then raises the number of tries that it may have.

    :param store: the task's state store, or None.
    :param log: where a failing store is reported.
    :param max_tries: the task instance's ``max_tries``. Clearing the task raises it.
    """

    def __init__(self, store: Store | None, log: Log, max_tries: int | None = None) -> None:
        self._store = store
        self._log = log
        self._max_tries = max_tries

    @classmethod
    def of_task(cls, context: Context, log: Log) -> ApprovalMemory:
        """Return the memory of a task instance."""
        return cls(find_store(context), log, getattr(dict(context).get("ti"), "max_tries", None))

    def find_approver(self, request: ApprovalRequest, allowed: Collection[str] = ()) -> str | None:
        """Return who approved the request in an earlier attempt, or None.

        :param allowed: ids of the only users who may, or none for all.
        """
        stored = self._call("read", _ASKS_AGAIN, lambda store: store.get(_STATE_KEY))
        fields = stored if isinstance(stored, dict) else {}
        approver = fields.get("approver")
        is_same = fields.get("digest") == request.digest and fields.get("max_tries") == self._max_tries
        may_approve = not allowed or fields.get("approver_id") in allowed
        return approver if is_same and may_approve and isinstance(approver, str) else None

    def save(self, request: ApprovalRequest, approver: str, approver_id: str | None = None) -> None:
        """Remember an approval."""
        value = {
            "digest": request.digest,
            "approver": approver,
            "approver_id": approver_id,
            "max_tries": self._max_tries,
        }
        self._call("written", _ASKS_AGAIN, lambda store: store.set(_STATE_KEY, value))

    def clear(self) -> None:
        """Forget the approval, so that the same update needs a new one next time."""
        consequence = "If this task is cleared, it may repeat the update without asking."
        # Overwritten first: an approval must not stay if it cannot be deleted.
        self._call("cleared", consequence, lambda store: store.set(_STATE_KEY, {}))
        self._call("cleared", "It is empty.", lambda store: store.delete(_STATE_KEY))

    def _call(self, what: str, consequence: str, function: Callable[[Store], object]) -> object:
        if self._store is None:
            return None
        try:
            return function(self._store)
        except Exception as error:
            self._log.warning(
                "The approval could not be %s in the task's state store. %s %s",
                what,
                consequence,
                wrap_unexpected(error),
            )
            return None


def require_known_approvers(approvers: Sequence[Mapping[str, str]], log: Log) -> None:
    """Check that users exist, as far as a task can know.

    Airflow's simple auth manager has its users in the configuration. Others keep them where tasks
    have no access.

    :raises InvalidRequest: if one of them does not exist.
    """
    from airflow.configuration import conf

    if not approvers or not conf.get("core", "auth_manager", fallback="").endswith(".SimpleAuthManager"):
        return
    if conf.getboolean("core", "simple_auth_manager_all_admins", fallback=False):
        log.warning(
            "Every user may approve: [core] simple_auth_manager_all_admins is set, so `approvers` has no "
            "effect."
        )
        return
    known = {
        user.partition(":")[0].strip()
        for user in conf.get("core", "simple_auth_manager_users", fallback="").split(",")
    }
    unknown = [user["id"] for user in approvers if user["id"] not in known]
    if unknown:
        raise InvalidRequest(
            f"`approvers` contains users that Airflow does not know: {', '.join(map(repr, unknown))}. "
            "Nothing was written. Use names of [core] simple_auth_manager_users."
        )


def _name_of(user: object) -> str | None:
    if user is None:
        return None
    return _read(user, "name") or _read(user, "id") or "unknown"


def _read(user: object, name: str) -> str | None:
    value = user.get(name) if isinstance(user, Mapping) else getattr(user, name, None)
    return str(value) if value else None
