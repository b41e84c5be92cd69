"""The four vendors in one server, and what makes things happen in it."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl

import msgspec
import uvicorn
from fastapi import APIRouter, FastAPI, Request, Response
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from airflow_provider_contacts.sandbox import checking, mailstand, talktohumans, tether, thoughtly
from airflow_provider_contacts.sandbox.checking import Refused
from airflow_provider_contacts.sandbox.world import Fault, Row, World

_MODULES: dict[str, Any] = {
    "talktohumans": talktohumans,
    "thoughtly": thoughtly,
    "mailstand": mailstand,
    "tether": tether,
}


class _Unruly:
    """Logs the vendors' requests, and makes go wrong what shall go wrong."""

    def __init__(self, app: ASGIApp, world: World) -> None:
        self.app = app
        self.world = world

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        vendor = scope["path"].split("/")[1] if scope["type"] == "http" else ""
        if vendor not in _MODULES:
            await self.app(scope, receive, send)
            return
        path = scope["path"].removeprefix(f"/{vendor}")
        entry = {
            "vendor": vendor, "method": scope["method"], "path": path, "at": time.time(), "status": 0,
            "params": sorted({name for name, _ in parse_qsl(scope["query_string"].decode())}),
        }  # fmt: skip
        self.world.requests.append(entry)
        fault = self.world.take_fault(vendor, scope["method"], path)
        # A client that goes away is the client's business, and no traceback of the sandbox's.
        with contextlib.suppress(ClientDisconnect):
            await self._answer(fault, scope, receive, send, entry)

    async def _answer(
        self, fault: Fault | None, scope: Scope, receive: Receive, send: Send, entry: dict[str, Any]
    ) -> None:
        if fault is None:
            await self.app(scope, receive, self._noting(entry, send))
            return
        await asyncio.sleep(fault.latency)
        if fault.reset:
            _abort(receive)
        elif fault.cut:
            await self.app(scope, receive, _cutting(receive, send))
        elif fault.status is None and fault.body is None:
            await self.app(scope, receive, self._noting(entry, send))
        else:
            await _faulty(fault)(scope, receive, self._noting(entry, send))

    @staticmethod
    def _noting(entry: dict[str, Any], send: Send) -> Send:
        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                entry["status"] = message["status"]
            await send(message)

        return noting


def _faulty(fault: Fault) -> Response:
    headers = {}
    if fault.retry_after is not None:
        headers["Retry-After"] = fault.retry_after
    if fault.location is not None:
        headers["Location"] = fault.location
    status = 200 if fault.status is None else fault.status
    body = json.dumps({"message": "made to fail"}) if fault.body is None else fault.body
    return Response(body, status_code=status, headers=headers, media_type=fault.content_type)


def _abort(receive: Receive) -> None:
    # ASGI has no way to break a connection off; the server's cycle behind `receive` has its transport.
    receive.__self__.transport.abort()  # type: ignore[attr-defined]


def _cutting(receive: Receive, send: Send) -> Send:
    async def cutting(message: Message) -> None:
        if message["type"] == "http.response.body":
            body = message.get("body", b"")
            await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
            await asyncio.sleep(0.05)
            _abort(receive)
        else:
            await send(message)

    return cutting


def create_world(contacts: int = 250, seed: int = 7, *, rate_limits: bool = True) -> World:
    """Return the state of a new sandbox."""
    world = World(contacts, seed, rate_limits)
    world.tables = {vendor: module.table(world) for vendor, module in _MODULES.items()}
    return world


def create_app(world: World) -> ASGIApp:
    """Return the sandbox as an ASGI application."""
    app = FastAPI(openapi_url=None)
    for vendor, module in _MODULES.items():
        app.include_router(module.routes(world), prefix=f"/{vendor}")
    app.include_router(_controls(world), prefix="/sandbox")

    @app.exception_handler(Refused)
    async def refused(request: Request, error: Refused) -> Response:
        module = _MODULES.get(request.url.path.split("/")[1], talktohumans)
        return checking.answer(module.failure(error), error.status)

    @app.exception_handler(404)
    async def unknown(request: Request, _error: Exception) -> Response:
        vendor = request.url.path.split("/")[1]
        if vendor in _MODULES:
            world.violation(vendor, request.method, request.url.path, "there is no such endpoint")
        return checking.answer(b'{"message":"there is no such endpoint"}', 404)

    return _Unruly(app, world)


def _controls(world: World) -> APIRouter:
    router = APIRouter()

    def known(vendor: Any) -> str:
        if vendor not in _MODULES:
            raise Refused(400, "bad_request", f"vendor must be one of {', '.join(_MODULES)}")
        return str(vendor)

    def found(body: dict[str, Any]) -> list[Row]:
        vendor = known(body.get("vendor"))
        rows: list[Row] = world.tables[vendor].find(str(body.get("contact_id")), body.get("account_id"))
        if not rows:
            raise Refused(404, "not_found", "there is no such contact")
        return rows

    def happen(body: dict[str, Any], what: str, *arguments: Any) -> Response:
        rows = found(body)
        event = getattr(_MODULES[body["vendor"]], what, None)
        if event is None:
            raise Refused(400, "bad_request", f"{body['vendor']} has no {what}")
        for row in rows:
            event(row, *arguments)
            world.tables[body["vendor"]].changed(row)
        return checking.answer(msgspec.json.encode([_reference(body["vendor"], row) for row in rows]))

    @router.post("/reply")
    async def reply(body: dict[str, Any]) -> Response:
        return happen(body, "reply", time.time())

    @router.post("/accept")
    async def accept(body: dict[str, Any]) -> Response:
        return happen(body, "accept")

    @router.post("/add")
    async def add(body: dict[str, Any]) -> Response:
        vendor, count = known(body.get("vendor")), body.get("count", 1)
        if not isinstance(count, int) or not 0 <= count <= 100_000:
            raise Refused(400, "bad_request", "count must be a number of contacts")
        rows = world.tables[vendor].add(count)
        return checking.answer(msgspec.json.encode([_reference(vendor, row) for row in rows]))

    @router.post("/remove")
    async def remove(body: dict[str, Any]) -> Response:
        rows = found(body)
        for row in rows:
            world.tables[body["vendor"]].remove(row)
        return checking.answer(msgspec.json.encode([_reference(body["vendor"], row) for row in rows]))

    @router.post("/fail")
    async def fail(body: dict[str, Any]) -> Response:
        vendor = known(body.pop("vendor", None))
        names = {field.name for field in dataclasses.fields(Fault)}
        if body.keys() - names:
            raise Refused(400, "bad_request", f"takes vendor and {', '.join(sorted(names))}")
        try:
            fault = msgspec.convert(body, Fault)
        except msgspec.ValidationError as error:
            raise Refused(400, "bad_request", str(error)) from None
        world.faults[vendor].append(fault)
        return checking.answer(b"{}")

    @router.post("/expire-tokens")
    async def expire_tokens() -> Response:
        world.tokens.clear()
        return checking.answer(b"{}")

    @router.post("/forget")
    async def forget() -> Response:
        world.forget()
        return checking.answer(b"{}")

    @router.get("/requests")
    async def requests(vendor: str | None = None) -> Response:
        log = [entry for entry in world.requests if vendor in (None, entry["vendor"])]
        return checking.answer(msgspec.json.encode(log))

    @router.get("/violations")
    async def violations() -> Response:
        return checking.answer(msgspec.json.encode(world.violations))

    @router.get("/population")
    async def population() -> Response:
        return checking.answer(
            msgspec.json.encode({vendor: len(table.rows) for vendor, table in world.tables.items()})
        )

    @router.get("/contacts")
    async def contacts(vendor: str) -> Response:
        rows = world.tables[known(vendor)].rows
        return checking.answer(msgspec.json.encode([_reference(vendor, row) for row in rows]))

    return router


def _reference(vendor: str, row: Row) -> dict[str, str]:
    return {"vendor": vendor, "account_id": row.account_id, "contact_id": row.contact_id}


def connections(base_url: str, *, rate_limits: bool = True) -> dict[str, dict[str, Any]]:
    """Return an Airflow connection for each vendor of a sandbox, as the JSON of ``AIRFLOW_CONN_…``."""
    extra: dict[str, Any] = {} if rate_limits else {"requests_per_minute": 60_000}
    told: dict[str, dict[str, Any]] = {
        "talktohumans": {"password": talktohumans.KEY},
        "thoughtly": {"password": thoughtly.KEY, "extra": {"team_id": thoughtly.TEAM}},
        "mailstand": {"password": mailstand.KEY, "extra": {"workspace": mailstand.WORKSPACE}},
        "tether": {"login": tether.EMAIL, "password": tether.PASSWORD},
    }
    return {
        f"{vendor}_default": {
            "conn_type": vendor,
            "host": f"{base_url}/{vendor}",
            **parts,
            "extra": {**parts.get("extra", {}), **extra},
        }
        for vendor, parts in told.items()
    }


def _server(app: ASGIApp) -> uvicorn.Server:
    config = uvicorn.Config(app, http="h11", log_level="warning", access_log=False, lifespan="off", ws="none")
    return uvicorn.Server(config)


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        # From here on a client waits for the server to come up, and is not turned away.
        listener.listen(128)
    except OSError:
        listener.close()
        raise SystemExit(f"port {port} is taken; choose another with --port") from None
    return listener


def serve(*, port: int, contacts: int, seed: int, rate_limits: bool = True) -> None:
    """Serve a sandbox until interrupted, and print the connections that lead to it."""
    with _listen(port) as listener:
        base_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        print(f"Sandbox of {contacts} contacts per vendor at {base_url}. Connections:\n", flush=True)  # noqa: T201
        for name, connection in connections(base_url, rate_limits=rate_limits).items():
            print(f"export AIRFLOW_CONN_{name.upper()}='{json.dumps(connection)}'", flush=True)  # noqa: T201
        print("\nStop it with Ctrl-C.", flush=True)  # noqa: T201
        _server(create_app(create_world(contacts, seed, rate_limits=rate_limits))).run(sockets=[listener])


@contextlib.contextmanager
def running(app: ASGIApp) -> Iterator[str]:
    """Serve an application such as :func:`create_app` makes in a thread, and give its address."""
    server = _server(app)
    with _listen(0) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
