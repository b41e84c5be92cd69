"""Errors that name a missing package."""

from __future__ import annotations

import pytest
from airflow.sdk.io.store import _STORE_CACHE

from airflow_provider_contacts.errors import InvalidRequest
from tests.conftest import Sandbox
from tests.transfers.helpers import export


@pytest.mark.parametrize(
    ("url", "package"),
    [
        ("s3://bucket/x.jsonl", r"apache-airflow-providers-amazon\[s3fs\]"),
        ("gs://bucket/x.jsonl", "apache-airflow-providers-google"),
        ("abfs://container/x.jsonl", "apache-airflow-providers-microsoft-azure"),
    ],
)
def test_missing_store_provider(url: str, package: str, sandbox: Sandbox) -> None:
    _STORE_CACHE.clear()
    with pytest.raises(InvalidRequest, match=f"{url.partition('://')[0]}://.*pip install '{package}'$"):
        export("tether", url)
    assert not sandbox.requests("tether")
