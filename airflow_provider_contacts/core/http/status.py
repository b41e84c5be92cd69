"""Map an error response to an exception."""

from __future__ import annotations

import email.utils
import math
import time
from collections.abc import Mapping
from datetime import datetime, timezone
from http import HTTPStatus

from airflow_provider_contacts.core.error_bodies import ReportedError
from airflow_provider_contacts.core.http.context import ConnectionContext
from airflow_provider_contacts.core.http.redaction import redact
from airflow_provider_contacts.core.request import Request, Response
from airflow_provider_contacts.errors import (
    MAX_RETRY_AFTER_SECONDS,
    AuthenticationError,
    ContactsError,
    InvalidRequest,
    MalformedResponse,
    NotFound,
    PermissionDenied,
    QuotaExhausted,
    RateLimited,
    VendorUnavailable,
)

# Longer waits are left to Airflow's retry instead of blocking a worker.
MAX_SLEEP_SECONDS = 120.0
_TRANSIENT_STATUSES = frozenset({408, 429})
# Any other status of the 5xx class is an outage, also those that proxies invent, such as 522.
_PERMANENT_SERVER_STATUSES = frozenset({501, 505})
# With these, a proxy or a server that is being redeployed may answer in place of the API.
_STATUSES_OF_PROXIES = frozenset({401, 403, 404, 410})
# A `Retry-After` in this range is a Unix time.
_MIN_UNIX_TIME = 1e9
_MAX_UNIX_TIME = 1e10
_ERROR_CLASSES: Mapping[int, type[ContactsError]] = {
    401: AuthenticationError,
    402: QuotaExhausted,
    403: PermissionDenied,
    404: NotFound,
    410: NotFound,
    408: VendorUnavailable,
    429: RateLimited,
}


def is_success(response: Response) -> bool:
    """Return whether a response has a successful status."""
    return 200 <= response.status < 300


def find_reported_error(context: ConnectionContext, response: Response) -> ReportedError:
    """Return the error that a response body reports, which may be empty."""
    try:
        found = context.vendor.error_format.find_error(
            response.body, has_error_status=not is_success(response)
        )
    except MalformedResponse:
        return ReportedError()
    return found or ReportedError()


def api_error(
    context: ConnectionContext,
    request: Request,
    response: Response,
    reported: ReportedError,
    token: str | None,
) -> ContactsError:
    """Return the error for a response that reports one.

    :param reported: what the response's body says.
    :param token: the bearer token that was sent, to mask it.
    """
    status = response.status
    response_line = f"returned {status}"
    if is_success(response):
        status = reported.status or status
        response_line += " with an error in its body"
    error_class = context.vendor.error_labels.get(reported.label) or _error_class(status)
    is_web_page = status in _STATUSES_OF_PROXIES and response.body.lstrip()[:1] == b"<"
    if is_web_page:
        error_class = VendorUnavailable
    retry_after = parse_retry_after(response.headers.get("retry-after"))
    transient = error_class is RateLimited or (
        error_class is VendorUnavailable and (is_web_page or _is_transient(status))
    )
    asks_for_long_wait = retry_after is not None and retry_after > MAX_SLEEP_SECONDS
    if transient and asks_for_long_wait:
        error_class = RateLimited
    words = ": ".join(part for part in (reported.label, reported.message) if part)
    words = f" ({redact(words, context, request, token)})" if words else ""
    if is_web_page:
        words = " with a web page, probably from a proxy or web server instead of the API"
    hint = _hint(context, error_class, retry_after)
    if error_class is NotFound and words:
        # The API explains what it did not find. For a listing it may be the path, or what is
        # listed.
        is_listing = request.path == context.vendor.contacts.path
        hint = _listing_hint(context, status) if is_listing else ""
    if is_web_page:
        hint = f" If this connection has never worked, check Host of connection {context.settings.conn_id!r}."
    return error_class(
        f"{context.describe(request)} {response_line}{words}.{hint}",
        retry_after=retry_after,
        transient=transient,
        status=status,
    )


def parse_retry_after(value: str | None) -> float | None:
    """Return the seconds of a ``Retry-After`` header, or None if it is missing or implausible.

    It contains a number or an HTTP date (RFC 9110, 10.2.3). Some servers send the Unix time of the
    end of the pause.
    """
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            moment = email.utils.parsedate_to_datetime(value)
        except (ValueError, OverflowError):
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=timezone.utc)
        seconds = (moment - datetime.now(timezone.utc)).total_seconds()
    if not math.isfinite(seconds):
        return None
    if _MIN_UNIX_TIME <= seconds < _MAX_UNIX_TIME:
        seconds -= time.time()
    return max(0.0, seconds) if seconds <= MAX_RETRY_AFTER_SECONDS else None


def _is_transient(status: int) -> bool:
    is_outage = status >= 500 and status not in _PERMANENT_SERVER_STATUSES
    return is_outage or status in _TRANSIENT_STATUSES


def _error_class(status: int) -> type[ContactsError]:
    if status < 300:
        return MalformedResponse
    return _ERROR_CLASSES.get(status, VendorUnavailable if status >= 500 else InvalidRequest)


def _listing_hint(context: ConnectionContext, status: int) -> str:
    conn = f"connection {context.settings.conn_id!r}"
    if status == HTTPStatus.NOT_FOUND:
        return f" If every request fails like this, check Host of {conn}."
    field = context.vendor.scope_field
    return f" Check the {field} of {conn}, or the filter that replaces it." if field else ""


def _hint(context: ConnectionContext, error_class: type[ContactsError], retry_after: float | None) -> str:
    conn = f"connection {context.settings.conn_id!r}"
    if error_class is RateLimited and retry_after is not None and retry_after > MAX_SLEEP_SECONDS:
        return (
            f" The vendor asks to wait {retry_after:.0f} s, which is too long to block a worker. Airflow "
            "retries the task if it has retries left."
        )
    hints: Mapping[type[ContactsError], str] = {
        AuthenticationError: f" Check the {context.vendor.fields_to_check} of {conn}.",
        PermissionDenied: f" The credentials of {conn} are valid but do not allow this request.",
        NotFound: f" If every request fails like this, check Host of {conn}.",
        QuotaExhausted: " The account's credits are used up; waiting does not help.",
        RateLimited: (
            f" The rate limit applies to each task process. If several tasks share {conn}, set its "
            "`requests_per_minute` to the vendor's limit divided by the number of tasks."
        ),
    }
    return hints.get(error_class, "")
