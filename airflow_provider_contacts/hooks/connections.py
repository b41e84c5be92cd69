"""Look up Airflow connections, in workers and in event loops, and mask secrets in logs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from airflow.sdk import BaseHook, Connection

from airflow_provider_contacts.errors import InvalidConnection

if TYPE_CHECKING:
    from airflow_provider_contacts.core.settings import Settings
    from airflow_provider_contacts.core.vendor import Vendor

# Airflow 3.3.2 made connection lookups in event loops safe, and added this method. Earlier versions
# mask secrets with a blocking call, which raises DeadlockImminentError while another one is in
# flight.
_HAS_SAFE_ASYNC = hasattr(Connection, "aextra_dejson")


def find_connection(conn_id: str, hook_class: type[BaseHook] = BaseHook) -> Connection:
    """Return an Airflow connection as a hook finds it.

    :raises InvalidConnection: if it does not exist.
    """
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        return hook_class.get_connection(conn_id)
    except AirflowNotFoundException:
        raise _not_found(conn_id) from None


async def afind_connection(conn_id: str, hook_class: type[BaseHook] = BaseHook) -> Connection:
    """Async version of :func:`find_connection`."""
    from airflow.sdk.exceptions import AirflowNotFoundException

    if not _HAS_SAFE_ASYNC:
        from asgiref.sync import sync_to_async

        return await sync_to_async(find_connection)(conn_id, hook_class)
    try:
        return await hook_class.aget_connection(conn_id)
    except AirflowNotFoundException:
        raise _not_found(conn_id) from None


def read_settings(connection: Connection, conn_id: str, vendor: Vendor) -> Settings:
    """Return the validated settings of a vendor's connection.

    :raises InvalidConnection: if a setting is invalid; the message names the form field.
    """
    return _parse(connection, connection.extra_dejson, conn_id, vendor)


async def aread_settings(connection: Connection, conn_id: str, vendor: Vendor) -> Settings:
    """Async version of :func:`read_settings`."""
    if not _HAS_SAFE_ASYNC:
        from asgiref.sync import sync_to_async

        return await sync_to_async(read_settings)(connection, conn_id, vendor)
    return _parse(connection, await connection.aextra_dejson(), conn_id, vendor)


def mask_secret(secret: str) -> None:
    """Keep a secret out of Airflow's logs."""
    from airflow.sdk import log

    log.mask_secret(secret)


async def amask_secret(secret: str) -> None:
    """Async version of :func:`mask_secret`."""
    from airflow.sdk import log

    if hasattr(log, "amask_secret"):
        await log.amask_secret(secret)
    else:  # Airflow 3.2
        from asgiref.sync import sync_to_async

        await sync_to_async(log.mask_secret)(secret)


def _parse(connection: Connection, extra: object, conn_id: str, vendor: Vendor) -> Settings:
    if connection.conn_type != vendor.name:
        raise InvalidConnection(
            f"Connection {conn_id!r} has the type {connection.conn_type!r}, but {vendor.title} needs "
            f"{vendor.name!r}."
        )
    # Airflow returns an empty mapping for text that it cannot parse.
    is_unreadable = not extra and (connection.extra or "").strip() not in ("", "{}", "null")
    if is_unreadable or not isinstance(extra, Mapping):
        raise InvalidConnection(f"Extra of connection {conn_id!r} is not a JSON object.")
    from airflow_provider_contacts.core.settings import parse_connection

    return parse_connection(
        conn_id=conn_id,
        vendor_title=vendor.title,
        form=vendor.form,
        default_url=vendor.base_url,
        host=connection.host,
        port=connection.port,
        schema=connection.schema,
        login=connection.login,
        password=connection.password,
        extra=extra,
    )


def _not_found(conn_id: str) -> InvalidConnection:
    variable = f"AIRFLOW_CONN_{conn_id.upper()}"
    can_be_a_variable = variable.replace("_", "").isalnum()
    hint = (
        f", or set {variable} (if it is already set, its value is neither valid JSON nor a valid URI)"
        if can_be_a_variable
        else ""
    )
    return InvalidConnection(
        f"Connection {conn_id!r} does not exist. Create it under Admin, Connections{hint}."
    )
