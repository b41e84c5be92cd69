"""Airflow connections to a sandbox."""

from __future__ import annotations

import json
from typing import Any

from airflow_provider_contacts.sandbox.vendor import SandboxVendor, sandbox_vendors


def connections(base_url: str, *, rate_limits: bool = True) -> dict[str, dict[str, Any]]:
    """Return an Airflow connection for each vendor, by id, as the JSON of ``AIRFLOW_CONN_…``.

    :param rate_limits: whether the client keeps the published rates.
    """
    return {
        f"{name}_default": connection(vendor, base_url, rate_limits=rate_limits)
        for name, vendor in sandbox_vendors().items()
    }


def connection(vendor: SandboxVendor, base_url: str, *, rate_limits: bool = True) -> dict[str, Any]:
    """Return an Airflow connection to one vendor of a sandbox."""
    parts: dict[str, Any] = dict(vendor.connection)
    extra: dict[str, Any] = {} if rate_limits else {"requests_per_minute": 60_000}
    return {
        "conn_type": vendor.name,
        "host": f"{base_url}/{vendor.name}",
        **parts,
        "extra": {**parts.get("extra", {}), **extra},
    }


def format_export(conn_id: str, parts: dict[str, Any]) -> str:
    """Return the line for a shell that defines a connection."""
    return f"export AIRFLOW_CONN_{conn_id.upper()}='{json.dumps(parts)}'"
