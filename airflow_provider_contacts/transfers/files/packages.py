"""Import the optional packages of transfers, and name the one that an object store needs."""

from __future__ import annotations

import importlib
from typing import Any

from airflow_provider_contacts.errors import InvalidRequest

_STORE_PROVIDERS = {
    "s3": "apache-airflow-providers-amazon[s3fs]",
    "s3a": "apache-airflow-providers-amazon[s3fs]",
    "gs": "apache-airflow-providers-google",
    "gcs": "apache-airflow-providers-google",
    "abfs": "apache-airflow-providers-microsoft-azure",
    "abfss": "apache-airflow-providers-microsoft-azure",
    "adl": "apache-airflow-providers-microsoft-azure",
}


def require_library(name: str, extra: str) -> Any:
    """Import an optional library and return it.

    :param name: the module's name, such as ``pyarrow.parquet``.
    :param extra: the extra of this package that installs it.
    :raises InvalidRequest: if it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError:
        package = name.partition(".")[0]
        raise InvalidRequest(
            f"This format needs {package}. Install it: pip install 'airflow-provider-contacts[{extra}]'."
        ) from None


def missing_store_provider(protocol: str) -> InvalidRequest:
    """Return the error for a URL whose scheme no installed package supports."""
    package = _STORE_PROVIDERS.get(protocol)
    advice = f"Install it: pip install '{package}'" if package else "Install the provider that supports it."
    return InvalidRequest(
        f"`path` starts with {protocol}://, which needs a package that is not installed. {advice}"
    )
