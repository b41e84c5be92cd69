"""The suppressions that the action ``suppress`` adds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from airflow_provider_contacts.contact import ContactKey
from airflow_provider_contacts.core.logs import Log
from airflow_provider_contacts.core.updates.targets import Target
from airflow_provider_contacts.core.validation import TableLocation
from airflow_provider_contacts.databases.tables import MissingTable
from airflow_provider_contacts.safeguards.configuration import ALL_VENDORS, Safeguards
from airflow_provider_contacts.safeguards.keys import find_keys_to_suppress
from airflow_provider_contacts.safeguards.suppression_table import SUPPRESSION_REASON
from airflow_provider_contacts.safeguards.suppressions import open_suppressions


@dataclass(frozen=True, slots=True, repr=False)
class StopSuppressions:
    """Suppressions of one task.

    :param safeguards: the tables of the task. Suppressed people are stopped too; the audit counts.
    :param own: the table that ``suppress`` adds to, or None.
    :param secret_conn_id: connection of the secret of ``own``.
    :param source: which task stops the contacts: DAG, task and run.
    """

    safeguards: Safeguards
    own: TableLocation | None
    secret_conn_id: str
    source: str
    log: Log

    def find_recorded(self, targets: Sequence[Target], vendor: str) -> set[ContactKey]:
        """Return the contacts that are suppressed at their vendor by all of their keys.

        Suppressions of this task do not count: if it was killed, they may not be recorded yet.
        """
        assert self.own is not None
        keys = {target.key: _find_keys(target, vendor) for target in targets}
        try:
            with open_suppressions(self.own, self.secret_conn_id, create=False) as suppressions:
                active = suppressions.find_active(
                    {key for found in keys.values() for key in found},
                    (ALL_VENDORS, vendor),
                    ignored_source=self.source,
                )
        except MissingTable:
            return set()  # it is created when contacts are added
        return {contact for contact, found in keys.items() if active.issuperset(found)}

    def add(self, targets: Sequence[Target], vendor: str) -> None:
        """Suppress contacts at their vendor.

        :raises ContactsError: if that fails; none of them is suppressed then.
        """
        assert self.own is not None
        keys = [_find_keys(target, vendor) for target in targets]
        with open_suppressions(self.own, self.secret_conn_id, create=True) as suppressions:
            suppressions.add(keys, scope=vendor, reason=SUPPRESSION_REASON, source=self.source, until=None)


def _find_keys(target: Target, vendor: str) -> list[str]:
    return find_keys_to_suppress({**target.fields, **target.reference(vendor)})
