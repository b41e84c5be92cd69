"""Thoughtly, as its page get-contacts documents it.

The page does not show a contact; the fields of a record are those of the create call and of a third
party's schema. The sandbox also decides that counting starts at page 0, that several ``tags`` mean
any of them, and that a ``limit`` above 50 is rejected with 400.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Request, Response
from pydantic import Field

from airflow_provider_contacts.sandbox.people import find_person
from airflow_provider_contacts.sandbox.state import Row, State, Table, join_json
from airflow_provider_contacts.sandbox.validation import (
    BASE_TIME_SECONDS,
    ApiError,
    Boolean,
    Number,
    Query,
    QueryModel,
    Text,
    cache_key,
    iso_time,
    json_response,
    parse_query,
)
from airflow_provider_contacts.sandbox.vendor import ConditionSample, Samples, SandboxVendor

NAME = "thoughtly"
KEY = "sandbox-key"
TEAM = "sandbox-team"
TAGS = ("called", "callback", "VIP", "naïve lead")
_RATE = (100, 60.0)
_PEOPLE_OFFSET = 1


class ContactQuery(QueryModel):
    """Parameters of ``GET /contact``."""

    search: Text | None = None
    phone_numbers_only: Boolean | None = None
    tags: list[Text] = Field(default_factory=list)
    excluded_tags: list[Text] = Field(default_factory=list)
    sort: Literal["name", "created_at"] | None = None
    sortDirection: Literal["asc", "desc"] = "asc"
    page: Annotated[Number, Field(ge=0)] = 0
    limit: Annotated[Number, Field(ge=1, le=50)] = 20


class ThoughtlyRow(Row):
    """A contact that an agent can call."""

    __slots__ = ("created", "has_phone", "person", "tags")

    def __init__(self, state: State, number: int) -> None:
        pick = state.make_random(NAME, number)
        super().__init__(TEAM, f"c-{pick.getrandbits(64):016x}-{number}")
        self.person = find_person(state.person_number(number, _PEOPLE_OFFSET), state.seed)
        self.tags = pick.sample(TAGS, pick.choice((0, 1, 1, 2)))
        self.has_phone = pick.random() < 0.9
        self.created = BASE_TIME_SECONDS + pick.randrange(25_000_000)

    def record(self, variant: Hashable) -> dict[str, object]:
        """Return the record as the vendor sends it."""
        person = self.person
        return {
            "id": self.contact_id,
            "phone_number": person.phone if self.has_phone else None,
            "name": person.name,
            "email": person.email,
            "country_code": person.region,
            "tags": self.tags,
            "attributes": {"first_name": person.first, "last_name": person.last, "lead_source": "sandbox"},
            "created_at": iso_time(self.created),
            "updated_at": iso_time(self.created),
        }


def _error_body(error: ApiError) -> bytes:
    return msgspec.json.encode({"data": {}, "error": {"code": error.label, "message": error.message}})


def _make_test(query: Query) -> Callable[[ThoughtlyRow], bool] | None:
    tests: list[Callable[[ThoughtlyRow], bool]] = []
    if "search" in query:
        word = query["search"].lower()
        tests.append(lambda row: any(word in text.lower() for text in (row.person.name, row.person.phone)))
    if query.get("phone_numbers_only"):
        tests.append(lambda row: row.has_phone)
    if "tags" in query:
        tests.append(lambda row: any(tag in row.tags for tag in query["tags"]))
    if "excluded_tags" in query:
        tests.append(lambda row: not any(tag in row.tags for tag in query["excluded_tags"]))
    return (lambda row: all(test(row) for test in tests)) if tests else None


def _make_routes(state: State) -> APIRouter:
    router = APIRouter()
    contacts: Table[ThoughtlyRow] = state.tables[NAME]

    def allow(request: Request) -> None:
        if request.headers.get("x-api-token") != KEY or request.headers.get("team_id") != TEAM:
            raise ApiError(401, "unauthorized", "x-api-token and team_id are required together.")
        if state.exceeds_rate(NAME, *_RATE):
            raise ApiError(429, "rate_limited", "Too many requests.")

    @router.get("/contact/{contact_id}")
    async def get_contact(contact_id: str, request: Request) -> Response:
        allow(request)
        parse_query(state, NAME, request, QueryModel)
        rows = contacts.find(contact_id)
        if not rows:
            raise ApiError(404, "not_found", "Contact not found")
        return json_response(b'{"data":%b,"error":null}' % rows[0].json())

    @router.get("/contact")
    async def list_contacts(request: Request) -> Response:
        allow(request)
        query = parse_query(state, NAME, request, ContactQuery)
        size = query.pop("limit", 20)
        page = query.pop("page", 0)
        order = query.pop("sort", None)
        direction = query.pop("sortDirection", "asc")
        rows = contacts.matching(cache_key(query), _make_test(query))
        if order:
            key = (lambda row: row.person.name) if order == "name" else (lambda row: row.created)
            rows = sorted(rows, key=key, reverse=direction == "desc")
        records = join_json(row.json() for row in rows[page * size : (page + 1) * size])
        return json_response(b'{"data":{"contacts":%b}}' % records)

    return router


SANDBOX_VENDOR = SandboxVendor(
    name=NAME,
    connection={"login": TEAM, "password": KEY},
    make_row=ThoughtlyRow,
    make_routes=_make_routes,
    error_body=_error_body,
    samples=Samples(
        path="/contact",
        connection={
            "conn_type": NAME,
            "password": "secret-of-the-test",
            "extra": {"team_id": "team-of-the-test"},
        },
        id_key="id",
        filters={
            "search": "a",
            "phone_numbers_only": True,
            "tags": ["VIP", "called"],
            "excluded_tags": ["callback"],
            "sort": "name",
            "sortDirection": "desc",
        },
        enumerated="sortDirection",
        narrow={"tags": ["VIP"]},
        make_page=lambda records, _is_last: {"data": {"contacts": records}, "error": None},
        odd_values={
            "name": ["A"],
            "tags": {"a": 1},
            "attributes": [],
            "created_at": "now",
            "phone_number": 15,
        },
        conditions=(
            ConditionSample(
                condition={"condition": "tagged", "name": "naïve lead"},
                matches=lambda row: "naïve lead" in row.tags,
            ),
            ConditionSample(condition={"condition": "has_phone"}, matches=lambda row: row.has_phone),
        ),
        unknown_fields=(
            ({}, frozenset({"tags", "phone"})),
            ({"tags": None, "phone_number": None}, frozenset()),
            ({"tags": {"DNC": True}, "phone_number": {}}, frozenset({"tags", "phone"})),
        ),
    ),
)
