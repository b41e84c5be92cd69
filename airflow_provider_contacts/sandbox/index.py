"""The page at the root of the sandbox, and what it shows about the vendors."""

from __future__ import annotations

from importlib import resources

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute

from airflow_provider_contacts.sandbox.connections import connection, format_export
from airflow_provider_contacts.sandbox.state import State
from airflow_provider_contacts.sandbox.validation import json_response
from airflow_provider_contacts.sandbox.vendor import SandboxVendor

_SUGGESTED_CONTACTS = 20


def make_index(state: State, vendors: dict[str, SandboxVendor]) -> APIRouter:
    """Return the page, and the endpoint with its data."""
    router = APIRouter()
    page = resources.files("airflow_provider_contacts.sandbox").joinpath("index.html").read_text("utf-8")

    @router.get("/")
    async def index() -> Response:
        return Response(page, media_type="text/html")

    @router.get("/sandbox/vendors")
    async def describe_vendors(request: Request) -> Response:
        base_url = str(request.base_url).rstrip("/")
        described = [_describe(vendor, state, base_url) for vendor in vendors.values()]
        return json_response(msgspec.json.encode(described))

    return router


def _describe(vendor: SandboxVendor, state: State, base_url: str) -> dict[str, object]:
    rows = state.tables[vendor.name].rows
    routes = [route for route in vendor.make_routes(state).routes if isinstance(route, APIRoute)]
    return {
        "name": vendor.name,
        "url": f"{base_url}/{vendor.name}",
        "contacts": len(rows),
        "contact_ids": [row.contact_id for row in rows[:_SUGGESTED_CONTACTS]],
        "events": list(vendor.events),
        "endpoints": [f"{' '.join(sorted(route.methods))} {route.path}" for route in routes],
        "export": format_export(f"{vendor.name}_default", connection(vendor, base_url)),
    }
