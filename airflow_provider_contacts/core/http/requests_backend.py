"""Send one request with `requests`."""

from __future__ import annotations

from collections.abc import Mapping
from http.cookiejar import DefaultCookiePolicy
from urllib.parse import urlsplit

import requests
import urllib3

from airflow_provider_contacts.core.http.connection_errors import (
    connection_error,
    deadline_error,
    redirect_error,
)
from airflow_provider_contacts.core.http.context import ConnectionContext
from airflow_provider_contacts.core.http.deadline import InterruptibleAdapter, limit_duration
from airflow_provider_contacts.core.http.environment import Environment
from airflow_provider_contacts.core.http.exchange import (
    MAX_BODY_BYTES,
    build_headers,
    build_url,
    encode_body,
    require_complete,
)
from airflow_provider_contacts.core.http.log_filter import suppress_http_logs
from airflow_provider_contacts.core.request import Request, Response
from airflow_provider_contacts.core.settings import is_loopback, origin
from airflow_provider_contacts.errors import ContactsError

_CONNECTION_ERRORS = (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError)
_TIMEOUTS = (requests.Timeout, urllib3.exceptions.TimeoutError)


class RequestsBackend:
    """Sends requests to one vendor. Several threads may use it at the same time."""

    def __init__(self, context: ConnectionContext, environment: Environment) -> None:
        self._context = context
        self._environment = environment
        self.session = bound_session(
            context.settings.base_url, context.credentials.headers, context.settings.max_concurrency
        )

    def send(self, request: Request, token: str | None) -> Response:
        """Send a request whose path starts at the server.

        :raises ContactsError: if no complete response arrives.
        """
        context = self._context
        with limit_duration(context.settings.request_deadline) as deadline:
            try:
                response = self._exchange(request, token)
            except ContactsError:
                if not deadline.is_expired:
                    raise
        # Without a length, a response that is interrupted looks complete.
        if deadline.is_expired:
            raise deadline_error(context, request)
        return response

    def _exchange(self, request: Request, token: str | None) -> Response:
        context = self._context
        url = build_url(context, request)
        adapter = self.session.get_adapter(url)
        try:
            prepared = self.session.prepare_request(
                requests.Request(
                    request.method,
                    url,
                    headers=build_headers(context, request, token),
                    data=encode_body(request),
                )
            )
            if origin(prepared.url or "") != context.origin:
                raise redirect_error(context, request, "would be sent to another address")
            with suppress_http_logs():
                # Not `session.send`, which stores cookies and resolves redirects even if it does
                # not follow them (docs/adr/0002).
                raw_response = adapter.send(
                    prepared,
                    stream=True,
                    timeout=context.settings.timeout,
                    proxies=self._environment.proxies,
                    verify=self._environment.verify,
                )
                try:
                    # One read instead of the 10 kB chunks that `response.content` consists of.
                    body: bytes = raw_response.raw.read(MAX_BODY_BYTES + 1, decode_content=True)
                finally:
                    raw_response.close()
        except _CONNECTION_ERRORS as error:
            raise connection_error(context, request, error, timed_out=isinstance(error, _TIMEOUTS)) from None
        if raw_response.status_code < 200:
            # The final response is still to come on this connection. It must not answer another
            # request.
            self._drop_connections()
        return require_complete(
            context, request, Response(raw_response.status_code, raw_response.headers, body)
        )

    def _drop_connections(self) -> None:
        for adapter in self.session.adapters.values():
            adapter.close()

    def close(self) -> None:
        """Close all connections."""
        self.session.close()


class _BoundAuth(requests.auth.AuthBase):
    """Adds the credentials to requests of one origin. As an auth, it also keeps ``.netrc`` out."""

    def __init__(self, base_url: str, headers: Mapping[str, str]) -> None:
        self.origin = origin(base_url)
        self.headers = dict(headers)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if origin(request.url or "") == self.origin:
            for name, value in self.headers.items():
                request.headers.setdefault(name, value)
        return request


class _BoundSession(requests.Session):
    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        """Drop all credentials on a redirect to another origin, not only ``Authorization``."""
        assert isinstance(self.auth, _BoundAuth)
        if origin(prepared_request.url or "") != self.auth.origin:
            for name in (*self.auth.headers, "Authorization"):
                prepared_request.headers.pop(name, None)


def bound_session(base_url: str, headers: Mapping[str, str], pool_size: int) -> requests.Session:
    """Return a session that sends ``headers`` to the origin of ``base_url`` only.

    :param pool_size: how many connections to keep open.
    """
    session = _BoundSession()
    session.auth = _BoundAuth(base_url, headers)
    # No vendor needs cookies, and a cookie could mix up two listings.
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.trust_env = not is_loopback(urlsplit(base_url).hostname or "")
    adapter = InterruptibleAdapter(pool_connections=1, pool_maxsize=pool_size)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session
