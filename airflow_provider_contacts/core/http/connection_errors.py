"""Why no response arrived: timeouts, broken connections, certificates, redirects."""

from __future__ import annotations

import ssl
from collections.abc import Callable

from airflow_provider_contacts.core.http.context import ConnectionContext
from airflow_provider_contacts.core.request import Request
from airflow_provider_contacts.errors import InvalidConnection, VendorUnavailable

# OpenSSL's names for a response in plain text.
_PLAIN_TEXT_REASONS = frozenset(
    {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG", "HTTP_REQUEST"}
)


def connection_error(
    context: ConnectionContext, request: Request, error: BaseException, *, timed_out: bool
) -> VendorUnavailable:
    """Return the error for a request without a response.

    :param error: what the HTTP library raised. Its text is not repeated, because it may contain the
        query.
    """
    where = context.describe(request)
    conn = f"connection {context.settings.conn_id!r}"
    if _has_cause(error, lambda cause: isinstance(cause, ssl.SSLCertVerificationError)):
        return VendorUnavailable(
            f"{where}: The server's certificate is not trusted. If a proxy re-signs traffic, set "
            "REQUESTS_CA_BUNDLE to its CA file."
        )
    if _has_cause(
        error, lambda cause: isinstance(cause, ssl.SSLError) and cause.reason in _PLAIN_TEXT_REASONS
    ):
        return VendorUnavailable(
            f"{where}: The server does not speak TLS. If it only supports http, write http:// in Host of "
            f"{conn}."
        )
    if isinstance(error, ValueError):
        return VendorUnavailable(
            f"{where}: The request could not be sent, or its response could not be read "
            f"({type(error).__name__}). If this connection has never worked, check Host of {conn}."
        )
    if timed_out:
        seconds = context.settings.timeout
        return VendorUnavailable(
            f"{where}: No response within {seconds:g} s (timeout of {conn}).", transient=True
        )
    return VendorUnavailable(
        f"{where}: The connection failed or was closed ({type(error).__name__}). If this connection has "
        f"never worked, check Host of {conn}.",
        transient=True,
    )


def deadline_error(context: ConnectionContext, request: Request) -> VendorUnavailable:
    """Return the error for a response that is not complete in time."""
    seconds = context.settings.request_deadline
    return VendorUnavailable(
        f"{context.describe(request)}: The response was not complete after {seconds:g} s. Lower "
        f"`page_size`, or raise `request_deadline` in Extra of connection {context.settings.conn_id!r}.",
        transient=True,
    )


def closed_early_error(context: ConnectionContext, request: Request) -> VendorUnavailable:
    """Return the error for a response that is not whole."""
    return VendorUnavailable(
        f"{context.describe(request)}: The connection was closed before the response was complete.",
        transient=True,
    )


def redirect_error(context: ConnectionContext, request: Request, problem: str) -> InvalidConnection:
    """Return the error for a redirect that is not followed.

    :param problem: the rest of a sentence that starts with the request.
    """
    return InvalidConnection(
        f"{context.describe(request)} {problem}. Check Host of connection {context.settings.conn_id!r}."
    )


def _has_cause(error: BaseException, test: Callable[[BaseException], bool]) -> bool:
    """Return whether an exception, or one of those behind it, passes a test."""
    seen: set[int] = set()
    to_visit: list[object] = [error]
    while to_visit:
        cause = to_visit.pop()
        if not isinstance(cause, BaseException) or id(cause) in seen:
            continue
        if test(cause):
            return True
        seen.add(id(cause))
        # The HTTP libraries keep causes in `args` and `reason` as well.
        to_visit += [cause.__cause__, cause.__context__, getattr(cause, "reason", None), *cause.args]
    return False
