"""OpenLineage facets and asset event metadata of an export."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_contacts.lineage import add_asset_metadata
from airflow_provider_contacts.transfers.columns import COLUMNS

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage
    from airflow.sdk import BaseOperator, Context

_TYPES = {"text": "string", "texts": "array<string>", "time": "timestamp", "flag": "boolean"}
_KEYS_IN_ASSET_EVENTS = ("seen", "new", "changed", "unchanged", "removed", "path", "table")


@dataclass(frozen=True, slots=True)
class ExportLineage:
    """A finished export.

    :param vendor: connection type of the vendor.
    :param base_url: URL of the vendor's API.
    :param namespace: namespace of the output dataset, by OpenLineage's naming rules.
    :param name: name of the output dataset.
    :param summary: what the task returns.
    """

    vendor: str
    base_url: str
    namespace: str
    name: str
    summary: Mapping[str, Any]

    def emit_asset_metadata(self, operator: BaseOperator, context: Context) -> None:
        """Add the counts to the events of the task's outlet assets."""
        metadata = {key: self.summary[key] for key in _KEYS_IN_ASSET_EVENTS if key in self.summary}
        add_asset_metadata(operator, context, metadata)

    def openlineage_facets(self) -> OperatorLineage[Any, Any] | None:
        """Return input and output datasets, schema and counts, or None without OpenLineage."""
        try:
            from airflow.providers.common.compat.openlineage.facet import (
                Dataset,
                OutputDataset,
                OutputStatisticsOutputDatasetFacet,
                SchemaDatasetFacet,
                SchemaDatasetFacetFields,
            )
            from airflow.providers.openlineage.extractors import OperatorLineage
        except ImportError:
            return None
        summary = self.summary
        fields = [SchemaDatasetFacetFields(name=column.name, type=_TYPES[column.kind]) for column in COLUMNS]
        written = summary["new"] + summary["changed"] if "new" in summary else summary["seen"]
        statistics = OutputStatisticsOutputDatasetFacet(rowCount=written, size=summary.get("size"))
        output = OutputDataset(
            namespace=self.namespace,
            name=self.name,
            facets={"schema": SchemaDatasetFacet(fields=fields)},
            outputFacets={"outputStatistics": statistics},
        )
        return OperatorLineage(
            inputs=[Dataset(namespace=self.base_url, name=f"{self.vendor}/contacts")], outputs=[output]
        )
