"""Hook lineage and the asset scheme."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from airflow_provider_contacts.lineage import contacts_uri, create_asset, sanitize_uri
from airflow_provider_contacts.operators.contacts import ListContactsOperator
from tests.conftest import Sandbox


def test_lineage_names_the_vendor_and_host(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.sdk import lineage, plugins_manager

    # Airflow collects lineage only if a plugin reads it.
    monkeypatch.setattr(
        plugins_manager, "get_hook_lineage_readers_plugins", lambda: [lineage.HookLineageReader]
    )
    lineage.get_hook_lineage_collector.cache_clear()
    try:
        ListContactsOperator(task_id="list", contacts_conn_id="tether_default").execute({})
        uris = [entry.asset.uri for entry in lineage.get_hook_lineage_collector().collected_assets.inputs]
    finally:
        lineage.get_hook_lineage_collector.cache_clear()
    assert uris == [f"contacts://tether/{sandbox.url.split('/')[2]}"]


def test_asset_of_a_vendor() -> None:
    asset = create_asset(vendor="mailstand", base_url="https://api.mailstand.com/v1", extra={"a": 1})
    assert asset.uri == "contacts://mailstand/api.mailstand.com"
    assert asset.extra == {"a": 1}
    assert contacts_uri("tether", "http://127.0.0.1:5/x") == "contacts://tether/127.0.0.1:5"


@pytest.mark.parametrize("uri", ["contacts://tether", "contacts:///host", "contacts://tether/"])
def test_uri_needs_vendor_and_host(uri: str) -> None:
    with pytest.raises(ValueError, match="contacts://<vendor>/<host>"):
        sanitize_uri(urlsplit(uri))
