"""The user's databases. Everything that needs SQLAlchemy imports it from here."""

from __future__ import annotations

from airflow_provider_contacts.errors import InvalidRequest

try:
    import sqlalchemy as sa
except ImportError:
    raise InvalidRequest(
        "SQLAlchemy is not installed. Run: pip install 'airflow-provider-contacts[sql]'."
    ) from None

__all__ = ["sa"]
