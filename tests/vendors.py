"""Test cases per vendor, from the samples that its sandbox file declares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from airflow_provider_contacts.conditions import Condition
from airflow_provider_contacts.core.matching.parsing import parse_condition
from airflow_provider_contacts.hooks.registry import hook_classes
from airflow_provider_contacts.sandbox.vendor import Samples, sandbox_vendors


@dataclass(frozen=True)
class Case:
    """One vendor."""

    vendor: str
    title: str
    samples: Samples

    @property
    def conn_id(self) -> str:
        """Id of its default connection."""
        return f"{self.vendor}_default"

    @property
    def parts(self) -> dict[str, Any]:
        """An Airflow connection without a host."""
        return dict(self.samples.connection)

    @property
    def conditions(self) -> list[tuple[Condition, dict[str, Any], Any]]:
        """Conditions, the filters that they need, and a test that is true of the matching sandbox rows."""
        found = []
        for sample in self.samples.conditions:
            condition = parse_condition(sample.condition)
            assert condition is not None
            found.append((condition, dict(sample.filters), sample.matches))
        return found

    def record(self, number: int) -> dict[str, Any]:
        """Return a record with an id and nothing else."""
        return {self.samples.id_key: str(number)}

    def page(self, *records: Any, last: bool = True) -> Any:
        """Return a page of records."""
        return self.samples.make_page(list(records), last)


CASES = {
    name: Case(name, hook_classes()[name].vendor.title, vendor.samples)
    for name, vendor in sandbox_vendors().items()
}
VENDORS = list(CASES)
