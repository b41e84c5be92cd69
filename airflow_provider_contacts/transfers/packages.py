"""Import the optional packages of transfers, and name the one that a database or an object store needs."""

from __future__ import annotations

import importlib
from typing import Any

from airflow_provider_contacts.errors import InvalidRequest

# Providers by connection type. Others are not guessed: a wrong name may be another project's package.
_DATABASE_PROVIDERS = {
    "gcpbigquery": "google",
    "mssql": "microsoft-mssql",
    "mysql": "mysql",
    "oracle": "oracle",
    "postgres": "postgres",
    "redshift": "amazon",
    "snowflake": "snowflake",
    "sqlite": "sqlite",
    "trino": "trino",
    "vertica": "vertica",
}
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


def missing_database_provider(conn_id: str, conn_type: str) -> InvalidRequest:
    """Return the error for a connection whose type no installed provider knows."""
    name = _DATABASE_PROVIDERS.get(conn_type)
    advice = f": pip install apache-airflow-providers-{name}" if name else "."
    return InvalidRequest(
        f"Connection {conn_id!r} has the type {conn_type!r}, which no installed provider supports. If it is a database, "
        f"install its provider{advice}"
    )


def missing_store_provider(protocol: str) -> InvalidRequest:
    """Return the error for a URL whose scheme no installed package supports."""
    package = _STORE_PROVIDERS.get(protocol)
    advice = f"Install it: pip install '{package}'" if package else "Install the provider that supports it."
    return InvalidRequest(
        f"`path` starts with {protocol}://, which needs a package that is not installed. {advice}"
    )
