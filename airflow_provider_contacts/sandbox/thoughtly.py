"""Thoughtly as its page get-contacts describes it.

The payload is not on the page; the names of the record are those of the create call and of a third party's
schema. Also the sandbox's own choice: counting from page 0, several ``tags`` meaning any of them, and 400 for
a ``limit`` above 50.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response

from airflow_provider_contacts.sandbox import checking
from airflow_provider_contacts.sandbox.checking import Refused
from airflow_provider_contacts.sandbox.people import Person, person
from airflow_provider_contacts.sandbox.talktohumans import iso
from airflow_provider_contacts.sandbox.world import Row, Table, World, join_json

VENDOR = "thoughtly"
KEY = "sandbox-key"
TEAM = "sandbox-team"
TAGS = ("called", "callback", "VIP", "naïve lead")
RATE = (100, 60.0)
_EPOCH = 1_767_225_600

RULES: dict[str, checking.Rule] = {
    "search": checking.text,
    "phone_numbers_only": checking.boolean,
    "tags": checking.text,
    "excluded_tags": checking.text,
    "sort": checking.option("name", "created_at"),
    "sortDirection": checking.option("asc", "desc"),
    "page": checking.whole(0),
    "limit": checking.whole(1, 50),
}


class Callee(Row):
    """A person whom an agent can call."""

    __slots__ = ("created", "has_phone", "person", "tags")

    def __init__(self, world: World, number: int) -> None:
        pick = world.random(VENDOR, number)
        super().__init__(TEAM, f"c-{pick.getrandbits(64):016x}-{number}")
        self.person: Person = person(world.person_number(VENDOR, number), world.seed)
        self.tags = pick.sample(TAGS, pick.choice((0, 1, 1, 2)))
        self.has_phone = pick.random() < 0.9
        self.created = _EPOCH + pick.randrange(25_000_000)

    def record(self, variant: Any) -> dict[str, Any]:
        who = self.person
        return {
            "id": self.contact_id,
            "phone_number": who.phone if self.has_phone else None,
            "name": who.name,
            "email": who.email,
            "country_code": who.region,
            "tags": self.tags,
            "attributes": {"first_name": who.first, "last_name": who.last, "lead_source": "sandbox"},
            "created_at": iso(self.created),
            "updated_at": iso(self.created),
        }


def table(world: World) -> Table[Callee]:
    """Return the vendor's contacts."""
    return Table(lambda number: Callee(world, number), world.contacts)


def failure(refused: Refused) -> bytes:
    """Return the vendor's error body."""
    return msgspec.json.encode({"data": {}, "error": {"code": refused.label, "message": refused.message}})


def _test(values: dict[str, Any]) -> Callable[[Callee], bool] | None:
    tests: list[Callable[[Callee], bool]] = []
    if "search" in values:
        word = values["search"].lower()
        tests.append(lambda row: any(word in text.lower() for text in (row.person.name, row.person.phone)))
    if values.get("phone_numbers_only"):
        tests.append(lambda row: row.has_phone)
    if "tags" in values:
        tests.append(lambda row: any(tag in row.tags for tag in values["tags"]))
    if "excluded_tags" in values:
        tests.append(lambda row: not any(tag in row.tags for tag in values["excluded_tags"]))
    return (lambda row: all(test(row) for test in tests)) if tests else None


def routes(world: World) -> APIRouter:
    """Return the vendor's endpoints."""
    router = APIRouter()
    contacts: Table[Callee] = world.tables[VENDOR]

    @router.get("/contact")
    async def list_contacts(request: Request) -> Response:
        if request.headers.get("x-api-token") != KEY or request.headers.get("team_id") != TEAM:
            raise Refused(401, "unauthorized", "x-api-token and team_id are required together.")
        if world.too_many(VENDOR, *RATE):
            raise Refused(429, "rate_limited", "Too many requests.")
        values = checking.query(world, VENDOR, request, RULES, repeatable=("tags", "excluded_tags"))
        size, page = values.pop("limit", 20), values.pop("page", 0)
        order, direction = values.pop("sort", None), values.pop("sortDirection", "asc")
        rows = contacts.matching(checking.question(values), _test(values))
        if order:
            key = (lambda row: row.person.name) if order == "name" else (lambda row: row.created)
            rows = sorted(rows, key=key, reverse=direction == "desc")
        records = join_json(row.json() for row in rows[page * size : (page + 1) * size])
        return checking.answer(b'{"data":{"contacts":%b}}' % records)

    return router
