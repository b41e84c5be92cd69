"""Stopping outreach through one connection."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from airflow_provider_contacts.core.logs import Log
from airflow_provider_contacts.errors import ContactsError, InvalidRequest, UnsupportedByVendor
from airflow_provider_contacts.operators.stopping.actions import StopAction
from airflow_provider_contacts.operators.stopping.records import StopTarget
from airflow_provider_contacts.operators.updating.attempt import Attempt


@dataclass(slots=True, repr=False)
class ConnectionRun:
    """An attempt to stop outreach through one connection.

    :param stop_targets: each pending contact of the attempt, with its cause and its last stop.
    :param errors: why contacts could not be stopped.
    :param causes: the errors as text.
    """

    attempt: Attempt
    action: StopAction
    stop_targets: Sequence[StopTarget]
    errors: list[ContactsError] = field(default_factory=list)
    causes: str = ""

    def add_errors(self, errors: Iterable[ContactsError], causes: str) -> None:
        """Note that contacts could not be stopped.

        :param causes: the errors as text.
        """
        self.errors += errors
        self.causes = " ".join(filter(None, (self.causes, causes)))

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

    @property
    def outcome(self) -> str:
        """What happens to a contact whose change succeeds."""
        if self.action.type == "suppress":
            return "suppressed"
        change = self.action.change
        is_stop = change is not None and self.attempt.hook.vendor.updates.is_documented_stop(change)
        return "updated" if is_stop else "marked"

    def log_plan(self, log: Log, to_stop_manually: int) -> None:
        """Log what is done to how many contacts."""
        if self.action.type == "manual":
            log.info("%s: %d contacts to stop manually.", self.attempt, to_stop_manually)
            return
        self.attempt.log_plan()
        if self.outcome == "marked" and (count := len(self.attempt.plan.to_update)):
            log.warning(
                "%s: %d contacts are only marked (%s): the API docs do not say that this stops outreach.",
                self.attempt,
                count,
                self.action,
            )
