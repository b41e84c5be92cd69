"""What OpenLineage, hook lineage and asset events report about files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airflow_provider_contacts.transfers.contacts_to_object_storage import ContactsToObjectStorageOperator
from tests.conftest import Sandbox
from tests.transfers.helpers import export


def test_openlineage(sandbox: Sandbox, tmp_path: Path, bucket: Any) -> None:
    for path, expected in (
        (str(tmp_path / "x.jsonl"), ("file", str(tmp_path / "x.jsonl"))),
        ("s3://landing/a/x@y.csv", ("s3://landing", "a/x@y.csv")),
    ):
        operator = ContactsToObjectStorageOperator(
            task_id="export", contacts_conn_id="tether_default", path=path
        )
        assert operator.get_openlineage_facets_on_complete(None) is None
        operator.execute({})
        [target] = operator.get_openlineage_facets_on_complete(None).outputs
        assert (target.namespace, target.name) == expected
        assert target.outputFacets["outputStatistics"].rowCount == 60
        assert target.outputFacets["outputStatistics"].size > 0


def test_hook_lineage(sandbox: Sandbox, tmp_path: Path, bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.sdk import lineage

    collector = lineage.HookLineageCollector()
    monkeypatch.setattr(lineage, "get_hook_lineage_collector", lambda: collector)
    import airflow.providers.common.compat.lineage.hook as compat

    monkeypatch.setattr(compat, "get_hook_lineage_collector", lambda: collector)
    export("tether", tmp_path / "x.jsonl")
    export("tether", "s3://landing/a/x.csv")
    found = collector.collected_assets
    assert [one.asset.uri for one in found.outputs] == [f"file://{tmp_path}/x.jsonl", "s3://landing/a/x.csv"]
    assert all(one.asset.uri.startswith("contacts://tether/127.0.0.1") for one in found.inputs)


def test_asset_events_contain_count_and_path(sandbox: Sandbox, tmp_path: Path) -> None:
    from types import SimpleNamespace

    from airflow.sdk import Asset

    asset = Asset("landed")
    events = {asset: SimpleNamespace(extra={})}
    operator = ContactsToObjectStorageOperator(
        task_id="export", contacts_conn_id="tether_default", path=str(tmp_path / "x.csv"), outlets=[asset]
    )
    operator.execute({"outlet_events": events})
    assert events[asset].extra == {"seen": 60, "path": str(tmp_path / "x.csv")}
