"""Errors that name a missing package."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk.io.store import _STORE_CACHE

from airflow_provider_contacts.errors import InvalidRequest
from tests.conftest import Sandbox
from tests.transfers.database import Database, load
from tests.transfers.helpers import export


@pytest.mark.parametrize(
    ("conn_type", "package"),
    [
        ("snowflake", "apache-airflow-providers-snowflake"),
        ("mssql", "apache-airflow-providers-microsoft-mssql"),
        ("gcpbigquery", "apache-airflow-providers-google"),
    ],
)
def test_missing_database_provider(
    conn_type: str, package: str, sandbox: Sandbox, connect: Callable[..., str]
) -> None:
    connect("warehouse", conn_type=conn_type, host="database.example")
    database: Any = Database("sqlite", "warehouse", "sqlite://")
    with pytest.raises(InvalidRequest, match=f"'{conn_type}'.*pip install {package}$"):
        load(database)
    assert not sandbox.requests("talktohumans")


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
