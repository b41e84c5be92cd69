"""One attempt of a request, and one login, as flows that `requests` and `httpx` can both run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

import msgspec

from airflow_provider_contacts import __version__
from airflow_provider_contacts.core.error_bodies import ErrorInBody
from airflow_provider_contacts.core.http.connection_errors import closed_early_error, redirect_error
from airflow_provider_contacts.core.http.context import ConnectionContext, fits_in_header
from airflow_provider_contacts.core.http.status import api_error, find_reported_error, is_success
from airflow_provider_contacts.core.request import Flow, Request, Response
from airflow_provider_contacts.core.settings import origin
from airflow_provider_contacts.errors import MalformedResponse

Result = TypeVar("Result")

USER_AGENT = f"airflow-provider-contacts/{__version__}"
MAX_BODY_BYTES = 128 << 20
_MAX_REDIRECTS = 5
_REDIRECT_STATUSES = frozenset({301, 302, 303, 307, 308})
# Redirects with these statuses repeat the method and the body.
_REPEATING_STATUSES = frozenset({307, 308})


class TokenRejected(Exception):
    """The vendor rejected a bearer token that a login can renew."""


def attempt(
    context: ConnectionContext,
    request: Request,
    parse: Callable[[Response], Result],
    *,
    token: str | None,
    can_renew_token: bool,
) -> Flow[Result]:
    """Send a request once, following redirects within the origin, and return ``parse(response)``.

    :param token: the bearer token to send, or None.
    :param can_renew_token: whether a 401 is raised as :class:`TokenRejected`.
    :raises ContactsError: if the request fails; the subclass states the cause.
    """
    response = yield from _follow_redirects(context, request)
    if response.status == 401 and can_renew_token:
        raise TokenRejected
    return _parse_response(context, request, response, parse, token)


def log_in(context: ConnectionContext) -> Flow[str]:
    """Fetch a bearer token."""
    login = context.credentials.login
    assert login is not None
    request = Request("POST", login.path, json=dict(login.body))
    response = yield from _follow_redirects(context, request)
    where = context.describe(request)
    body = _parse_response(context, request, response, Response.json, None)
    token = body.get(login.token_key) if isinstance(body, dict) else None
    if not isinstance(token, str) or not token:
        raise MalformedResponse(f"{where} returned no token.")
    if not fits_in_header(token):
        raise MalformedResponse(f"{where} returned a token that cannot be sent in a header.")
    return token


def build_url(context: ConnectionContext, request: Request) -> str:
    """Return the URL of a request whose path contains the base path."""
    query = urlencode(request.params)
    return context.server + request.path + (f"?{query}" if query else "")


def build_headers(context: ConnectionContext, request: Request, token: str | None) -> dict[str, str]:
    """Return the headers of a request, credentials included."""
    headers = {
        "User-Agent": USER_AGENT,
        "Accept": "application/json",
        "Accept-Encoding": "gzip, deflate",
        **context.credentials.headers,
    }
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    if request.json is not None:
        headers["Content-Type"] = "application/json"
    return headers


def encode_body(request: Request) -> bytes | None:
    """Return the bytes of a request's body."""
    return None if request.json is None else msgspec.json.encode(request.json)


def require_complete(context: ConnectionContext, request: Request, response: Response) -> Response:
    """Return a response if it is complete and not too large.

    :raises ContactsError: if it is not.
    """
    if len(response.body) > MAX_BODY_BYTES:
        raise MalformedResponse(
            f"{context.describe(request)} returned more than {MAX_BODY_BYTES >> 20} MiB. Set a smaller "
            "page_size."
        )
    is_framed = "content-length" in response.headers or "transfer-encoding" in response.headers
    is_empty_ok = response.status == 200 and not response.body and not is_framed
    if response.status < 200 or is_empty_ok:
        raise closed_early_error(context, request)
    return response


def _parse_response(
    context: ConnectionContext,
    request: Request,
    response: Response,
    parse: Callable[[Response], Result],
    token: str | None,
) -> Result:
    # Errors are raised outside of `except`: a chained exception would show the vendor's message
    # unmasked.
    if not is_success(response):
        raise api_error(context, request, response, find_reported_error(context, response), token)
    try:
        return parse(response)
    except ErrorInBody as error:
        reported = error.reported
    except MalformedResponse as error:
        # Decoding does not know which request the response belongs to.
        raise error.at(context.describe(request)) from None
    raise api_error(context, request, response, reported, token)


def _follow_redirects(context: ConnectionContext, request: Request) -> Flow[Response]:
    """Send a request and return the first response that is not a redirect.

    The paths of the yielded requests contain the base path.
    """
    sent = replace(request, path=context.base_path + request.path)
    for _ in range(_MAX_REDIRECTS + 1):
        response = yield sent
        location = response.headers.get("location")
        if response.status not in _REDIRECT_STATUSES or not location:
            return response
        path = _redirect_path(context, request, response.status, location, build_url(context, sent))
        sent = replace(sent, path=path)
    raise redirect_error(context, request, "has too many redirects")


def _redirect_path(context: ConnectionContext, request: Request, status: int, location: str, url: str) -> str:
    """Return the path that a redirect leads to.

    Only the path is taken from it, so that no redirect can send credentials to another host.
    """
    try:
        target = urlsplit(urljoin(url, location))
        target_origin = origin(target)
    except ValueError:
        raise redirect_error(context, request, "is redirected to an invalid URL") from None
    is_unusual = (
        not location.isascii() or not location.isprintable() or any(char in location for char in '\\ @"<>')
    )
    if is_unusual or target_origin != context.origin:
        place = "" if is_unusual else f" ({target_origin[0]}://{target_origin[1]})"
        raise redirect_error(
            context, request, f"is redirected to another address{place}, where credentials are not sent"
        )
    if request.method != "GET" and status not in _REPEATING_STATUSES:
        raise redirect_error(context, request, "is redirected in a way that would turn it into a GET")
    if sorted(parse_qsl(target.query, keep_blank_values=True)) != sorted(request.params):
        raise redirect_error(context, request, "is redirected to a different query")
    return target.path or "/"
