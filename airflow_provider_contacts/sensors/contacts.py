"""Sensors that wait until contacts match a condition."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import BaseOperator, BaseSensorOperator, PokeReturnValue, conf
from airflow.sdk.exceptions import (
    AirflowSensorTimeout,
    AirflowSkipException,
    TaskDeferralError,
    TaskDeferralTimeout,
)

from airflow_provider_contacts.conditions import Condition, Connected, InvitationPending, Replied
from airflow_provider_contacts.contact import Reference
from airflow_provider_contacts.core.logs import PollLog
from airflow_provider_contacts.core.matching.parsing import ConditionLike, parse_condition
from airflow_provider_contacts.core.waiting import Matches, WaitState
from airflow_provider_contacts.errors import (
    ContactsError,
    IncompleteListing,
    InvalidRequest,
    UnansweredCondition,
    wrap_unexpected,
)
from airflow_provider_contacts.hooks.base import ContactsHook
from airflow_provider_contacts.operators.arguments import (
    declares,
    list_arguments,
    parse_arguments,
    pop_arguments,
    set_arguments,
)
from airflow_provider_contacts.operators.base import BaseContactsOperator, ContactsLike
from airflow_provider_contacts.sensors.arguments import WaitOptions
from airflow_provider_contacts.sensors.events import Success, Timeout, parse_event
from airflow_provider_contacts.sensors.failures import FailureCount

if TYPE_CHECKING:
    from airflow.sdk import Context

__all__ = ["ContactRepliedSensor", "ContactSensor", "InvitationAcceptedSensor", "InvitationPendingSensor"]

# Airflow ends a deferred wait this long after the sensor's own end, in case the triggerer is down.
_DEFERRAL_GRACE_SECONDS = 1200.0
# Airflow adds the deferral's timeout to the time of day, which must not overflow.
_MAX_TIMEOUT_SECONDS = 100 * 365 * 86_400.0


class ContactSensor(BaseContactsOperator, BaseSensorOperator):
    """Wait until contacts match a condition.

    Every poll lists the contacts that match the filters and the condition. With ``deferrable`` the
    task checks its arguments and waits in the triggerer, where it holds no worker. On Airflow 3.3,
    waits of one triggerer share a poll if they have the same connection and interval and send the
    vendor the same filters. Outcome, result and errors are the same in every mode.

    If a listing cannot be proven complete, the poll uses the matches that it found.

    Transient errors are tolerated; the sensor fails after more than ``max_consecutive_failures``
    failed polls in a row. A permanent error, such as an invalid key, missing permissions or an
    invalid filter, fails immediately, even with ``soft_fail``. In ``reschedule`` mode failures in a
    row are counted on Airflow 3.3 only. A ``Retry-After`` that is longer than ``poke_interval`` is
    respected.

    :param contacts_conn_id: connection of any vendor. Templated.
    :param condition: a condition, or its JSON. Templated.
    :param filters: the vendor's own parameters. Templated.
    :param contact_ids: wait for these contacts: ids, references, or what a listing returned.
        Templated.
    :param min_count: how many contacts have to match; by default all of ``contact_ids``, or 1
        without them. Templated.
    :param max_contacts: how many references to return at most when waiting for any contact. The log
        and the XCom ``count`` report how many match. Templated.
    :param max_consecutive_failures: how many polls in a row may fail. Templated.
    :param deferrable: wait in the triggerer; by default ``[operators] default_deferrable``.
    :param kwargs: arguments of ``BaseSensorOperator``: ``poke_interval``, ``timeout``, ``mode``,
        ``soft_fail`` and so on.
    :return: references ``{"vendor", "account_id", "contact_id"}`` of the matching contacts, of
        those that were waited for.
    :raises UnsupportedByVendor: when the task starts, if the vendor does not support the condition.
    :raises InvalidRequest: when the task starts, if a filter, the condition or an argument is
        invalid.
    :raises AirflowSensorTimeout: after ``timeout``; names the contacts that do not match.
    :raises ContactsError: for every other failure.
    """

    template_fields: Sequence[str] = (
        *BaseContactsOperator.template_fields,
        "contact_ids",
        *list_arguments(WaitOptions),
    )
    ui_color = "#e4edf1"

    @declares(WaitOptions)
    def __init__(
        self,
        *,
        condition: ConditionLike,
        contact_ids: ContactsLike | None = None,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        given = pop_arguments(WaitOptions, kwargs)
        super().__init__(condition=condition, **kwargs)
        set_arguments(self, WaitOptions, given)
        self.contact_ids = contact_ids
        self.deferrable = deferrable
        # Whether `contact_ids` was set, even if its template renders to None.
        self._has_contact_ids = contact_ids is not None
        self._hook: ContactsHook[Any] | None = None
        self._parsed_condition: Condition | None = None
        self._query: Mapping[str, object] = {}
        self._wait = WaitState(None, 1, 0)
        self._started_at = 0.0
        self._retry_after = 0.0

    def execute(self, context: Context) -> Any:
        """Wait."""
        self._started_at = time.time()
        self._hook = None
        self._wait = WaitState(None, 1, self._parse_options().max_consecutive_failures)
        if not (self.reschedule and context["ti"].get_first_reschedule_date(context)):
            self._check_arguments()
        if self._wait.contacts == []:
            self.log.info("`contact_ids` is empty, so there is nothing to wait for.")
            return []
        try:
            return super().execute(context)
        except AirflowSensorTimeout:
            raise AirflowSensorTimeout(self._timeout_message(str(self._wait))) from None

    def _check_arguments(self) -> None:
        """Raise permanent errors when the task starts. Other errors count as a failed poll."""
        try:
            self._prepare()
        except ContactsError:
            raise
        except Exception as error:
            self.log.warning("Could not read the connection; will retry. %s", wrap_unexpected(error))

    def _prepare(self) -> ContactsHook[Any]:
        """Check all arguments and return the hook."""
        condition = parse_condition(self.condition)
        if condition is None:
            raise InvalidRequest("`condition` is empty, so there is nothing to wait for.")
        hook = ContactsHook.for_connection(self.contacts_conn_id, log=PollLog(self.log))
        if self.contact_ids is None and self._has_contact_ids:
            raise InvalidRequest("`contact_ids` is None. Leave it out to wait for any contact.")
        wait = self._parse_options().parse_wait(self.contact_ids, self.filters, hook.vendor)
        self._query, _ = hook.plan_listing(self.filters, condition=condition)
        self._parsed_condition = condition
        self._hook = hook
        self._wait = wait
        return hook

    def _parse_options(self) -> WaitOptions:
        return parse_arguments(self, WaitOptions)

    def poke(self, context: Context) -> bool | PokeReturnValue:
        """Poll once, or with ``deferrable`` let the triggerer do it."""
        self._retry_after = 0.0
        started = time.monotonic()
        self._failures = FailureCount(context, self.log, enabled=self.reschedule and not self.deferrable)
        failures = self._failures.load(default=self._wait.failures)
        try:
            hook = self._hook or self._prepare()
            seconds_left = self.timeout - (time.time() - self._started_at)
            if self.deferrable and seconds_left > 0:
                self._defer(seconds_left)
            matches = self._poll(hook)
        except Exception as error:
            self._handle_failure(error, failures)
            return False
        found = self._wait.observe(matches, self._parse_options().max_contacts)
        self._failures.save(0)
        if found is not None:
            return PokeReturnValue(True, self._report_matches(context, found, self._wait.matching))
        if progress := self._wait.changed_progress():
            self.log.info("%s.", progress)
        if (seconds := time.monotonic() - started) > self.poke_interval:
            self.log.warning(
                "The poll took %.0f s, which is longer than poke_interval. Choose a longer interval.", seconds
            )
        return False

    def _poll(self, hook: ContactsHook[Any]) -> Matches:
        """Return the contacts that match now."""
        found: list[Reference] = []
        try:
            contacts = hook.list_contacts(
                self.filters, condition=self._parsed_condition, raw=False, strict=True
            )
            for contact in contacts:
                found.append(contact.reference())  # noqa: PERF401 - an error keeps what was found
        except IncompleteListing as error:
            self.log.warning("%s The matches that were found are used.", error)
        except UnansweredCondition as error:
            # For example when a contact enters a sequence.
            self.log.warning("%s The wait continues, in case the vendor reports it later.", error)
        return Matches(found)

    def _report_matches(self, context: Context, found: list[Reference], count: int) -> list[Reference]:
        """Log and push how many contacts match, and return ``found``."""
        if count > len(found):
            self.log.warning(
                "%d contacts match; the first %d are returned (max_contacts).", count, len(found)
            )
        else:
            self.log.info("%d contacts match.", count)
        instance: Any = dict(context).get("ti")
        if hasattr(instance, "xcom_push"):
            instance.xcom_push(key="count", value=count)
        return found

    def _handle_failure(self, caught: Exception, failures: int) -> None:
        error = wrap_unexpected(caught)
        self._retry_after = error.retry_after or 0.0
        self._wait.failures = failures
        ends_the_wait = self._wait.record_failure(error)
        self._failures.save(self._wait.failures)
        if ends_the_wait and not self.silent_fail:
            raise error from None
        self.log.warning("Poll failed (%d in a row); will poll again. %s", self._wait.failures, error)

    def _get_next_poke_interval(self, *args: Any, **kwargs: Any) -> float:
        # Airflow has no public way to make one pause longer, which a Retry-After needs.
        interval: float = super()._get_next_poke_interval(*args, **kwargs)
        seconds_left = max(0.0, self.timeout - (time.time() - self._started_at))
        if self.deferrable:
            # As a trigger does: one more poll just after the end.
            interval = min(interval, seconds_left + 0.1)
        return max(interval, min(self._retry_after, seconds_left))

    def _defer(self, seconds_left: float) -> None:
        """Let the triggerer wait, unless its event would come after the timeout."""
        from airflow_provider_contacts.triggers.contacts import ContactTrigger

        if seconds_left <= ContactTrigger.min_deferred_seconds:
            return
        assert self._parsed_condition is not None
        wait = self._wait
        trigger = ContactTrigger(
            contacts_conn_id=self.contacts_conn_id,
            condition=self._parsed_condition.to_dict(),
            filters=self.filters,
            poll_interval=self.poke_interval,
            query=self._query,
            max_contacts=self._parse_options().max_contacts,
            contact_ids=None if wait.contacts is None else [list(identity) for identity in wait.contacts],
            min_count=wait.min_count,
            max_consecutive_failures=wait.max_consecutive_failures,
            failures=wait.failures,
            ignore_errors=self.silent_fail,
            created_at=self._started_at,
            end_time=self._started_at + self.timeout,
            exponential_backoff=self.exponential_backoff,
            max_wait=self.max_wait.total_seconds() if self.max_wait else None,
        )
        timeout = seconds_left + 2 * self.poke_interval + _DEFERRAL_GRACE_SECONDS
        self.defer(
            trigger=trigger,
            method_name="execute_complete",
            timeout=timedelta(seconds=min(timeout, _MAX_TIMEOUT_SECONDS)),
        )

    def execute_complete(self, context: Context, event: object) -> list[Reference]:
        """Return the matches of a deferred wait, or raise the error that ended it."""
        outcome = parse_event(event)
        if isinstance(outcome, Success):
            return self._report_matches(context, outcome.contacts, outcome.count)
        if isinstance(outcome, Timeout):
            self._time_out(outcome.message)
        if self.never_fail:
            raise AirflowSkipException("Skipping because never_fail is set.") from outcome.error
        raise outcome.error

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Continue after a deferral. Timeouts and failures behave as in the other modes."""
        try:
            # Not BaseSensorOperator's: with soft_fail it turns every error into a skip, permanent
            # ones included.
            return BaseOperator.resume_execution(self, next_method, next_kwargs, context)
        except TaskDeferralTimeout:
            self._time_out("no poll finished before the timeout")
        except TaskDeferralError as error:
            if self.never_fail:
                raise AirflowSkipException("Skipping because never_fail is set.") from error
            raise ContactsError(f"The triggerer could not run the wait: {error}", transient=True) from None

    def _time_out(self, detail: str) -> NoReturn:
        message = self._timeout_message(detail)
        if self.soft_fail:
            raise AirflowSkipException(message)
        raise AirflowSensorTimeout(message)

    def _timeout_message(self, detail: str) -> str:
        return f"Timed out after {self.timeout:.0f} s: {detail}."


def _without_condition(sensor: ContactSensor, arguments: dict[str, Any]) -> dict[str, Any]:
    if "condition" in arguments:
        raise TypeError(f"{type(sensor).__name__} has its own condition. Use ContactSensor for another one.")
    return arguments


class ContactRepliedSensor(ContactSensor):
    """Wait until contacts have replied; see :class:`ContactSensor`.

    :param since: only count replies after this time: a time, ISO 8601 text, or a date such as ``{{
        ds }}``. Templated.
    :param interaction_counts: whether a last interaction after ``since`` counts as a reply, for
        TalkToHumans, which does not report when a contact replied. It may be a message to the
        contact.
    """

    def __init__(
        self, *, since: date | str | None = None, interaction_counts: bool = False, **kwargs: Any
    ) -> None:
        condition: dict[str, object] = Replied(interaction_counts=interaction_counts).to_dict()
        if isinstance(since, date):
            condition = Replied(since, interaction_counts).to_dict()
        elif since is not None:
            condition["since"] = since
        super().__init__(condition=condition, **_without_condition(self, kwargs))


class InvitationPendingSensor(ContactSensor):
    """Wait until invitations are pending; see :class:`ContactSensor`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(condition=InvitationPending(), **_without_condition(self, kwargs))


class InvitationAcceptedSensor(ContactSensor):
    """Wait until contacts have accepted an invitation; see :class:`ContactSensor`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(condition=Connected(), **_without_condition(self, kwargs))
