"""Connections to the sandbox."""

from __future__ import annotations

import json
import shlex

from airflow_provider_contacts.sandbox.connections import connections, format_export
from tests.vendors import VENDORS


def test_connections() -> None:
    made = connections("http://127.0.0.1:1", rate_limits=False)
    assert list(made) == [f"{vendor}_default" for vendor in sorted(VENDORS)]
    for conn_id, parts in made.items():
        assert parts["host"] == f"http://127.0.0.1:1/{parts['conn_type']}"
        assert parts["extra"]["requests_per_minute"] == 60_000
        name, value = shlex.split(format_export(conn_id, parts))[1].split("=", 1)
        assert name == f"AIRFLOW_CONN_{conn_id.upper()}"
        assert json.loads(value) == parts
