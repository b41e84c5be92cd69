"""Endpoints under ``/sandbox`` that change and inspect the sandbox."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import msgspec
from fastapi import APIRouter, Response

from airflow_provider_contacts.sandbox.state import Fault, Row, State
from airflow_provider_contacts.sandbox.validation import ApiError, json_response
from airflow_provider_contacts.sandbox.vendor import SandboxVendor

_MAX_ADDED_CONTACTS = 100_000


# One function, because the endpoints are closures over the state.
def make_controls(state: State, vendors: dict[str, SandboxVendor]) -> APIRouter:
    """Return the endpoints."""
    router = APIRouter()

    def require_vendor(name: Any) -> str:
        if name not in vendors:
            raise ApiError(400, "bad_request", f"vendor must be one of {', '.join(vendors)}")
        return str(name)

    def find_rows(body: dict[str, Any]) -> list[Row]:
        vendor = require_vendor(body.get("vendor"))
        rows: list[Row] = state.tables[vendor].find(str(body.get("contact_id")), body.get("account_id"))
        if not rows:
            raise ApiError(404, "not_found", "the contact does not exist")
        return rows

    def references(vendor: str, rows: list[Row]) -> Response:
        return json_response(msgspec.json.encode([row.reference(vendor) for row in rows]))

    def apply_event(body: dict[str, Any], name: str) -> Response:
        rows = find_rows(body)
        event = vendors[body["vendor"]].events.get(name)
        if event is None:
            raise ApiError(400, "bad_request", f"{body['vendor']} has no event {name}")
        for row in rows:
            event(row, time.time())
            state.tables[body["vendor"]].invalidate(row)
        return references(body["vendor"], rows)

    @router.post("/reply")
    async def reply(body: dict[str, Any]) -> Response:
        return apply_event(body, "reply")

    @router.post("/accept")
    async def accept(body: dict[str, Any]) -> Response:
        return apply_event(body, "accept")

    @router.post("/add")
    async def add(body: dict[str, Any]) -> Response:
        vendor = require_vendor(body.get("vendor"))
        count = body.get("count", 1)
        if not isinstance(count, int) or not 0 <= count <= _MAX_ADDED_CONTACTS:
            raise ApiError(400, "bad_request", "count must be a number of contacts")
        return references(vendor, state.tables[vendor].add(count))

    @router.post("/remove")
    async def remove(body: dict[str, Any]) -> Response:
        rows = find_rows(body)
        for row in rows:
            state.tables[body["vendor"]].remove(row)
        return references(body["vendor"], rows)

    @router.post("/fail")
    async def fail(body: dict[str, Any]) -> Response:
        vendor = require_vendor(body.pop("vendor", None))
        names = {field.name for field in dataclasses.fields(Fault)}
        if body.keys() - names:
            raise ApiError(400, "bad_request", f"takes vendor and {', '.join(sorted(names))}")
        try:
            fault = msgspec.convert(body, Fault)
        except msgspec.ValidationError as error:
            raise ApiError(400, "bad_request", str(error)) from None
        state.faults.setdefault(vendor, []).append(fault)
        return json_response(b"{}")

    @router.post("/expire-tokens")
    async def expire_tokens() -> Response:
        state.tokens.clear()
        return json_response(b"{}")

    @router.post("/reset")
    async def reset() -> Response:
        state.reset()
        return json_response(b"{}")

    @router.get("/requests")
    async def requests(vendor: str | None = None, last: int | None = None) -> Response:
        log = [entry for entry in state.requests if vendor in (None, entry["vendor"])]
        return json_response(msgspec.json.encode(log if last is None else log[max(0, len(log) - last) :]))

    @router.get("/violations")
    async def violations() -> Response:
        return json_response(msgspec.json.encode(state.violations))

    @router.get("/population")
    async def population() -> Response:
        counts = {vendor: len(table.rows) for vendor, table in state.tables.items()}
        return json_response(msgspec.json.encode(counts))

    @router.get("/contacts")
    async def contacts(vendor: str) -> Response:
        return references(require_vendor(vendor), state.tables[vendor].rows)

    return router
