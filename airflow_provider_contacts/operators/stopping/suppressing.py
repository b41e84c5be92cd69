"""The suppressions that stopping outreach respects, and those that the action ``suppress`` adds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from airflow_provider_contacts.contact import ContactKey
from airflow_provider_contacts.core.logs import Log
from airflow_provider_contacts.core.updates.targets import Target
from airflow_provider_contacts.core.validation import TableLocation
from airflow_provider_contacts.operators.stopping.actions import SUPPRESSION_REASON
from airflow_provider_contacts.operators.updating.plan import find_suppressed
from airflow_provider_contacts.safeguards.configuration import ALL_VENDORS, Safeguards
from airflow_provider_contacts.safeguards.keys import find_keys
from airflow_provider_contacts.safeguards.suppressions import open_suppressions


@dataclass(frozen=True, slots=True, repr=False)
class StopSuppressions:
    """Suppressions of one task.

    :param safeguards: the tables that the task respects.
    :param own: the table that ``suppress`` adds to, or None.
    :param secret_conn_id: connection of the secret of ``own``.
    :param source: which task stops the contacts.
    """

    safeguards: Safeguards
    own: TableLocation | None
    secret_conn_id: str
    source: str
    log: Log

    def create_table(self) -> None:
        """Create the task's own table, which must exist when suppressions are looked up."""
        assert self.own is not None
        with open_suppressions(self.own, self.secret_conn_id, create=True):
            pass

    def find_suppressed(self, targets: Sequence[Target], vendor: str) -> set[str]:
        """Return the ids of the contacts that must not be contacted.

        Suppressions that this operator added are ignored; otherwise a later run would skip the
        person.
        """
        return find_suppressed(self.safeguards, targets, vendor, self.log, ignored_reason=SUPPRESSION_REASON)

    def find_recorded(self, targets: Sequence[Target], vendor: str) -> set[ContactKey]:
        """Return the contacts that are suppressed at their vendor by all of their keys."""
        assert self.own is not None
        keys = {target.key: _find_keys(target, vendor) for target in targets}
        with open_suppressions(self.own, self.secret_conn_id, create=False) as suppressions:
            active = suppressions.find_active(
                {key for found in keys.values() for key in found}, (ALL_VENDORS, vendor)
            )
        return {contact for contact, found in keys.items() if active.issuperset(found)}

    def add(self, targets: Sequence[Target], vendor: str) -> None:
        """Suppress contacts at their vendor.

        :raises ContactsError: if that fails; none of them is suppressed then.
        """
        assert self.own is not None
        keys = dict.fromkeys(key for target in targets for key in _find_keys(target, vendor))
        with open_suppressions(self.own, self.secret_conn_id, create=False) as suppressions:
            suppressions.add(keys, scope=vendor, reason=SUPPRESSION_REASON, source=self.source, until=None)


def _find_keys(target: Target, vendor: str) -> list[str]:
    return find_keys({**target.fields, **target.reference(vendor)})
