"""Mailstand, as its pages on contacts, errors and rate limits document it.

The pages leave some things open. The sandbox rejects a ``display`` above 2000 with 400, returns an
empty page past the last one, and spells booleans ``true`` and ``false``.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Hashable
from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Request, Response
from pydantic import Field

from airflow_provider_contacts.sandbox.people import Person, find_person
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
    json_response,
    parse_json_body,
    parse_query,
    reject,
)
from airflow_provider_contacts.sandbox.vendor import ChangeSample, ConditionSample, Samples, SandboxVendor

NAME = "mailstand"
KEY = "sandbox-key"
WORKSPACE = "space_sandbox"
EMPTY_WORKSPACE = "space_empty"
CAMPAIGNS = ("camp_spring", "camp_autumn")
STAGES = (
    "Reviewing",
    "Untouched",
    "Prospecting",
    "Replied",
    "Unresponsive",
    "Do Not Contact",
    "Bad Contact Info",
    "Interested",
    "Not Interested",
    "Nurture",
    "Excluded",
)
WRITABLE_STAGES = {
    "interested": "Interested",
    "not_interested": "Not Interested",
    "nurture": "Nurture",
    "do_not_contact": "Do Not Contact",
}
_RATE = (100, 15.0)
_PEOPLE_OFFSET = 2
_PHONE_FIELDS = ("mobile_phone", "work_phone", "home_phone", "voip_phone", "other_phone")
_EVENT_FILTERS = {
    "has_opened": "open",
    "has_clicked": "click",
    "has_replied": "reply",
    "has_bounced": "bounce",
}


class ContactsQuery(QueryModel):
    """Parameters of ``GET /contacts``."""

    workspace: Annotated[str, Field(pattern=r"^space_\w+$")] | None = None
    display: Annotated[Number, Field(ge=1, le=2000)] | None = None
    page: Annotated[Number, Field(ge=1)] | None = None
    campaign: Annotated[str, Field(pattern=r"^camp_\w+$")] | None = None
    search: Text | None = None
    stage: Literal[STAGES] | None = None  # type: ignore[valid-type]
    has_opened: Boolean | None = None
    has_clicked: Boolean | None = None
    has_replied: Boolean | None = None
    has_bounced: Boolean | None = None


class WorkspacesQuery(QueryModel):
    """Parameters of ``GET /workspaces``."""

    search: Text | None = None


class MailstandRow(Row):
    """A recipient of e-mail."""

    __slots__ = (
        "campaign",
        "created",
        "has_email",
        "last",
        "lead_score",
        "other_stages",
        "person",
        "phone_field",
        "stage",
    )

    def __init__(self, state: State, number: int) -> None:
        pick = state.make_random(NAME, number)
        super().__init__(WORKSPACE, f"contact_{pick.getrandbits(96):024x}{number}")
        self.person = find_person(state.person_number(number, _PEOPLE_OFFSET), state.seed)
        self.stage = pick.choice(STAGES)
        self.campaign = pick.choice(CAMPAIGNS)
        # In further campaigns. A listing shows one stage, the most progressed one.
        self.other_stages: dict[str, str] = {}
        self.created = BASE_TIME_SECONDS + pick.randrange(10_000_000)
        self.phone_field = pick.choice(("mobile_phone", "work_phone", "other_phone", None))
        self.has_email = pick.random() < 0.97
        self.lead_score = str(pick.randrange(100))
        self.last: dict[str, int | None] = dict.fromkeys(
            ("sent", "open", "click", "reply", "unsubscribe", "bounce")
        )
        sent = self.created + 1000
        if self.stage != "Untouched":
            self.last["sent"] = sent
            self.last["open"] = sent + 50 if pick.random() < 0.5 else None
            self.last["click"] = sent + 90 if self.last["open"] and pick.random() < 0.3 else None
            self.last["bounce"] = sent + 5 if self.stage == "Bad Contact Info" else None
            self.last["unsubscribe"] = sent + 99 if self.stage == "Do Not Contact" else None
        if self.stage in ("Replied", "Interested", "Not Interested"):
            self.last["reply"] = sent + 200

    def record(self, variant: Hashable) -> dict[str, object]:
        """Return the record in a listing; ``variant`` is the listing's campaign, or None."""
        record = {**_fixed_fields(self.person), **self._own_fields()}
        if variant is not None:
            record.update({f"last_{event}": moment for event, moment in self.last.items()})
        return record

    def details(self) -> dict[str, object]:
        """Return the record of ``GET /contacts/{id}``, which has another form than in a listing."""
        record = {**_fixed_fields(self.person), **self._own_fields()}
        stage = record.pop("stage")
        stages = {self.campaign: self.stage, **self.other_stages}
        campaigns = [
            {
                "campaign": campaign,
                "stage": f"stage_{name.lower().replace(' ', '_')}",
                "stage_name": name,
                "sending_mailbox": None,
                **{
                    f"last_{event}": moment
                    for event, moment in self.last.items()
                    if campaign == self.campaign
                },
            }
            for campaign, name in stages.items()
        ]
        return {**record, "workspace": WORKSPACE, "status": stage, "source": "API", "campaigns": campaigns}

    def set_stage(self, stage: str, campaign: str) -> None:
        """Set the stage in one campaign, or in all of them."""
        if campaign in ("all", self.campaign):
            self.stage = stage
        for name in self.other_stages:
            if campaign in ("all", name):
                self.other_stages[name] = stage

    def _own_fields(self) -> dict[str, object]:
        # Free-form, and without the country.
        number = self.person.phone
        phone = f"{number[1]} ({number[2:5]}) {number[5:8]}-{number[8:]}"
        return {
            "id": self.contact_id,
            "email": self.person.email if self.has_email else "",
            "stage": self.stage,
            "lead_score": self.lead_score,
            "created": self.created,
            **{field: phone if field == self.phone_field else "" for field in _PHONE_FIELDS},
        }


def _fixed_fields(person: Person) -> dict[str, object]:
    return {
        "active": "locked",
        "full_name": person.name,
        "first_name": person.first,
        "middle_name": "",
        "last_name": person.last,
        "nickname": None,
        "title": person.title,
        "company_name": person.company,
        "company_formal_name": person.company,
        "company_industry": "Manufacturing",
        "address_1": "5 Apple Road",
        "address_2": "",
        "city": person.city,
        "state": None,
        "zip": "19019",
        "country": person.country if person.region != "US" else "USA",
        "region": person.city,
        "timezone": person.timezone,
        "gender": None,
        "occupation": person.title,
        "linkedin": f"https://www.linkedin.com/in/{person.handle}",
        "twitter": "",
        "stack_overflow": "",
        "website_1": "",
        "website_2": "",
        "website_3": None,
        "personal_note_1": "",
        "personal_note_2": "",
        "personal_note_3": "",
        "job_start_date": "01/01/2022",
        "school": "Yale",
        "graduation_date": "06/01/2023",
        "degree": "Masters",
        "locked_mailbox": None,
        "locked_mailbox_id": None,
        "locked_mailbox_color": None,
        "created_at": "47 minutes ago",
        "last_updated": "47 minutes ago",
        "last_activity": "47 minutes ago",
        "custom_1": None,
    }


def _reply(row: MailstandRow, now: float) -> None:
    row.last["reply"] = int(now)
    row.stage = "Replied"


def _error_body(error: ApiError) -> bytes:
    return msgspec.json.encode({"statusCode": error.status, "error": error.label, "message": error.message})


def _is_allowed(header: str | None) -> bool:
    scheme, _, encoded = (header or "").partition(" ")
    try:
        return scheme.lower() == "basic" and base64.b64decode(encoded).decode() == f"{KEY}:"
    except (binascii.Error, UnicodeDecodeError):
        return False


def _make_test(query: Query) -> Callable[[MailstandRow], bool] | None:
    tests: list[Callable[[MailstandRow], bool]] = []
    if query.get("workspace") == EMPTY_WORKSPACE:
        tests.append(lambda row: False)
    if "campaign" in query:
        tests.append(lambda row: row.campaign == query["campaign"])
    if "search" in query:
        tests.append(lambda row: row.has_email and query["search"].lower() in row.person.email)
    if "stage" in query:
        tests.append(lambda row: row.stage == query["stage"])
    for name, event in _EVENT_FILTERS.items():
        if name in query:
            tests.append(lambda row, event=event, name=name: (row.last[event] is not None) == query[name])  # type: ignore[misc]
    return (lambda row: all(test(row) for test in tests)) if tests else None


# One function, because the endpoints are closures over the state.
def _make_routes(state: State) -> APIRouter:
    router = APIRouter()
    contacts: Table[MailstandRow] = state.tables[NAME]

    def allow(request: Request) -> None:
        if not _is_allowed(request.headers.get("authorization")):
            raise ApiError(401, "Unauthorized Permission", "The API key is missing or invalid.")
        if state.exceeds_rate(NAME, *_RATE):
            raise ApiError(429, "Rate Limited", "More than 100 requests in 15 seconds.")

    @router.get("/workspaces")
    async def list_workspaces(request: Request) -> Response:
        allow(request)
        parse_query(state, NAME, request, WorkspacesQuery)
        spaces = [
            {"id": space, "name": space, "color": "#37C23C", "campaign_count": len(CAMPAIGNS)}
            for space in (WORKSPACE, EMPTY_WORKSPACE)
        ]
        return json_response(msgspec.json.encode({"status": "ok", "data": spaces}))

    @router.put("/contacts/{contact_id}")
    async def edit_contact(contact_id: str, request: Request) -> Response:
        allow(request)
        parse_query(state, NAME, request, QueryModel)
        body = await parse_json_body(state, NAME, request)
        stages = body.keys() & WRITABLE_STAGES.keys()
        if len(stages) != 1 or len(body) != 1:
            reject(state, NAME, request, "the body is not one stage with its campaign")
        [stage] = stages
        rows = contacts.find(contact_id, WORKSPACE)
        if not rows:
            raise ApiError(400, "Missing Record", "The contact does not exist.")
        if body[stage] not in ("all", *CAMPAIGNS):
            reject(state, NAME, request, "the value of a stage is neither a campaign nor all")
        rows[0].set_stage(WRITABLE_STAGES[stage], body[stage])
        contacts.invalidate(rows[0])
        return json_response(b'{"status":"ok"}')

    @router.get("/contacts/{contact_id}")
    async def get_contact(contact_id: str, request: Request) -> Response:
        allow(request)
        parse_query(state, NAME, request, QueryModel)
        rows = contacts.find(contact_id, WORKSPACE)
        if not rows:
            raise ApiError(400, "Missing Record", "The contact does not exist.")
        return json_response(msgspec.json.encode(rows[0].details()))

    @router.get("/contacts")
    async def list_contacts(request: Request) -> Response:
        allow(request)
        query = parse_query(state, NAME, request, ContactsQuery)
        missing = [name for name in ("workspace", "display", "page") if name not in query]
        if missing:
            problem = f"Your request is missing the following keys: {', '.join(missing)}"
            reject(state, NAME, request, problem, label="Missing Fields")
        size = query.pop("display")
        page = query.pop("page")
        if query["workspace"] not in (WORKSPACE, EMPTY_WORKSPACE):
            raise ApiError(400, "Missing Record", "The workspace does not exist.")
        is_filtered = query["workspace"] == EMPTY_WORKSPACE or len(query) > 1
        test = _make_test(query) if is_filtered else None
        rows = contacts.matching(cache_key(query), test)
        campaign = query.get("campaign")
        records = join_json(row.json(campaign) for row in rows[(page - 1) * size : page * size])
        envelope = {
            "status": "ok",
            "headers": ["active", "email", "stage", "full_name"],
            "data": msgspec.Raw(records),
            "total_found": len(rows),
            "current_page": page,
            "total_pages": max(1, -(-len(rows) // size)),
        }
        return json_response(msgspec.json.encode(envelope))

    return router


_MARCH_FIRST_SECONDS = 1_772_323_200  # 2026-03-01

SANDBOX_VENDOR = SandboxVendor(
    name=NAME,
    connection={"password": KEY, "extra": {"workspace": WORKSPACE}},
    make_row=MailstandRow,
    make_routes=_make_routes,
    error_body=_error_body,
    events={"reply": _reply},
    samples=Samples(
        path="/contacts",
        connection={
            "conn_type": NAME,
            "password": "secret-of-the-test",
            "extra": {"workspace": "space_test"},
        },
        id_key="id",
        filters={
            "workspace": WORKSPACE,
            "campaign": "camp_spring",
            "search": "person",
            "stage": "Do Not Contact",
            "has_opened": True,
            "has_clicked": False,
            "has_replied": True,
            "has_bounced": False,
        },
        enumerated="stage",
        narrow={"stage": "Interested"},
        make_page=lambda records, is_last: {
            "status": "ok",
            "headers": [],
            "data": records,
            "total_found": len(records) * (1 if is_last else 3),
            "current_page": 1,
            "total_pages": 1,
        },
        odd_values={
            "email": 1,
            "stage": {},
            "created": "47 minutes ago",
            "last_reply": "soon",
            "mobile_phone": 12,
        },
        conditions=(
            ConditionSample(
                condition={"condition": "replied"}, matches=lambda row: row.last["reply"] is not None
            ),
            ConditionSample(
                condition={"condition": "replied", "since": "2026-03-01"},
                filters={"campaign": "camp_spring"},
                matches=lambda row: (
                    row.campaign == "camp_spring" and (row.last["reply"] or 0) > _MARCH_FIRST_SECONDS
                ),
            ),
            ConditionSample(
                condition={"condition": "in_stage", "name": "do not contact"},
                matches=lambda row: row.stage == "Do Not Contact",
            ),
            ConditionSample(
                condition={"condition": "in_stage", "name": ["Interested", "NURTURE"]},
                matches=lambda row: row.stage in ("Interested", "Nurture"),
            ),
            ConditionSample(
                condition={"condition": "unsubscribed"},
                filters={"campaign": "camp_spring"},
                matches=lambda row: row.campaign == "camp_spring" and row.last["unsubscribe"] is not None,
            ),
            ConditionSample(
                condition={"condition": "opened"}, matches=lambda row: row.last["open"] is not None
            ),
            ConditionSample(
                condition={"condition": "clicked"}, matches=lambda row: row.last["click"] is not None
            ),
            ConditionSample(
                condition={"condition": "bounced"}, matches=lambda row: row.last["bounce"] is not None
            ),
            ConditionSample(
                condition={"condition": "has_phone"}, matches=lambda row: row.phone_field is not None
            ),
        ),
        unknown_fields=(
            ({}, frozenset({"stage", "phone", "opened_at", "clicked_at", "bounced_at", "unsubscribed_at"})),
            (
                {"stage": {}, "last_open": "2 days ago", "last_click": None, "last_bounce": ""},
                frozenset({"stage", "phone", "opened_at", "clicked_at", "bounced_at", "unsubscribed_at"}),
            ),
            (
                {
                    "stage": None,
                    "mobile_phone": None,
                    "work_phone": "1",
                    "last_open": 1,
                    "last_click": 1,
                    "last_bounce": None,
                    "last_unsubscribe": 1,
                },
                frozenset({"bounced_at"}),
            ),
            (
                {
                    "stage": "x",
                    **dict.fromkeys(_PHONE_FIELDS),
                    "last_open": None,
                    "last_click": None,
                    "last_bounce": None,
                },
                # In a listing with `campaign`, null would mean never.
                frozenset({"opened_at", "clicked_at", "bounced_at", "unsubscribed_at"}),
            ),
        ),
        changes=(
            ChangeSample(
                kind="stage",
                arguments={"stage": "Nurture", "campaign": "all"},
                is_made=lambda row: row.stage == "Nurture",
            ),
        ),
    ),
)
