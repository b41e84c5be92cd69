"""Serve the sandbox."""

from __future__ import annotations

import contextlib
import json
import queue
import socket
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, Response
from starlette.types import ASGIApp

from airflow_provider_contacts.sandbox.connections import connections, format_export
from airflow_provider_contacts.sandbox.controls import make_controls
from airflow_provider_contacts.sandbox.faults import FaultInjectionMiddleware
from airflow_provider_contacts.sandbox.index import make_index
from airflow_provider_contacts.sandbox.state import State, Table
from airflow_provider_contacts.sandbox.validation import ApiError, json_response
from airflow_provider_contacts.sandbox.vendor import SandboxVendor, sandbox_vendors

_MAX_WAITING_LINES = 1000


def create_state(contacts: int = 250, seed: int = 7, *, rate_limits: bool = True) -> State:
    """Return the state of a new sandbox.

    :param contacts: contacts per vendor.
    :param seed: which people they are.
    :param rate_limits: whether vendors reject requests above their published rates.
    """
    state = State(contacts, seed, rate_limits)
    for name, vendor in sandbox_vendors().items():
        state.tables[name] = _make_table(vendor, state)
        state.faults[name] = []
    return state


def _make_table(vendor: SandboxVendor, state: State) -> Table[Any]:
    return Table(lambda number: vendor.make_row(state, number), state.contacts)


def create_app(state: State) -> ASGIApp:
    """Return the sandbox as an ASGI application."""
    vendors = sandbox_vendors()
    app = FastAPI(openapi_url=None)
    for name, vendor in vendors.items():
        app.include_router(vendor.make_routes(state), prefix=f"/{name}")
    app.include_router(make_controls(state, vendors), prefix="/sandbox")
    app.include_router(make_index(state, vendors))

    @app.exception_handler(ApiError)
    async def api_error(request: Request, error: ApiError) -> Response:
        vendor = vendors.get(request.url.path.split("/")[1])
        if vendor is None:
            body = json.dumps({"error": {"code": error.label, "message": error.message}}).encode()
        else:
            body = vendor.error_body(error)
        return json_response(body, error.status)

    @app.exception_handler(404)
    async def unknown_endpoint(request: Request, _error: Exception) -> Response:
        vendor = request.url.path.split("/")[1]
        if vendor in vendors:
            state.add_violation(vendor, request.method, request.url.path, "the endpoint does not exist")
        return json_response(b'{"message":"the endpoint does not exist"}', 404)

    return FaultInjectionMiddleware(app, state)


def serve(
    *, port: int, contacts: int, seed: int, rate_limits: bool = True, log_requests: bool = False
) -> None:
    """Serve a sandbox until interrupted, and print the connections to it.

    :param log_requests: whether to print a line for every request to a vendor.
    """
    with _listen(port) as listener:
        base_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        print_line = partial(print, flush=True)
        print_line(f"Sandbox with {contacts} contacts per vendor at {base_url}. Connections:\n")
        for conn_id, connection in connections(base_url, rate_limits=rate_limits).items():
            print_line(format_export(conn_id, connection))
        print_line(f"\nOpen {base_url} in a browser to see requests and to simulate replies.")
        print_line("Stop it with Ctrl-C.")
        state = create_state(contacts, seed, rate_limits=rate_limits)
        state.print_line = _print_in_background() if log_requests else None
        _make_server(create_app(state)).run(sockets=[listener])


def _print_in_background() -> Callable[[str], object]:
    """Return a function that prints lines without waiting, or drops them if it had to."""
    lines: queue.Queue[str] = queue.Queue(_MAX_WAITING_LINES)

    def print_lines() -> None:
        with contextlib.suppress(OSError):
            while True:
                print(lines.get(), flush=True)  # noqa: T201

    def add(line: str) -> None:
        with contextlib.suppress(queue.Full):
            lines.put_nowait(line)

    threading.Thread(target=print_lines, daemon=True).start()
    return add


@contextlib.contextmanager
def running(app: ASGIApp) -> Iterator[str]:
    """Serve an application in a thread within the block, and provide its address."""
    server = _make_server(app)
    with _listen(0) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def _make_server(app: ASGIApp) -> uvicorn.Server:
    config = uvicorn.Config(app, http="h11", log_level="warning", access_log=False, lifespan="off", ws="none")
    return uvicorn.Server(config)


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        # From now on a client waits for the server to start instead of being refused.
        listener.listen(128)
    except OSError:
        listener.close()
        raise SystemExit(f"Port {port} is in use. Choose another one with --port.") from None
    return listener
