"""Test a connection within a deadline."""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections.abc import Callable
from concurrent.futures import TimeoutError as FutureTimeoutError
from functools import partial

from airflow_provider_contacts.core.http.client import Transport
from airflow_provider_contacts.core.logs import Log
from airflow_provider_contacts.core.reading.reader import ContactReader
from airflow_provider_contacts.core.settings import Settings
from airflow_provider_contacts.core.vendor import Vendor
from airflow_provider_contacts.core.workers import submit
from airflow_provider_contacts.errors import ContactsError, NotFound

PROBE_TIMEOUT_SECONDS = 10.0
_MAX_SCOPES_IN_MESSAGE = 20
_SCOPES_TIMEOUT_SECONDS = 3.0
_SCOPE = re.compile(r"[\w-]{1,64}", re.ASCII)


def probe_connection(
    vendor: Vendor,
    settings: Settings,
    log: Log,
    mask_secret: Callable[[str], None],
    max_seconds: float = PROBE_TIMEOUT_SECONDS,
) -> tuple[bool, str]:
    """Return whether the vendor accepts the credentials, and a message that names what to fix."""
    quick = dataclasses.replace(
        settings,
        timeout=min(settings.timeout, max_seconds),
        request_deadline=min(settings.request_deadline, max_seconds),
        retry_limit=0,
    )
    # The deadline covers one request; the future's timeout covers a login too.
    outcome = submit(lambda: _probe(vendor, quick, log, mask_secret), "contacts-probe")
    try:
        return outcome.result(max_seconds)
    except FutureTimeoutError:
        return False, (
            f"{vendor.title} sent no complete response within {max_seconds:g} s. Check Host of "
            f"connection {settings.conn_id!r}."
        )


def _probe(
    vendor: Vendor, settings: Settings, log: Log, mask_secret: Callable[[str], None]
) -> tuple[bool, str]:
    try:
        transport = Transport(vendor, settings, log, mask_secret=mask_secret)
        with contextlib.closing(transport):
            return _send_probe(transport)
    except ContactsError as error:
        return False, str(error)
    except Exception as error:
        return False, f"The request to {vendor.title} failed ({type(error).__name__})."


def _send_probe(transport: Transport) -> tuple[bool, str]:
    vendor = transport.vendor
    settings = transport.settings
    request, parse = ContactReader(transport).probe_request()
    try:
        transport.send(request, parse)
    except NotFound as error:
        return False, f"{error}{_describe_scopes(transport)}"
    message = f"{vendor.title} accepts the credentials at {settings.base_url}."
    try:
        vendor.contacts.default_filters({}, settings)
    except ContactsError as error:
        message = (
            f"{message.rstrip('.')}, but the connection is incomplete. {error}{_describe_scopes(transport)}"
        )
    return True, message


def _describe_scopes(transport: Transport) -> str:
    """Return what the connection may be limited to, as a sentence, or an empty string."""
    if transport.vendor.list_scopes is None:
        return ""
    outcome = submit(partial(transport.run, transport.vendor.list_scopes()), "contacts-scopes")
    try:
        listed = outcome.result(_SCOPES_TIMEOUT_SECONDS)
    except (ContactsError, FutureTimeoutError):
        return ""  # the problem itself is reported
    scopes = [scope for scope in listed if _SCOPE.fullmatch(scope)]
    shown = ", ".join(scopes[:_MAX_SCOPES_IN_MESSAGE]) + (
        " and others" if len(scopes) > _MAX_SCOPES_IN_MESSAGE else ""
    )
    return f" The credentials give access to: {shown}." if shown else ""
