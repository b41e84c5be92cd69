"""Sensors that wait until contacts meet a condition."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

import msgspec
from airflow.providers.common.compat.sdk import conf
from airflow.sdk import BaseSensorOperator, PokeReturnValue
from airflow.sdk.bases.operator import BaseOperator
from airflow.sdk.exceptions import (
    AirflowSensorTimeout,
    AirflowSkipException,
    TaskDeferralError,
    TaskDeferralTimeout,
)

from airflow_provider_contacts.arguments import whole_number
from airflow_provider_contacts.conditions import (
    Condition,
    Connected,
    InvitationPending,
    Replied,
    as_condition,
    template_form,
)
from airflow_provider_contacts.contact import Reference
from airflow_provider_contacts.core.bulk import targets_of
from airflow_provider_contacts.core.waiting import Found, Wait, references_of
from airflow_provider_contacts.errors import ContactsError, InvalidRequest, from_form, unexpected
from airflow_provider_contacts.hooks.base import ContactsHook
from airflow_provider_contacts.operators.base import ContactsBaseOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

_FAILURES = "contacts-sensor-failures"
# Seconds beyond the sensor's own end after which Airflow ends a deferred wait.
_GRACE = 1200.0
# Airflow adds it to the time of day.
_LONGEST = 100 * 365 * 86_400.0


class ContactSensor(ContactsBaseOperator, BaseSensorOperator):
    """Wait until contacts meet a condition.

    Every poll reads a whole listing, of what the condition and the filters leave of it. With ``deferrable`` the
    wait holds no worker, and on Airflow 3.3 all waits of one triggerer that ask the same question in the same
    interval share one poll. Outcome, result and errors are the same in every mode.

    A poll that fails in a way that may pass does not end the wait until ``max_consecutive_failures`` in a row have;
    a wrong key, a missing right or a bad filter ends it at once, as a failure also with ``soft_fail``. In
    ``reschedule`` mode failures in a row are counted on Airflow 3.3 only. The vendor's ``Retry-After`` is waited for
    where it is longer than ``poke_interval``.

    :param contacts_conn_id: connection of any of the vendors. Templated.
    :param condition: a condition, or its JSON form. Templated.
    :param filters: the vendor's own parameters. Templated.
    :param contact_ids: wait for these people: ids, references, or what a list returned. Templated.
    :param min_count: how many contacts have to meet the condition; by default all of ``contact_ids``, and one where
        it is not given. Templated.
    :param max_consecutive_failures: how many polls in a row may fail. Templated.
    :param deferrable: wait in the triggerer; by default ``[operators] default_deferrable``.
    :param kwargs: what ``BaseSensorOperator`` takes: ``poke_interval``, ``timeout``, ``mode``, ``soft_fail`` and so on.
    :return: references ``{"vendor", "account_id", "contact_id"}`` of the contacts that meet the condition, of those
        that were waited for.
    :raises UnsupportedByVendor: when the task starts, for a condition that the vendor cannot tell.
    :raises InvalidRequest: when the task starts, for a bad filter, condition or argument.
    :raises AirflowSensorTimeout: after ``timeout``; it names the contacts that have not met the condition.
    :raises ContactsError: for anything else between here and the vendor.
    """

    template_fields: Sequence[str] = (
        "contacts_conn_id",
        "condition",
        "filters",
        "contact_ids",
        "min_count",
        "max_consecutive_failures",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {"filters": "json", "condition": "json"}
    ui_color = "#e4edf1"

    def __init__(
        self,
        *,
        contacts_conn_id: str,
        condition: Condition | Mapping[str, Any],
        filters: Mapping[str, Any] | None = None,
        contact_ids: Any = None,
        min_count: int | str | None = None,
        max_consecutive_failures: int | str = 3,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.contacts_conn_id = contacts_conn_id
        self.condition = template_form(condition)
        self.filters = filters
        self.contact_ids = contact_ids
        self.min_count = min_count
        self.max_consecutive_failures = max_consecutive_failures
        self.deferrable = deferrable
        self._given_ids = contact_ids is not None
        self._retry_after = 0.0
        self._hook: ContactsHook | None = None

    def execute(self, context: Context) -> Any:
        """Wait."""
        self._started = time.time()
        self._hook, self._wait = None, Wait(None, 1, self._most_failures())
        if not (self.reschedule and context["ti"].get_first_reschedule_date(context)):
            # Says at once what can never work; what may pass is a poll that fails.
            try:
                self._prepare()
            except ContactsError:
                raise
            except Exception as error:
                self.log.warning("The connection cannot be read, and is tried again: %s", unexpected(error))
        if self._wait.who == []:
            self.log.info("`contact_ids` is empty, so there is nobody to wait for.")
            return []
        try:
            return super().execute(context)
        except AirflowSensorTimeout:
            raise AirflowSensorTimeout(self._in_vain(str(self._wait))) from None

    def _prepare(self) -> ContactsHook:
        """Check everything, and return the hook."""
        condition = as_condition(self.condition)
        if condition is None:
            raise InvalidRequest("`condition` is empty; there is nothing to wait for")
        self._form = condition.to_dict()
        hook = ContactsHook.for_connection(self.contacts_conn_id)
        wait = self._checked(hook)
        hook.list_contacts(self.filters, condition=self._form, raw=False)
        self._hook, self._wait = hook, wait
        return hook

    def _most_failures(self) -> int:
        given = self.max_consecutive_failures
        most = 0 if given in (0, "0") else whole_number("max_consecutive_failures", given)
        if most is None:
            raise InvalidRequest("`max_consecutive_failures` must be a whole number, and is empty")
        return most

    def _checked(self, hook: ContactsHook) -> Wait:
        who = None
        if self.contact_ids is not None:
            vendor = hook.vendor
            targets, _ = targets_of(
                self.contact_ids, vendor.name, vendor.title, vendor.writes.check_ids, "contact_ids"
            )
            who = [(target.account_id, target.contact_id) for target in targets]
        elif self._given_ids:
            raise InvalidRequest("`contact_ids` is given, and is None; leave it out to wait for any contact")
        count = whole_number("min_count", self.min_count)
        if count is None:
            count = 1 if who is None else len(who)
        if who and count > len(who):
            raise InvalidRequest(f"`min_count` is {count}, more than the {len(who)} contacts to wait for")
        try:
            json.dumps(self.filters, allow_nan=False)
        except (TypeError, ValueError, RecursionError):
            raise InvalidRequest("`filters` must be JSON: text, numbers, lists, mappings") from None
        return Wait(who, count, self._most_failures())

    def poke(self, context: Context) -> bool | PokeReturnValue:
        """Look once; with ``deferrable`` go on in the triggerer where that was not enough."""
        self._retry_after, started = 0.0, time.monotonic()
        failures = self._failures(context)
        try:
            hook = self._hook or self._prepare()
            listed = hook.list_contacts(self.filters, condition=self._form, raw=False)
            found = Found([contact.reference() for contact in listed])
        except Exception as caught:
            wait = self._wait
            wait.failures = failures
            error = caught if isinstance(caught, ContactsError) else unexpected(caught)
            self._retry_after = error.retry_after or 0.0
            over = wait.failed(error)
            self._remember(context, wait.failures)
            if over and not self.silent_fail:
                raise error from None
            self.log.warning("Poll failed, %d in a row: %s", wait.failures, error)
        else:
            wait = self._wait
            contacts = wait.met(found)
            self._remember(context, 0)
            if contacts is not None:
                return PokeReturnValue(True, list(contacts))
            self.log.info("%s.", str(wait).capitalize())
            if (took := time.monotonic() - started) > self.poke_interval:
                self.log.warning(
                    "The poll took %.0f s, longer than poke_interval; choose a longer one.", took
                )
        left = self.timeout - (time.time() - self._started)
        if self.deferrable and self._hook is not None and left >= 0:
            self._defer(left)
        return False

    def _get_next_poke_interval(self, *args: Any, **kwargs: Any) -> float:
        interval: float = super()._get_next_poke_interval(*args, **kwargs)
        left = self.timeout - (time.time() - self._started)
        return max(interval, min(self._retry_after, left))

    def _defer(self, left: float) -> NoReturn:
        from airflow_provider_contacts.triggers.contacts import ContactTrigger

        wait = self._wait
        trigger = ContactTrigger(
            contacts_conn_id=self.contacts_conn_id,
            condition=self._form,
            filters=self.filters,
            poll_interval=self.poke_interval,
            who=None if wait.who is None else [list(one) for one in wait.who],
            min_count=wait.min_count,
            max_consecutive_failures=wait.max_consecutive_failures,
            failures=wait.failures,
            bear_all=self.silent_fail,
            end=self._started + self.timeout,
            not_before=time.time() + self._retry_after if wait.failures else 0.0,
            exponential_backoff=self.exponential_backoff,
            max_wait=self.max_wait.total_seconds() if self.max_wait else None,
        )
        grace = timedelta(seconds=min(left + 2 * self.poke_interval + _GRACE, _LONGEST))
        self.defer(trigger=trigger, method_name="execute_complete", timeout=grace)

    def execute_complete(self, context: Context, event: Any) -> list[Reference]:
        """Return what a deferred wait has found, or raise what ended it."""
        status = event.get("status") if isinstance(event, Mapping) else None
        try:
            if status == "met":
                contacts = references_of(event["contacts"])
                self.log.info("%d contact(s) meet the condition.", len(contacts))
                return contacts
            if status == "timeout":
                message = msgspec.convert(event["message"], str)
            elif status == "error":
                error = from_form(event["error"])
            else:
                raise ValueError("unknown status")
        except (KeyError, ValueError):
            raise ContactsError(
                "the triggerer sent an event that this version does not know, so the wait has failed; clear the task "
                "to wait again, and run the same version of this package everywhere"
            ) from None
        if status == "timeout":
            self._time_out(message)
        if self.never_fail:
            raise AirflowSkipException("Skipping due to never_fail is set to True.") from error
        raise error

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Go on after deferral; the end of the time, and failures, mean what they mean in the other modes."""
        try:
            return BaseOperator.resume_execution(self, next_method, next_kwargs, context)
        except TaskDeferralTimeout:
            self._time_out("no poll has told in time")
        except TaskDeferralError as error:
            if self.never_fail:
                raise AirflowSkipException("Skipping due to never_fail is set to True.") from error
            raise ContactsError(f"the triggerer could not run the wait: {error}", transient=True) from None

    def _time_out(self, detail: str) -> NoReturn:
        message = self._in_vain(detail)
        if self.soft_fail:
            raise AirflowSkipException(message)
        raise AirflowSensorTimeout(message)

    def _in_vain(self, detail: str) -> str:
        return f"Waited for {self.timeout:.0f} s in vain (timeout): {detail}."

    def _failures(self, context: Context) -> int:
        """Return how many polls in a row have failed, which in ``reschedule`` mode another process has counted."""
        if not self.reschedule or self.deferrable:
            return self._wait.failures
        store: Any = dict(context).get("task_state_store")
        try:
            kept: Any = {} if store is None else store.get(_FAILURES) or {}
            return int(kept["failures"]) if kept and kept["try"] == self._try(context) else 0
        except Exception as error:
            self.log.warning("The task's state store cannot be read: %s", unexpected(error))
            return 0

    def _remember(self, context: Context, failures: int) -> None:
        store: Any = dict(context).get("task_state_store")
        if not self.reschedule or self.deferrable or store is None:
            return
        try:
            # The store outlives the task's success, and clearing.
            if failures:
                store.set(_FAILURES, {"try": self._try(context), "failures": failures})
            elif store.get(_FAILURES) is not None:
                store.delete(_FAILURES)
        except Exception as error:
            self.log.warning("The task's state store cannot be written: %s", unexpected(error))

    @staticmethod
    def _try(context: Context) -> int | None:
        return getattr(dict(context).get("ti"), "try_number", None)


class ContactRepliedSensor(ContactSensor):
    """Wait until contacts have replied; see :class:`ContactSensor`.

    :param since: only replies after this time count: a time, ISO 8601 text, or a date such as ``{{ ds }}``. Templated.
    """

    def __init__(self, *, since: Any = None, **kwargs: Any) -> None:
        condition: dict[str, Any] = Replied().to_dict()
        if since is not None:
            condition["since"] = Replied(since).to_dict()["since"] if isinstance(since, date) else since  # type: ignore[arg-type]
        super().__init__(condition=condition, **kwargs)


class InvitationPendingSensor(ContactSensor):
    """Wait until invitations wait for an answer; see :class:`ContactSensor`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(condition=InvitationPending(), **kwargs)


class InvitationAcceptedSensor(ContactSensor):
    """Wait until people are connected, and so have accepted an invitation; see :class:`ContactSensor`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(condition=Connected(), **kwargs)
