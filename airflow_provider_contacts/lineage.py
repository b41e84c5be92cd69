"""What Airflow's hook lineage learns of a listing and a landing, and the asset scheme ``contacts``.

A vendor's contacts are the asset ``contacts://<vendor>/<host>``, such as
``contacts://mailstand/api.mailstand.com``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

if TYPE_CHECKING:
    from airflow.sdk import Asset


def contacts_uri(vendor: str, base_url: str) -> str:
    """Return the asset URI of a vendor's contacts at an address."""
    return f"contacts://{vendor}/{urlsplit(base_url).netloc}"


def sanitize_uri(uri: SplitResult) -> SplitResult:
    """Check a ``contacts://`` URI for Airflow.

    :raises ValueError: if vendor or host is missing.
    """
    if not uri.netloc or not uri.path.strip("/"):
        raise ValueError("a contacts URI has the form contacts://<vendor>/<host>")
    return uri


def create_asset(*, vendor: str, base_url: str, extra: dict[str, Any] | None = None) -> Asset:
    """Return the asset of a vendor's contacts at an address."""
    from airflow.sdk import Asset

    return Asset(uri=contacts_uri(vendor, base_url), extra=extra or {})


def collect_read(hook: Any, vendor: str, base_url: str) -> None:
    """Tell Airflow's hook lineage that ``hook`` has read a vendor's contacts."""
    from airflow.providers.common.compat.lineage.hook import get_hook_lineage_collector

    get_hook_lineage_collector().add_input_asset(
        hook, scheme="contacts", asset_kwargs={"vendor": vendor, "base_url": base_url}
    )


def collect_write(hook: Any, uri: str) -> None:
    """Tell Airflow's hook lineage that what ``hook`` has read was written to ``uri``."""
    from airflow.providers.common.compat.lineage.hook import get_hook_lineage_collector

    get_hook_lineage_collector().add_output_asset(hook, uri=uri)
