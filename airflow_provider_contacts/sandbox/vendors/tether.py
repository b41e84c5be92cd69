"""Tether, as its page list-contacts and the related older and newer pages document it.

The pages leave some things open. The sandbox decides the content of ``meta``, the values of
``messageStatus``, and the keys of the last two ranges.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Hashable
from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Request, Response
from pydantic import AfterValidator, Field

from airflow_provider_contacts.sandbox.people import find_person
from airflow_provider_contacts.sandbox.state import Row, State, Table, join_json
from airflow_provider_contacts.sandbox.validation import (
    BASE_TIME_SECONDS,
    ApiError,
    BodyModel,
    JsonObject,
    Number,
    Query,
    QueryModel,
    Text,
    cache_key,
    iso_time,
    json_response,
    parse_body,
    parse_query,
    reject,
)
from airflow_provider_contacts.sandbox.vendor import ChangeSample, ConditionSample, Samples, SandboxVendor

NAME = "tether"
TOKEN = "sandbox-token"  # noqa: S105 - the sandbox's, and public
EMAIL = "ops@contacts.example"
PASSWORD = "sandbox-password"  # noqa: S105
ORGANIZATION = "0" * 23 + "1"
ME = "a" * 24
USERS = (ME, "b" * 24, "c" * 24, None)
PIPELINE = "d" * 24
STAGES = {
    "New Lead": "e" * 23 + "1",
    "Contacted": "e" * 23 + "2",
    "Qualified": "e" * 23 + "3",
    "Lost": "e" * 23 + "4",
}
SOURCES = ("CSV Upload", "Webchat", "Facebook")
_PEOPLE_OFFSET = 3
# Fields of the body of `POST /api/contacts`, which reads contacts by stage.
_Id = Annotated[str, Field(pattern=r"^[0-9a-f]{24}$")]


def _require_dates(value: object) -> object:
    if not isinstance(value, dict) or not value or value.keys() - {"start", "end"}:
        raise ValueError("is not an object of start and end")
    if not all(isinstance(moment, str) for moment in value.values()):
        raise ValueError("contains a date that is not text")
    return value


DateRange = Annotated[JsonObject, AfterValidator(_require_dates)]


class ContactsQuery(QueryModel):
    """Parameters of ``GET /api/contacts``."""

    page: Annotated[Number, Field(ge=1)] = 1
    size: Annotated[Number, Field(ge=1)] = 50
    search: Text | None = None
    source: Text | None = None
    leadSource: Text | None = None
    ownerFilter: Annotated[str, Field(pattern=r"^(my|all|team|unassigned|[0-9a-f]{24})$")] = "my"
    status: Text | None = None
    pipelineStage: _Id | None = None
    pipelineId: _Id | None = None
    dateRange: DateRange | None = None
    owner: Text | None = None
    assignee: Text | None = None
    messageStatus: Text | None = None
    lastMessageTimeRange: JsonObject | None = None
    lastMessageDateRange: JsonObject | None = None


class LoginBody(BodyModel):
    """Body of ``POST /api/auth/login``."""

    email: Text
    password: Text


class BucketsBody(BodyModel):
    """Body of ``POST /api/contacts``, which lists contacts by stage."""

    page: dict[str, int] | None = None
    size: Annotated[int, Field(ge=1)] = 50
    search: Text | None = None
    source: Text | None = None
    ownerFilter: Text | None = None
    owner: list[_Id] | None = None
    assignee: list[_Id] | None = None
    pipelineType: Literal["Contact", "Application"] | None = None
    pipelineId: _Id | None = None
    status: Text | None = None
    createdDateRange: dict[str, str] | None = None
    stages: list[Text] | None = None
    messageStatus: Text | None = None
    bulkOnly: bool | None = None


class BulkBody(BodyModel):
    """Body of ``PUT /api/contacts/bulk-update-status``."""

    contactIds: Annotated[list[_Id], Field(min_length=1)]
    status: Text
    pipelineStageId: _Id


class PatchBody(BodyModel):
    """Body of ``PATCH /api/contacts/{id}``."""

    status: Text | None = None
    pipelineStage: _Id | None = None
    pipelineId: _Id | None = None
    phoneNumber: Text | list[Text] | None = None


class PipelinesQuery(QueryModel):
    """Parameters of ``GET /api/pipelines``."""

    type: Literal["Contact", "Application"] | None = None


class TetherRow(Row):
    """A lead in a pipeline."""

    __slots__ = ("created", "has_arrays", "message_status", "owner", "person", "phone", "source", "status")

    def __init__(self, state: State, number: int) -> None:
        pick = state.make_random(NAME, number)
        super().__init__(ORGANIZATION, f"{number:08x}{pick.getrandbits(64):016x}")
        self.person = find_person(state.person_number(number, _PEOPLE_OFFSET), state.seed)
        self.status: str | None = pick.choice(tuple(STAGES))
        self.owner = pick.choice(USERS)
        self.source = pick.choice(SOURCES)
        # Newer records hold arrays of phone numbers and addresses, older ones text.
        self.has_arrays = pick.random() < 0.5
        self.phone = self.person.outdated_phone if pick.random() < 0.9 else None
        self.message_status = pick.choice(("replied", "unread", "none"))
        self.created = BASE_TIME_SECONDS + pick.randrange(10_000_000)

    def record(self, variant: Hashable) -> dict[str, object]:
        """Return the record as the vendor sends it."""
        person = self.person
        number = self.phone
        phone: object = number or ""
        email: object = person.email
        if self.has_arrays:
            numbers = [{"value": "", "isPrimary": False}, {"value": number, "isPrimary": True}]
            phone = numbers if number else []
            email = [{"value": person.email, "isPrimary": True}]
        created = iso_time(self.created, "milliseconds")
        return {
            "_id": self.contact_id,
            "firstName": person.first,
            "lastName": person.last,
            "phoneNumber": phone,
            "email": email,
            "status": self.status,
            "pipelineId": PIPELINE,
            "pipelineStage": STAGES.get(self.status or ""),
            "organizationId": ORGANIZATION,
            "userId": self.owner,
            "createdBy": {"_id": ME, "fullName": "Op"} if self.has_arrays else ME,
            "assignees": [self.owner] if self.owner else [],
            "source": self.source,
            "createdAt": created,
            "updatedAt": created,
        }


def _reply(row: TetherRow, _now: float) -> None:
    row.message_status = "replied"


def _error_body(error: ApiError) -> bytes:
    return msgspec.json.encode({"error": {"code": error.label, "message": error.message}})


def _owner_test(query: Query) -> Callable[[TetherRow], bool] | None:
    if "owner" in query:
        return lambda row: row.owner == query["owner"]
    scope = query.get("ownerFilter", "my")
    if scope in ("all", "team"):
        return None
    owner = {"my": ME, "unassigned": None}.get(scope, scope)
    return lambda row: row.owner == owner


def _make_test(query: Query) -> Callable[[TetherRow], bool] | None:
    tests: list[Callable[[TetherRow], bool]] = []
    if owner_test := _owner_test(query):
        tests.append(owner_test)
    if "search" in query:
        word = query["search"].lower()
        tests.append(
            lambda row: any(
                word in text.lower() for text in (row.person.name, row.person.email, row.phone or "")
            )
        )
    for name in ("source", "leadSource"):
        if name in query:
            tests.append(lambda row, name=name: row.source == query[name])  # type: ignore[misc]
    if "status" in query:
        tests.append(lambda row: (row.status or "") == query["status"])
    if "pipelineStage" in query:
        tests.append(lambda row: STAGES.get(row.status or "") == query["pipelineStage"])
    if "pipelineId" in query:
        tests.append(lambda row: query["pipelineId"] == PIPELINE)
    if "assignee" in query:
        tests.append(lambda row: row.owner == query["assignee"])
    if "messageStatus" in query:
        tests.append(lambda row: row.message_status == query["messageStatus"])
    if "dateRange" in query:
        start = query["dateRange"].get("start", "")
        end = query["dateRange"].get("end", "~")
        tests.append(lambda row: start <= iso_time(row.created, "milliseconds") <= end)
    return (lambda row: all(test(row) for test in tests)) if tests else None


# One function, because the endpoints are closures over the state.
def _make_routes(state: State) -> APIRouter:
    router = APIRouter()
    contacts: Table[TetherRow] = state.tables[NAME]

    def allow(request: Request) -> None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or (token != TOKEN and token not in state.tokens):
            raise ApiError(401, "unauthorized", "The token is missing, expired or malformed.")

    @router.post("/api/auth/login")
    async def log_in(request: Request) -> Response:
        parse_query(state, NAME, request, QueryModel)
        body = await parse_body(state, NAME, request, LoginBody)
        if body.get("email") != EMAIL or body.get("password") != PASSWORD:
            raise ApiError(401, "invalid_credentials", "E-mail or password is wrong.")
        token = f"sandbox-jwt-{secrets.token_hex(8)}"
        state.tokens.add(token)
        user = {
            "id": ME,
            "email": EMAIL,
            "fullName": "Op",
            "organizationId": ORGANIZATION,
            "accessRole": "ADMIN",
        }
        return json_response(msgspec.json.encode({"token": token, "user": user}))

    @router.get("/api/contacts")
    async def list_contacts(request: Request) -> Response:
        allow(request)
        query = parse_query(state, NAME, request, ContactsQuery)
        size = query.pop("size", 50)
        page = query.pop("page", 1)
        rows = contacts.matching(cache_key(query), _make_test(query))
        records = msgspec.Raw(join_json(row.json() for row in rows[(page - 1) * size : page * size]))
        # The API sends the list and the total twice.
        envelope = {
            "success": True,
            "data": {"contacts": records, "total": len(rows), "page": page, "size": size},
            "meta": {},
            "contacts": records,
            "total": len(rows),
        }
        return json_response(msgspec.json.encode(envelope))

    @router.get("/api/contacts/{contact_id}")
    async def get_contact(contact_id: str, request: Request) -> Response:
        allow(request)
        parse_query(state, NAME, request, QueryModel)
        rows = contacts.find(contact_id)
        if not rows:
            raise ApiError(404, "not_found", "The contact does not exist.")
        return json_response(b'{"success":true,"data":%b}' % rows[0].json())

    @router.get("/api/pipelines")
    async def pipelines(request: Request) -> Response:
        allow(request)
        query = parse_query(state, NAME, request, PipelinesQuery)
        if "type" not in query:
            reject(state, NAME, request, "type is missing")
        pipeline = {"_id": PIPELINE, "type": query["type"], "stages": list(STAGES)}
        return json_response(msgspec.json.encode({"success": True, "data": pipeline}))

    @router.post("/api/contacts")
    async def contacts_by_stage(request: Request) -> Response:
        allow(request)
        parse_query(state, NAME, request, QueryModel)
        body = await parse_body(state, NAME, request, BucketsBody)
        size = body.get("size", 50)
        buckets = {}
        for name in STAGES:
            rows = contacts.matching(("stage", name), lambda row, name=name: row.status == name)  # type: ignore[misc]
            records = msgspec.Raw(join_json(row.json() for row in rows[:size]))
            buckets[name] = {"contacts": records, "total": len(rows)}
        names = {stage_id: name for name, stage_id in STAGES.items()}
        envelope = {"success": True, "data": buckets, "stageIdByName": STAGES, "stageNameById": names}
        return json_response(msgspec.json.encode(envelope))

    @router.put("/api/contacts/bulk-update-status")
    async def bulk_update(request: Request) -> Response:
        allow(request)
        parse_query(state, NAME, request, QueryModel)
        body = await parse_body(state, NAME, request, BulkBody)
        status = body["status"]
        if STAGES.get(status) != body["pipelineStageId"]:
            reject(state, NAME, request, "pipelineStageId is not the id of the status")
        ids = dict.fromkeys(body["contactIds"])
        found = [row for contact_id in ids for row in contacts.find(contact_id)]
        changed = [row for row in found if row.status != status]
        for row in changed:
            row.status = status
            contacts.invalidate(row)
        counts = {"message": "Updated", "modifiedCount": len(changed), "matchedCount": len(found)}
        return json_response(msgspec.json.encode(counts))

    @router.patch("/api/contacts/{contact_id}")
    async def patch_contact(contact_id: str, request: Request) -> Response:
        allow(request)
        parse_query(state, NAME, request, QueryModel)
        body = await parse_body(state, NAME, request, PatchBody)
        if not body:
            reject(state, NAME, request, "the body is empty")
        rows = contacts.find(contact_id)
        if not rows:
            raise ApiError(400, "invalid_request", "The contact does not exist.")
        if "status" in body:
            # A status that the pipeline lacks clears the stage.
            rows[0].status = body["status"] if body["status"] in STAGES else None
            contacts.invalidate(rows[0])
        return json_response(b'{"success":true,"data":%b}' % rows[0].json())

    return router


SANDBOX_VENDOR = SandboxVendor(
    name=NAME,
    connection={"login": EMAIL, "password": PASSWORD, "extra": {"pipeline_id": PIPELINE}},
    make_row=TetherRow,
    make_routes=_make_routes,
    error_body=_error_body,
    events={"reply": _reply},
    samples=Samples(
        path="/api/contacts",
        connection={
            "conn_type": NAME,
            "password": "secret-of-the-test",
            "extra": {"pipeline_id": PIPELINE},
        },
        id_key="_id",
        filters={
            "search": "a",
            "source": "Webchat",
            "leadSource": "Webchat",
            "ownerFilter": "all",
            "status": "New Lead",
            "pipelineStage": STAGES["New Lead"],
            "pipelineId": PIPELINE,
            "dateRange": {"start": "2026-01-01", "end": "2026-12-31"},
            "owner": ME,
            "assignee": ME,
            "messageStatus": "replied",
            "lastMessageTimeRange": '{"start": "2026-01-01"}',
            "lastMessageDateRange": {"start": "2026-01-01"},
        },
        enumerated="dateRange",
        narrow={"status": "Qualified"},
        make_page=lambda records, is_last: {
            "success": True,
            "data": {
                "contacts": records,
                "total": len(records) * (1 if is_last else 3),
                "page": 1,
                "size": 200,
            },
            "meta": {},
            "contacts": records,
            "total": len(records),
        },
        odd_values={"firstName": [], "phoneNumber": {"a": 1}, "email": 7, "createdAt": 12, "status": False},
        conditions=(
            ConditionSample(
                condition={"condition": "replied"},
                filters={"messageStatus": "replied"},
                matches=lambda row: row.message_status == "replied",
            ),
            ConditionSample(
                condition={"condition": "in_stage", "name": "new LEAD"},
                matches=lambda row: row.status == "New Lead",
            ),
            ConditionSample(
                condition={"condition": "in_stage", "name": ["New Lead", "Won"]},
                matches=lambda row: row.status in ("New Lead", "Won"),
            ),
            ConditionSample(condition={"condition": "has_phone"}, matches=lambda row: row.phone is not None),
        ),
        unknown_fields=(
            ({}, frozenset({"phone", "stage"})),
            ({"phoneNumber": "", "status": None}, frozenset()),
            ({"phoneNumber": [], "status": ""}, frozenset()),
            ({"phoneNumber": [{"value": ""}, None], "status": "x"}, frozenset()),
            ({"phoneNumber": {"number": "1"}, "status": 5}, frozenset({"phone"})),
            ({"phoneNumber": [{"number": "1"}], "status": {}}, frozenset({"phone", "stage"})),
        ),
        changes=(
            ChangeSample(
                kind="stage", arguments={"stage": "Qualified"}, is_made=lambda row: row.status == "Qualified"
            ),
        ),
    ),
)
