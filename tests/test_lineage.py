"""Lineage: what was read, and the scheme of its assets."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_provider_contacts.operators.contacts import ListContactsOperator
from tests.conftest import Sandbox


def run(context: dict[str, Any] | None = None, **arguments: Any) -> Any:
    """Render the templates of an operator and execute it."""
    with DAG("test", schedule=None):
        operator = ListContactsOperator(task_id="list", **arguments)
    if context is not None:
        operator.render_template_fields(context)  # type: ignore[arg-type]
    return operator.execute({})


def test_lineage_names_the_vendor_and_host(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.sdk import lineage, plugins_manager

    # Airflow collects only where a plugin reads.
    monkeypatch.setattr(
        plugins_manager, "get_hook_lineage_readers_plugins", lambda: [lineage.HookLineageReader]
    )
    lineage.get_hook_lineage_collector.cache_clear()
    try:
        run(contacts_conn_id="tether_default")
        uris = [entry.asset.uri for entry in lineage.get_hook_lineage_collector().collected_assets.inputs]
    finally:
        lineage.get_hook_lineage_collector.cache_clear()
    assert uris == [f"contacts://tether/{sandbox.url.split('/')[2]}"]
