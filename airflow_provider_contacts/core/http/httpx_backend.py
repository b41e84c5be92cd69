"""Send one request with `httpx` in an event loop."""

from __future__ import annotations

import asyncio

import httpx

from airflow_provider_contacts.core.http.connection_errors import connection_error, deadline_error
from airflow_provider_contacts.core.http.context import ConnectionContext
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
from airflow_provider_contacts.errors import InvalidConnection

_CONNECTION_ERRORS = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, ValueError)


class HttpxBackend:
    """Sends requests to one vendor. Creating one reads certificate files, so create it in a thread.

    It uses httpx's transport and not ``httpx.AsyncClient``, which keeps cookies, logs queries and
    resolves redirects (docs/adr/0002).

    :raises InvalidConnection: if the environment's proxy or certificates are unusable.
    """

    def __init__(self, context: ConnectionContext, environment: Environment) -> None:
        self._context = context
        proxy = environment.proxies.get(context.origin[0]) or environment.proxies.get("all")
        try:
            self._transport = httpx.AsyncHTTPTransport(
                verify=environment.tls_context(),
                proxy=httpx.Proxy(proxy) if proxy else None,
                limits=httpx.Limits(max_connections=context.settings.max_concurrency),
            )
        except (ImportError, ValueError, OSError, httpx.InvalidURL) as error:
            raise InvalidConnection(
                "The proxy or the certificates that the environment names cannot be used "
                f"({type(error).__name__})."
            ) from None

    async def send(self, request: Request, token: str | None) -> Response:
        """Send a request whose path starts at the server.

        :raises ContactsError: if no complete response arrives.
        """
        try:
            async with asyncio.timeout(self._context.settings.request_deadline):
                return await self._exchange(request, token)
        except TimeoutError:
            raise deadline_error(self._context, request) from None

    async def _exchange(self, request: Request, token: str | None) -> Response:
        context = self._context
        body = bytearray()
        try:
            with suppress_http_logs():
                raw_response = await self._transport.handle_async_request(
                    httpx.Request(
                        request.method,
                        build_url(context, request),
                        headers=build_headers(context, request, token),
                        content=encode_body(request),
                        extensions={"timeout": httpx.Timeout(context.settings.timeout).as_dict()},
                    )
                )
                try:
                    async for chunk in raw_response.aiter_bytes():
                        body += chunk
                        if len(body) > MAX_BODY_BYTES:
                            break
                finally:
                    await raw_response.aclose()
        except _CONNECTION_ERRORS as error:
            raise connection_error(
                context, request, error, timed_out=isinstance(error, httpx.TimeoutException)
            ) from None
        return require_complete(
            context, request, Response(raw_response.status_code, raw_response.headers, bytes(body))
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self._transport.aclose()
