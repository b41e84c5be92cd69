"""Hook lineage, and the asset scheme ``contacts``.

A vendor's contacts are the asset ``contacts://<vendor>/<host>``, such as
``contacts://mailstand/api.mailstand.com``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

if TYPE_CHECKING:
    from airflow.sdk import Asset, BaseHook, BaseOperator, Context

__all__ = [
    "add_asset_metadata",
    "collect_read",
    "collect_write",
    "contacts_uri",
    "create_asset",
    "sanitize_uri",
]


def contacts_uri(vendor: str, base_url: str) -> str:
    """Return the asset URI of a vendor's contacts.

    :param vendor: connection type.
    :param base_url: URL of the API.
    """
    return f"contacts://{vendor}/{urlsplit(base_url).netloc}"


def sanitize_uri(uri: SplitResult) -> SplitResult:
    """Check a ``contacts://`` URI for Airflow.

    :raises ValueError: if vendor or host is missing.
    """
    if not uri.netloc or not uri.path.strip("/"):
        raise ValueError("A contacts URI must look like contacts://<vendor>/<host>.")
    return uri


def create_asset(*, vendor: str, base_url: str, extra: Mapping[str, Any] | None = None) -> Asset:
    """Return the asset of a vendor's contacts, for what :func:`collect_read` passes."""
    from airflow.sdk import Asset

    return Asset(uri=contacts_uri(vendor, base_url), extra=dict(extra or {}))


def collect_read(hook: BaseHook, vendor: str, base_url: str) -> None:
    """Record in Airflow's hook lineage that a hook has read a vendor's contacts."""
    from airflow.providers.common.compat.lineage.hook import get_hook_lineage_collector

    get_hook_lineage_collector().add_input_asset(
        hook, scheme="contacts", asset_kwargs={"vendor": vendor, "base_url": base_url}
    )


def collect_write(hook: BaseHook, uri: str) -> None:
    """Record in Airflow's hook lineage that a hook's contacts were written to ``uri``."""
    from airflow.providers.common.compat.lineage.hook import get_hook_lineage_collector

    get_hook_lineage_collector().add_output_asset(hook, uri=uri)


def add_asset_metadata(operator: BaseOperator, context: Context, metadata: Mapping[str, Any]) -> None:
    """Add metadata, such as counts, to the events of a task's outlet assets."""
    from airflow.sdk import Asset

    events: Any = dict(context).get("outlet_events")
    for outlet in operator.outlets if events is not None else ():
        if isinstance(outlet, Asset):
            events[outlet].extra.update(metadata)
