"""Record the vendors' requests, and inject faults."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from typing import Any
from urllib.parse import parse_qsl

from fastapi import Response
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from airflow_provider_contacts.sandbox.state import Fault, State

_SECONDS_UNTIL_CUT = 0.05


class FaultInjectionMiddleware:
    """Records every request to a vendor, and fails those that a fault applies to."""

    def __init__(self, app: ASGIApp, state: State) -> None:
        self._app = app
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        vendor = scope["path"].split("/")[1] if scope["type"] == "http" else ""
        if vendor not in self._state.tables:
            await self._app(scope, receive, send)
            return
        path = scope["path"].removeprefix(f"/{vendor}")
        entry = {
            "vendor": vendor,
            "method": scope["method"],
            "path": path,
            "at": time.time(),
            "status": 0,
            "params": sorted({name for name, _ in parse_qsl(scope["query_string"].decode())}),
        }
        self._state.requests.append(entry)
        fault = self._state.take_fault(vendor, scope["method"], path)
        # A client that disconnects is not an error of the sandbox.
        with contextlib.suppress(ClientDisconnect):
            await self._serve(fault, scope, receive, send, entry)
        if self._state.print_line is not None:
            self._state.print_line(_format_entry(entry))

    async def _serve(
        self, fault: Fault | None, scope: Scope, receive: Receive, send: Send, entry: dict[str, Any]
    ) -> None:
        if fault is None:
            await self._app(scope, receive, _recording(entry, send))
            return
        await asyncio.sleep(fault.latency)
        if fault.reset:
            _close_connection(receive)
        elif fault.cut:
            await self._app(scope, receive, _cutting(receive, send))
        elif fault.status is None and fault.body is None:
            await self._app(scope, receive, _recording(entry, send))
        else:
            await _fault_response(fault)(scope, receive, _recording(entry, send))


def _format_entry(entry: dict[str, Any]) -> str:
    """Return a line about a request, with names of parameters but not their values."""
    at = time.strftime("%H:%M:%S", time.localtime(entry["at"]))
    params = f" ({', '.join(entry['params'])})" if entry["params"] else ""
    status = entry["status"] or "no response"
    path = "".join(char if char.isprintable() else "?" for char in entry["path"])
    return f"{at} {entry['vendor']}: {entry['method']} {path}{params} -> {status}"


def _recording(entry: dict[str, Any], send: Send) -> Send:
    async def record(message: Message) -> None:
        if message["type"] == "http.response.start":
            entry["status"] = message["status"]
        await send(message)

    return record


def _cutting(receive: Receive, send: Send) -> Send:
    async def cut(message: Message) -> None:
        if message["type"] == "http.response.body":
            body = message.get("body", b"")
            await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
            await asyncio.sleep(_SECONDS_UNTIL_CUT)
            _close_connection(receive)
        else:
            await send(message)

    return cut


def _fault_response(fault: Fault) -> Response:
    headers = {}
    if fault.retry_after is not None:
        headers["Retry-After"] = str(fault.retry_after)
    if fault.location is not None:
        headers["Location"] = fault.location
    status = 200 if fault.status is None else fault.status
    body = json.dumps({"message": "made to fail"}) if fault.body is None else fault.body
    return Response(body, status_code=status, headers=headers, media_type=fault.content_type)


def _close_connection(receive: Receive) -> None:
    # ASGI cannot close a connection. In uvicorn, the object behind `receive` has the connection's
    # transport.
    receive.__self__.transport.abort()  # type: ignore[attr-defined]
