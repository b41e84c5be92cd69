"""Cardfile, a fictional vendor whose pages link to the next one."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Annotated, Literal
from urllib.parse import urlencode

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
    parse_json_body,
    parse_query,
    reject,
)
from airflow_provider_contacts.sandbox.vendor import (
    ChangeSample,
    ConditionSample,
    Samples,
    SandboxVendor,
)

NAME = "cardfile"
TOKEN = "sandbox-key"
LABELS = ("VIP", "Old tag", "Möglich")
_RATE = (300, 60.0)
_PEOPLE_OFFSET = 1


class PeopleQuery(QueryModel):
    """Parameters of ``GET /v2/people``."""

    per_page: Annotated[Number, Field(ge=1, le=100)] = 20
    page: Annotated[Number, Field(ge=1)] = 1
    search: Text | None = None
    label: Text | None = None
    answered: Boolean | None = None
    state: Literal["open", "closed"] | None = None


class CardfileRow(Row):
    """A person in the card file."""

    __slots__ = ("answered", "labels", "open", "person")

    def __init__(self, state: State, number: int) -> None:
        super().__init__("", str(9000 + number))
        pick = state.make_random(NAME, number)
        self.person = find_person(state.person_number(number, _PEOPLE_OFFSET), state.seed)
        self.labels = pick.sample(LABELS, pick.choice((0, 1, 2)))
        self.answered = BASE_TIME_SECONDS + pick.randrange(10_000_000) if pick.random() < 0.3 else None
        self.open = pick.random() < 0.5

    def record(self, variant: Hashable) -> dict[str, object]:
        """Return the record as the vendor sends it."""
        return {
            "id": int(self.contact_id),
            "full_name": self.person.name,
            "email": self.person.email,
            "mobile": self.person.phone if self.open else None,
            "labels": self.labels,
            "answered_at": None if self.answered is None else iso_time(self.answered),
        }


def _reply(row: CardfileRow, now: float) -> None:
    row.answered = int(now)


def _error_body(error: ApiError) -> bytes:
    return msgspec.json.encode({"error": {"code": error.label, "message": error.message}})


def _make_test(query: Query) -> Callable[[CardfileRow], bool] | None:
    tests: dict[str, Callable[[CardfileRow], bool]] = {
        "search": lambda row: query["search"].lower() in row.person.name.lower(),
        "label": lambda row: query["label"] in row.labels,
        "answered": lambda row: (row.answered is not None) == query["answered"],
        "state": lambda row: row.open == (query["state"] == "open"),
    }
    wanted = [tests[name] for name in query]
    return (lambda row: all(test(row) for test in wanted)) if wanted else None


def _make_routes(state: State) -> APIRouter:
    router = APIRouter()
    people: Table[CardfileRow] = state.tables[NAME]

    def allow(request: Request) -> None:
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            raise ApiError(401, "unauthorized", "The API token is not valid.")
        if state.exceeds_rate(NAME, *_RATE):
            raise ApiError(429, "rate_limited", "More than 300 requests in a minute.")

    @router.get("/v2/people")
    async def list_people(request: Request) -> Response:
        allow(request)
        query = parse_query(state, NAME, request, PeopleQuery)
        size = query.pop("per_page", 20)
        page = query.pop("page", 1)
        rows = people.matching(cache_key(query), _make_test(query))
        following = [pair for pair in request.query_params.multi_items() if pair[0] != "page"]
        link = f"{request.url.path}?{urlencode([*following, ('page', page + 1)])}"
        envelope = {
            "results": msgspec.Raw(join_json(row.json() for row in rows[(page - 1) * size : page * size])),
            "count": len(rows),
            "next": link if page * size < len(rows) else None,
        }
        return json_response(msgspec.json.encode(envelope))

    @router.patch("/v2/people/{contact_id}/labels")
    async def change_labels(contact_id: str, request: Request) -> Response:
        allow(request)
        parse_query(state, NAME, request, QueryModel)
        body = await parse_json_body(state, NAME, request)
        if not body or (body.keys() - {"add", "remove"} and body.keys() != {"set"}):
            reject(state, NAME, request, "the body must be `add` and `remove`, or `set`")
        rows = people.find(contact_id)
        if not rows:
            raise ApiError(404, "not_found", "The person does not exist.")
        [row] = rows
        kept = [] if "set" in body else [name for name in row.labels if name not in body.get("remove", [])]
        row.labels = list(dict.fromkeys([*kept, *body.get("add", []), *body.get("set", [])]))
        people.invalidate(row)
        return json_response(row.json())

    return router


SANDBOX_VENDOR = SandboxVendor(
    name=NAME,
    connection={"password": TOKEN},
    make_row=CardfileRow,
    make_routes=_make_routes,
    error_body=_error_body,
    events={"reply": _reply},
    samples=Samples(
        path="/v2/people",
        connection={"conn_type": NAME, "password": "secret-of-the-test"},
        id_key="id",
        filters={"search": "a", "label": "VIP", "answered": True, "state": "open"},
        enumerated="state",
        narrow={"label": "VIP"},
        make_page=lambda records, is_last: {
            "results": records,
            "count": len(records) * (1 if is_last else 3),
            "next": None if is_last else "/v2/people?page=2",
        },
        odd_values={"full_name": 1, "email": [], "mobile": {}, "labels": "VIP", "answered_at": "soon"},
        conditions=(
            ConditionSample(condition={"condition": "replied"}, matches=lambda row: row.answered is not None),
            ConditionSample(
                condition={"condition": "replied", "since": "2026-03-01"},
                matches=lambda row: (row.answered or 0) > 1_772_323_200,
            ),
            ConditionSample(
                condition={"condition": "tagged", "name": "VIP"}, matches=lambda row: "VIP" in row.labels
            ),
            ConditionSample(condition={"condition": "has_phone"}, matches=lambda row: row.open),
        ),
        unknown_fields=(
            ({}, frozenset({"phone", "tags"})),
            ({"mobile": {}, "labels": ["VIP", {}]}, frozenset({"phone", "tags"})),
            ({"mobile": None, "labels": None}, frozenset()),
        ),
        changes=(
            ChangeSample(
                kind="tags",
                arguments={"add": ["New"], "remove": ["VIP"]},
                is_made=lambda row: "New" in row.labels and "VIP" not in row.labels,
            ),
            ChangeSample(
                kind="tags", arguments={"replace": ["Only"]}, is_made=lambda row: row.labels == ["Only"]
            ),
        ),
    ),
)
