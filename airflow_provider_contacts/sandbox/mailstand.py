"""Mailstand as its pages list-all-contacts, errors and rate-limiting describe it.

Not on the pages, and so the sandbox's own choice: 400 for a ``display`` above 2000, an empty page past the
last one, and booleans spelt ``true`` and ``false``.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response

from airflow_provider_contacts.sandbox import checking
from airflow_provider_contacts.sandbox.checking import Refused
from airflow_provider_contacts.sandbox.people import Person, person
from airflow_provider_contacts.sandbox.world import Row, Table, World, join_json

VENDOR = "mailstand"
KEY = "sandbox-key"
WORKSPACE = "space_sandbox"
EMPTY_WORKSPACE = "space_empty"
CAMPAIGNS = ("camp_spring", "camp_autumn")
RATE = (100, 15.0)
STAGES = (
    "Reviewing", "Untouched", "Prospecting", "Replied", "Unresponsive", "Do Not Contact", "Bad Contact Info",
    "Interested", "Not Interested", "Nurture", "Excluded",
)  # fmt: skip
WRITABLE = {
    "interested": "Interested",
    "not_interested": "Not Interested",
    "nurture": "Nurture",
    "do_not_contact": "Do Not Contact",
}
_EPOCH = 1_767_225_600

RULES: dict[str, checking.Rule] = {
    "workspace": checking.pattern(r"space_\w+"),
    "display": checking.whole(1, 2000),
    "page": checking.whole(1),
    "campaign": checking.pattern(r"camp_\w+"),
    "search": checking.text,
    "stage": checking.option(*STAGES),
    "has_opened": checking.boolean,
    "has_clicked": checking.boolean,
    "has_replied": checking.boolean,
    "has_bounced": checking.boolean,
}


class Recipient(Row):
    """A person who gets e-mail."""

    __slots__ = ("campaign", "created", "has_email", "last", "lead_score", "person", "phone_field", "stage")

    def __init__(self, world: World, number: int) -> None:
        pick = world.random(VENDOR, number)
        super().__init__(WORKSPACE, f"contact_{pick.getrandbits(96):024x}{number}")
        self.person: Person = person(world.person_number(VENDOR, number), world.seed)
        self.stage = pick.choice(STAGES)
        self.campaign = pick.choice(CAMPAIGNS)
        self.created = _EPOCH + pick.randrange(10_000_000)
        self.phone_field = pick.choice(("mobile_phone", "work_phone", "other_phone", None))
        self.has_email = pick.random() < 0.97
        self.lead_score = str(pick.randrange(100))
        sent = self.created + 1000
        self.last: dict[str, int | None] = dict.fromkeys(
            ("sent", "open", "click", "reply", "unsubscribe", "bounce")
        )
        if self.stage != "Untouched":
            self.last["sent"] = sent
            self.last["open"] = sent + 50 if pick.random() < 0.5 else None
            self.last["click"] = sent + 90 if self.last["open"] and pick.random() < 0.3 else None
            self.last["bounce"] = sent + 5 if self.stage == "Bad Contact Info" else None
            self.last["unsubscribe"] = sent + 99 if self.stage == "Do Not Contact" else None
        if self.stage in ("Replied", "Interested", "Not Interested"):
            self.last["reply"] = sent + 200

    def record(self, variant: Any) -> dict[str, Any]:
        who = self.person
        # Free-form, and with the country told elsewhere.
        number = who.phone
        phone = f"{number[1]} ({number[2:5]}) {number[5:8]}-{number[8:]}"
        phones = dict.fromkeys(("mobile_phone", "work_phone", "home_phone", "voip_phone", "other_phone"), "")
        if self.phone_field:
            phones[self.phone_field] = phone
        record = {
            "id": self.contact_id, "active": "locked", "email": who.email if self.has_email else "",
            "stage": self.stage, "full_name": who.name, "first_name": who.first, "middle_name": "",
            "last_name": who.last, "nickname": None, "title": who.title, **phones, "lead_score": self.lead_score,
            "company_name": who.company, "company_formal_name": who.company, "company_industry": "Manufacturing",
            "address_1": "5 Apple Road", "address_2": "", "city": who.city, "state": None, "zip": "19019",
            "country": who.country if who.region != "US" else "USA", "region": who.city,
            "timezone": who.timezone, "gender": None, "occupation": who.title,
            "linkedin": f"https://www.linkedin.com/in/{who.handle}", "twitter": "", "stack_overflow": "",
            "website_1": "", "website_2": "", "website_3": None, "personal_note_1": "", "personal_note_2": "",
            "personal_note_3": "", "job_start_date": "01/01/2022", "school": "Yale",
            "graduation_date": "06/01/2023", "degree": "Masters", "locked_mailbox": None,
            "locked_mailbox_id": None, "locked_mailbox_color": None, "created_at": "47 minutes ago",
            "last_updated": "47 minutes ago", "last_activity": "47 minutes ago", "custom_1": None,
            "created": self.created,
        }  # fmt: skip
        if variant is not None:
            record.update({f"last_{event}": moment for event, moment in self.last.items()})
        return record


def table(world: World) -> Table[Recipient]:
    """Return the vendor's contacts."""
    return Table(lambda number: Recipient(world, number), world.contacts)


def reply(row: Recipient, now: float) -> None:
    """Make somebody answer a mail."""
    row.last["reply"] = int(now)
    row.stage = "Replied"


def failure(refused: Refused) -> bytes:
    """Return the vendor's error body."""
    return msgspec.json.encode(
        {"statusCode": refused.status, "error": refused.label, "message": refused.message}
    )


def _allowed(header: str | None) -> bool:
    scheme, _, encoded = (header or "").partition(" ")
    try:
        return scheme.lower() == "basic" and base64.b64decode(encoded).decode() == f"{KEY}:"
    except (binascii.Error, UnicodeDecodeError):
        return False


def _test(values: dict[str, Any]) -> Callable[[Recipient], bool] | None:
    tests: list[Callable[[Recipient], bool]] = []
    if values.get("workspace") == EMPTY_WORKSPACE:
        tests.append(lambda row: False)
    if "campaign" in values:
        tests.append(lambda row: row.campaign == values["campaign"])
    if "search" in values:
        tests.append(lambda row: row.has_email and values["search"].lower() in row.person.email)
    if "stage" in values:
        tests.append(lambda row: row.stage == values["stage"])
    for name, event in (
        ("has_opened", "open"), ("has_clicked", "click"), ("has_replied", "reply"), ("has_bounced", "bounce")
    ):  # fmt: skip
        if name in values:
            tests.append(lambda row, event=event, name=name: (row.last[event] is not None) == values[name])  # type: ignore[misc]
    return (lambda row: all(test(row) for test in tests)) if tests else None


def routes(world: World) -> APIRouter:
    """Return the vendor's endpoints."""
    router = APIRouter()
    contacts: Table[Recipient] = world.tables[VENDOR]

    def allow(request: Request) -> None:
        if not _allowed(request.headers.get("authorization")):
            raise Refused(401, "Unauthorized Permission", "There is no valid API key.")
        if world.too_many(VENDOR, *RATE):
            raise Refused(429, "Rate Limited", "More than 100 requests in 15 seconds.")

    @router.get("/workspaces")
    async def list_workspaces(request: Request) -> Response:
        allow(request)
        checking.query(world, VENDOR, request, {"search": checking.text})
        spaces = [
            {"id": space, "name": space, "color": "#37C23C", "campaign_count": len(CAMPAIGNS)}
            for space in (WORKSPACE, EMPTY_WORKSPACE)
        ]
        return checking.answer(msgspec.json.encode({"status": "ok", "data": spaces}))

    @router.put("/contacts/{contact_id}")
    async def edit_contact(contact_id: str, request: Request) -> Response:
        allow(request)
        checking.query(world, VENDOR, request, {})
        body = await checking.json_body(world, VENDOR, request)
        stages = body.keys() & WRITABLE.keys()
        if len(stages) != 1 or len(body) != 1:
            checking.refuse(world, VENDOR, request, "the body is not one stage and its campaign")
        [stage] = stages
        rows = contacts.find(contact_id, WORKSPACE)
        if not rows:
            raise Refused(400, "Missing Record", "There is no such contact.")
        if body[stage] not in ("all", *CAMPAIGNS):
            checking.refuse(world, VENDOR, request, "the value of a stage is neither a campaign nor all")
        if body[stage] in ("all", rows[0].campaign):
            rows[0].stage = WRITABLE[stage]
            contacts.changed(rows[0])
        return checking.answer(b'{"status":"ok"}')

    @router.get("/contacts")
    async def list_contacts(request: Request) -> Response:
        allow(request)
        values = checking.query(world, VENDOR, request, RULES)
        missing = [name for name in ("workspace", "display", "page") if name not in values]
        if missing:
            problem = f"Your request is missing the following keys: {', '.join(missing)}"
            checking.refuse(world, VENDOR, request, problem, label="Missing Fields")
        size, page = values.pop("display"), values.pop("page")
        if values["workspace"] not in (WORKSPACE, EMPTY_WORKSPACE):
            raise Refused(400, "Missing Record", "There is no such workspace.")
        asked = values if values["workspace"] == EMPTY_WORKSPACE or len(values) > 1 else {}
        rows = contacts.matching(checking.question(asked), _test(asked))
        found = rows[(page - 1) * size : page * size]
        campaign = values.get("campaign")
        envelope = {
            "status": "ok",
            "headers": ["active", "email", "stage", "full_name"],
            "data": msgspec.Raw(join_json(row.json(campaign) for row in found)),
            "total_found": len(rows),
            "current_page": page,
            "total_pages": max(1, -(-len(rows) // size)),
        }
        return checking.answer(msgspec.json.encode(envelope))

    return router
