"""Tether as its page list-contacts and the older and newer pages beside it describe it.

Not on the pages, and so the sandbox's own choice: the content of ``meta``, what ``messageStatus`` may be, and
which keys the last two ranges have.
"""

from __future__ import annotations

import datetime
import secrets
from collections.abc import Callable
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response

from airflow_provider_contacts.sandbox import checking
from airflow_provider_contacts.sandbox.checking import Refused
from airflow_provider_contacts.sandbox.people import Person, person
from airflow_provider_contacts.sandbox.world import Row, Table, World, join_json

VENDOR = "tether"
TOKEN = "sandbox-token"  # noqa: S105 - the sandbox's, and known to all
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
_EPOCH = 1_767_225_600
BUCKET_FIELDS = {
    "page", "size", "search", "source", "ownerFilter", "owner", "assignee", "pipelineType", "pipelineId",
    "status", "createdDateRange", "stages", "messageStatus", "bulkOnly",
}  # fmt: skip

RULES: dict[str, checking.Rule] = {
    "page": checking.whole(1),
    "size": checking.whole(1),
    "search": checking.text,
    "source": checking.text,
    "leadSource": checking.text,
    "ownerFilter": checking.pattern(r"my|all|team|unassigned|[0-9a-f]{24}"),
    "status": checking.text,
    "pipelineStage": checking.pattern(r"[0-9a-f]{24}"),
    "pipelineId": checking.pattern(r"[0-9a-f]{24}"),
    "dateRange": checking.json_object,
    "owner": checking.text,
    "assignee": checking.text,
    "messageStatus": checking.text,
    "lastMessageTimeRange": checking.json_object,
    "lastMessageDateRange": checking.json_object,
}


class Lead(Row):
    """A person in a pipeline."""

    __slots__ = ("array_phone", "created", "message_status", "owner", "person", "phone", "source", "status")

    def __init__(self, world: World, number: int) -> None:
        pick = world.random(VENDOR, number)
        super().__init__(ORGANIZATION, f"{number:08x}{pick.getrandbits(64):016x}")
        self.person: Person = person(world.person_number(VENDOR, number), world.seed)
        self.status: str | None = pick.choice(tuple(STAGES))
        self.owner = pick.choice(USERS)
        self.source = pick.choice(SOURCES)
        self.array_phone = pick.random() < 0.5
        self.phone = self.person.phone if pick.random() < 0.9 else None
        self.message_status = pick.choice(("replied", "unread", "none"))
        self.created = _EPOCH + pick.randrange(10_000_000)

    def record(self, variant: Any) -> dict[str, Any]:
        who = self.person
        number = self.phone
        phone: Any = number or ""
        email: Any = who.email
        if self.array_phone:
            phone = (
                [{"value": "", "isPrimary": False}, {"value": number, "isPrimary": True}] if number else []
            )
            email = [{"value": who.email, "isPrimary": True}]
        created = _iso(self.created)
        return {
            "_id": self.contact_id,
            "firstName": who.first,
            "lastName": who.last,
            "phoneNumber": phone,
            "email": email,
            "status": self.status,
            "pipelineId": PIPELINE,
            "pipelineStage": STAGES.get(self.status or ""),
            "organizationId": ORGANIZATION,
            "userId": self.owner,
            "createdBy": {"_id": ME, "fullName": "Op"} if self.array_phone else ME,
            "assignees": [self.owner] if self.owner else [],
            "source": self.source,
            "createdAt": created,
            "updatedAt": created,
        }


def _iso(seconds: float) -> str:
    moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def table(world: World) -> Table[Lead]:
    """Return the vendor's contacts."""
    return Table(lambda number: Lead(world, number), world.contacts)


def reply(row: Lead, now: float) -> None:
    """Make somebody answer a message."""
    row.message_status = "replied"


def failure(refused: Refused) -> bytes:
    """Return the vendor's error body."""
    return msgspec.json.encode({"error": {"code": refused.label, "message": refused.message}})


def _test(values: dict[str, Any]) -> Callable[[Lead], bool] | None:
    tests: list[Callable[[Lead], bool]] = []
    scope = values.get("ownerFilter", "my")
    if "owner" in values:
        tests.append(lambda row: row.owner == values["owner"])
    elif scope == "my":
        tests.append(lambda row: row.owner == ME)
    elif scope == "unassigned":
        tests.append(lambda row: row.owner is None)
    elif scope not in ("all", "team"):
        tests.append(lambda row: row.owner == scope)
    if "search" in values:
        word = values["search"].lower()
        tests.append(
            lambda row: any(
                word in text.lower() for text in (row.person.name, row.person.email, row.phone or "")
            )
        )
    for name in ("source", "leadSource"):
        if name in values:
            tests.append(lambda row, name=name: row.source == values[name])  # type: ignore[misc]
    if "status" in values:
        tests.append(lambda row: (row.status or "") == values["status"])
    if "pipelineStage" in values:
        tests.append(lambda row: STAGES.get(row.status or "") == values["pipelineStage"])
    if "pipelineId" in values:
        tests.append(lambda row: values["pipelineId"] == PIPELINE)
    if "assignee" in values:
        tests.append(lambda row: row.owner == values["assignee"])
    if "messageStatus" in values:
        tests.append(lambda row: row.message_status == values["messageStatus"])
    if "dateRange" in values:
        start, end = values["dateRange"].get("start", ""), values["dateRange"].get("end", "~")
        tests.append(lambda row: start <= _iso(row.created) <= end)
    return (lambda row: all(test(row) for test in tests)) if tests else None


def routes(world: World) -> APIRouter:
    """Return the vendor's endpoints."""
    router = APIRouter()
    contacts: Table[Lead] = world.tables[VENDOR]

    def allow(request: Request) -> None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or (token != TOKEN and token not in world.tokens):
            raise Refused(401, "unauthorized", "The token is missing, expired or malformed.")

    @router.post("/api/auth/login")
    async def log_in(request: Request) -> Response:
        body = await checking.json_body(world, VENDOR, request)
        if body.get("email") != EMAIL or body.get("password") != PASSWORD:
            raise Refused(401, "invalid_credentials", "E-mail or password is wrong.")
        token = f"sandbox-jwt-{secrets.token_hex(8)}"
        world.tokens.add(token)
        user = {
            "id": ME,
            "email": EMAIL,
            "fullName": "Op",
            "organizationId": ORGANIZATION,
            "accessRole": "ADMIN",
        }
        return checking.answer(msgspec.json.encode({"token": token, "user": user}))

    @router.get("/api/contacts")
    async def list_contacts(request: Request) -> Response:
        allow(request)
        values = checking.query(world, VENDOR, request, RULES)
        size, page = values.pop("size", 50), values.pop("page", 1)
        rows = contacts.matching(checking.question(values), _test(values))
        records = msgspec.Raw(join_json(row.json() for row in rows[(page - 1) * size : page * size]))
        envelope = {
            "success": True,
            "data": {"contacts": records, "total": len(rows), "page": page, "size": size},
            "meta": {},
            "contacts": records,
            "total": len(rows),
        }
        return checking.answer(msgspec.json.encode(envelope))

    @router.get("/api/pipelines")
    async def pipelines(request: Request) -> Response:
        allow(request)
        values = checking.query(world, VENDOR, request, {"type": checking.option("Contact", "Application")})
        if "type" not in values:
            checking.refuse(world, VENDOR, request, "type is missing")
        pipeline = {"_id": PIPELINE, "type": values["type"], "stages": list(STAGES)}
        return checking.answer(msgspec.json.encode({"success": True, "data": pipeline}))

    @router.post("/api/contacts")
    async def contacts_by_stage(request: Request) -> Response:
        allow(request)
        checking.query(world, VENDOR, request, {})
        body = await checking.json_body(world, VENDOR, request)
        if body.keys() - BUCKET_FIELDS:
            checking.refuse(world, VENDOR, request, "the body holds other fields than the page lists")
        size = body.get("size", 50)
        if (
            type(size) is not int
            or size < 1
            or body.get("pipelineType") not in (None, "Contact", "Application")
        ):
            checking.refuse(world, VENDOR, request, "size or pipelineType is none of the page's")
        buckets = {}
        for name in STAGES:
            rows = contacts.matching(("stage", name), lambda row, name=name: row.status == name)  # type: ignore[misc]
            records = msgspec.Raw(join_json(row.json() for row in rows[:size]))
            buckets[name] = {"contacts": records, "total": len(rows)}
        names = {stage_id: name for name, stage_id in STAGES.items()}
        envelope = {"success": True, "data": buckets, "stageIdByName": STAGES, "stageNameById": names}
        return checking.answer(msgspec.json.encode(envelope))

    @router.put("/api/contacts/bulk-update-status")
    async def update_many(request: Request) -> Response:
        allow(request)
        checking.query(world, VENDOR, request, {})
        body = await checking.json_body(world, VENDOR, request)
        ids, status, stage_id = (body.get(name) for name in ("contactIds", "status", "pipelineStageId"))
        well_formed = isinstance(ids, list) and all(isinstance(one, str) for one in ids)
        if len(body) != 3 or not ids or not well_formed or STAGES.get(status) != stage_id:  # type: ignore[arg-type]
            checking.refuse(world, VENDOR, request, "contactIds, status and its pipelineStageId are required")
        found = [row for one in ids or () for row in contacts.find(one)]
        changed = [row for row in found if row.status != status]
        for row in changed:
            row.status = status
            contacts.changed(row)
        counts = {"message": "Updated", "modifiedCount": len(changed), "matchedCount": len(found)}
        return checking.answer(msgspec.json.encode(counts))

    @router.patch("/api/contacts/{contact_id}")
    async def patch_contact(contact_id: str, request: Request) -> Response:
        allow(request)
        checking.query(world, VENDOR, request, {})
        body = await checking.json_body(world, VENDOR, request)
        if not body or body.keys() - {"status", "pipelineStage", "pipelineId", "phoneNumber"}:
            checking.refuse(
                world, VENDOR, request, "the body holds other fields than the page lists, or none"
            )
        rows = contacts.find(contact_id)
        if not rows:
            raise Refused(400, "invalid_request", "There is no such contact.")
        if "status" in body:
            # A status that the pipeline lacks clears the stage.
            rows[0].status = body["status"] if body["status"] in STAGES else None
            contacts.changed(rows[0])
        return checking.answer(b'{"success":true,"data":%b}' % rows[0].json())

    return router
