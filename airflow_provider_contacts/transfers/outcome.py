"""What Airflow and OpenLineage learn of a landing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_contacts.transfers.files import COLUMNS

_TYPES = {"text": "string", "texts": "array<string>", "time": "timestamp", "flag": "boolean"}
_COUNTS = ("seen", "new", "changed", "unchanged", "removed", "path", "table")


def tell_outlets(operator: Any, context: Any, summary: Mapping[str, Any]) -> None:
    """Put the counts of a landing on the events of the task's outlet assets."""
    from airflow.sdk import Asset

    events = dict(context).get("outlet_events")
    if events is None:
        return
    told = {name: summary[name] for name in _COUNTS if name in summary}
    for outlet in operator.outlets:
        if isinstance(outlet, Asset):
            events[outlet].extra.update(told)


def facets(vendor: str, base_url: str, summary: Mapping[str, Any], namespace: str, name: str) -> Any:
    """Return OpenLineage's facets of a landing, or None where OpenLineage is not installed.

    :param namespace: of the output dataset.
    :param name: of the output dataset.
    """
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
    fields = [SchemaDatasetFacetFields(name=one.name, type=_TYPES[one.kind]) for one in COLUMNS]
    schema: dict[str, Any] = {"schema": SchemaDatasetFacet(fields=fields)}
    written = summary["new"] + summary["changed"] if "new" in summary else summary["seen"]
    statistics = OutputStatisticsOutputDatasetFacet(rowCount=written, size=summary.get("size"))
    return OperatorLineage(
        inputs=[Dataset(namespace=base_url, name=f"{vendor}/contacts")],
        outputs=[
            OutputDataset(
                namespace=namespace,
                name=name,
                facets=schema,
                outputFacets={"outputStatistics": statistics},
            )
        ],
    )
