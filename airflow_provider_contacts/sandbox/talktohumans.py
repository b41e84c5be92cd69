"""TalkToHumans as its pages list-contacts and update-contact describe it.

Not on the pages, and so the sandbox's own choice: the error body, what a bad parameter gives, the values of
``sequence.status`` and ``invite_state``, and the answer of ``GET /v1/accounts``.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response

from airflow_provider_contacts.sandbox import checking
from airflow_provider_contacts.sandbox.checking import Refused
from airflow_provider_contacts.sandbox.people import Person, person
from airflow_provider_contacts.sandbox.world import Row, Table, World, join_json

VENDOR = "talktohumans"
KEY = "sandbox-key"
ACCOUNTS = ("101", "102")
TAGS = ("Hot lead", "Old tag", "VIP", "Möglich", "tag, with comma")
_DAY = 86_400
_EPOCH = 1_767_225_600  # 2026-01-01

_ID = checking.pattern(r"[1-9][0-9]*")


def _ids(value: str) -> list[str]:
    return [_ID(part) for part in value.split(",")]


RULES: dict[str, checking.Rule] = {
    "account_id": _ids,
    "query": checking.text,
    "company_name": checking.text,
    "headline": checking.text,
    "search": checking.text,
    "location": checking.text,
    "company_size": checking.text,
    "tag": checking.text,
    "relationship_status": checking.option("any", "connected", "not_connected", "unknown"),
    "invitation_status": checking.option("pending"),
    "conversation_id": checking.text,
    "limit": checking.whole(1),
    "cursor": checking.text,
}


def iso(seconds: float) -> str:
    """Return a time as ISO 8601 in UTC with Z."""
    import datetime

    moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


class Relationship(Row):
    """A person as a contact of one LinkedIn account."""

    __slots__ = (
        "interacted", "invited", "notes", "number", "person", "relationship", "sequence", "tags",
    )  # fmt: skip

    def __init__(self, world: World, number: int) -> None:
        # Every tenth row is the person of the row before, known to the other account as well.
        twin = number % 10 == 9
        base = number - 1 if twin else number
        super().__init__(ACCOUNTS[(base + twin) % 2], str(5000 + base))
        pick = world.random(VENDOR, number)
        self.number = number
        self.person: Person = person(world.person_number(VENDOR, base), world.seed)
        self.tags = pick.sample(TAGS, pick.choice((0, 0, 1, 2)))
        self.relationship = pick.choice(("connected", "connected", "not_connected", "unknown"))
        self.invited = _EPOCH + pick.randrange(300) * _DAY if self.relationship == "not_connected" else None
        self.sequence = pick.choice((None, "active", "active", "replied", "finished"))
        self.interacted = _EPOCH + pick.randrange(300) * _DAY if self.sequence == "replied" else None
        self.notes: str | None = None

    @property
    def pending(self) -> bool:
        """Whether an invitation waits for an answer."""
        return self.invited is not None and self.relationship == "not_connected"

    def record(self, variant: Any) -> dict[str, Any]:
        who = self.person
        place = {
            "is_primary": True, "is_headquarter": None, "linkedin_text": f"{who.city}, {who.country}",
            "display_text": who.city, "country_code": who.region, "region_code": None, "country": who.region,
            "country_full": who.country, "state": None, "city": who.city, "geographic_area": None,
        }  # fmt: skip
        job = {
            "experience_id": str(self.number), "is_current": True, "company_participant_id": None,
            "company_provider_participant_id": None, "company_name": who.company, "title": who.title,
            "employment_type": "Full-time", "location": who.city, "start_at": "2021-03", "end_at": None,
            "description": "Builds things. " * 4,
        }  # fmt: skip
        company = {
            "company_id": str(self.number % 500 + 1), "provider_participant_id": None, "name": who.company,
            "industries": [{"name": "software", "title": "Software", "industry_urn": None,
                            "provider_industry_id": None, "hierarchy": None}],
            "locations": [], "public_identifier": None, "headline": None, "linkedin_url": None,
            "avatar_url": None, "background_cover_url": None, "headcount": "51-200", "employee_count": 120,
            "founding_date": "1999", "website_url": None, "follower_count": 1234, "about": None,
            "notes_json": None,
        }  # fmt: skip
        return {
            "account_relationship_id": f"{self.account_id}{self.contact_id}",
            "contact_id": self.contact_id,
            "provider_participant_id": f"urn:{self.contact_id}",
            "account": account(self.account_id),
            "name": who.name,
            "tags": [{"name": tag} for tag in self.tags],
            "languages": [{"language": "English"}],
            "experiences": [job],
            "educations": [],
            "locations": [place],
            "app_url": f"https://talktohumans.example/app/contacts/{self.contact_id}",
            "public_identifier": who.handle,
            "first_name": who.first,
            "last_name": who.last,
            "headline": f"{who.title} at {who.company}",
            "primary_role_title": who.title,
            "primary_company_name": who.company,
            "linkedin_url": f"https://www.linkedin.com/in/{who.handle}",
            "avatar_url": None,
            "background_cover_url": None,
            "about": None,
            "profile_action_label": None,
            "profile_action_url": None,
            "follower_count": 10,
            "connections_count": 500,
            "connection_invitation": self._invitation(),
            "notes_json": self.notes,
            "company": company,
            "last_interaction_at": iso(self.interacted) if self.interacted else None,
            "sequence": self._sequence(),
        }

    def _invitation(self) -> dict[str, Any] | None:
        if self.invited is None:
            return None
        return {
            "invite_id": f"inv{self.contact_id}",
            "invite_state": "pending" if self.pending else "accepted",
            "invite_type": "sent",
            "received_at": iso(self.invited),
        }

    def _sequence(self) -> dict[str, Any] | None:
        if self.sequence is None:
            return None
        step = {
            "step_id": "1", "step_type": "message", "trigger_type": "delay", "position": 1,
            "message_mode": "template", "state": "sent", "template_run_public_id": None, "scheduled_for": None,
        }  # fmt: skip
        return {
            "sequence_id": "7",
            "status": self.sequence,
            "stop_if_person_replies": True,
            "steps": [step],
            "reply_guard_after": None,
            "next_step_id": None,
            "next_step_scheduled_for": None,
        }


def account(account_id: str) -> dict[str, Any]:
    """Return one of the workspace's LinkedIn accounts."""
    return {
        "account_id": account_id,
        "display_name": f"Account {account_id}",
        "provider_account_id": f"acc{account_id}",
        "owner_user_id": "1",
    }


def table(world: World) -> Table[Relationship]:
    """Return the vendor's contacts."""
    return Table(lambda number: Relationship(world, number), world.contacts)


def reply(row: Relationship, now: float) -> None:
    """Make somebody answer a message."""
    row.sequence = "replied"
    row.interacted = int(now)


def accept(row: Relationship) -> None:
    """Make somebody accept an invitation."""
    row.relationship = "connected"


def failure(refused: Refused) -> bytes:
    """Return the vendor's error body."""
    return msgspec.json.encode({"error": {"code": refused.label, "message": refused.message}})


def _test(values: dict[str, Any]) -> Callable[[Relationship], bool] | None:
    tests: list[Callable[[Relationship], bool]] = []
    if "account_id" in values:
        wanted = {part for parts in values["account_id"] for part in parts}
        tests.append(lambda row: row.account_id in wanted)
    for name, fields in (
        ("query", ("name", "company", "title", "handle")),
        ("search", ("name", "company", "title", "city", "country", "handle")),
        ("company_name", ("company",)),
        ("headline", ("title", "company")),
        ("location", ("city", "country")),
    ):
        if name in values:
            word = values[name].lower()
            tests.append(
                lambda row, word=word, fields=fields: any(  # type: ignore[misc]
                    word in getattr(row.person, field).lower() for field in fields
                )
            )
    if "company_size" in values and values["company_size"] not in ("51-200", "120"):
        tests.append(lambda row: False)
    if "tag" in values:
        tests.append(lambda row: values["tag"] in row.tags)
    if values.get("relationship_status", "any") != "any":
        tests.append(lambda row: row.relationship == values["relationship_status"])
    if "invitation_status" in values:
        tests.append(lambda row: row.pending)
    if "conversation_id" in values:
        tests.append(lambda row: values["conversation_id"] == row.contact_id)
    return (lambda row: all(test(row) for test in tests)) if tests else None


def routes(world: World) -> APIRouter:
    """Return the vendor's endpoints."""
    router = APIRouter()
    contacts: Table[Relationship] = world.tables[VENDOR]

    def allow(request: Request) -> None:
        if request.headers.get("authorization") != f"Bearer {KEY}":
            raise Refused(401, "unauthorized", "The API key is missing or wrong.")

    @router.get("/v1/contacts")
    async def list_contacts(request: Request) -> Response:
        allow(request)
        values = checking.query(world, VENDOR, request, RULES, repeatable=("account_id",))
        size = min(values.pop("limit", 10), 25)
        cursor = values.pop("cursor", None)
        asked = checking.question(values)
        digest = hashlib.sha256(repr(asked).encode()).hexdigest()[:16]
        start = -1 if cursor is None else _position(cursor, digest)
        if start is None:
            checking.refuse(world, VENDOR, request, "the cursor is not of this listing")
        rows = contacts.matching(asked, _test(values))
        first = Table.after(rows, start or 0) if cursor else 0
        page = rows[first : first + size]
        more = first + size < len(rows)
        following = None
        if more:
            following = base64.urlsafe_b64encode(f"{page[-1].ordinal}:{digest}".encode()).decode()
        pagination = msgspec.json.encode({"limit": size, "has_more": more, "next_cursor": following})
        records = join_json(row.json() for row in page)
        return checking.answer(b'{"data":{"contacts":%b,"pagination":%b}}' % (records, pagination))

    @router.get("/v1/accounts")
    async def list_accounts(request: Request) -> Response:
        allow(request)
        checking.query(world, VENDOR, request, {})
        accounts = [account(account_id) for account_id in ACCOUNTS]
        return checking.answer(msgspec.json.encode({"data": {"accounts": accounts}}))

    @router.patch("/v1/contacts/{contact_id}")
    async def update_contact(contact_id: str, request: Request) -> Response:
        allow(request)
        checking.query(world, VENDOR, request, {})
        body = await checking.json_body(world, VENDOR, request)
        problem = _problem(contact_id, body)
        if problem:
            checking.refuse(world, VENDOR, request, problem)
        rows = contacts.find(contact_id, body.get("account_id"))
        if not rows:
            raise Refused(404, "not_found", "There is no such contact.")
        if len(rows) > 1:
            raise Refused(400, "account_required", "The contact exists under several accounts.")
        row = rows[0]
        tags = body.get("tags", {})
        if "set" in tags:
            row.tags = list(dict.fromkeys(_name(item) for item in tags["set"]))
        for item in tags.get("add", ()):
            if item["name"] not in row.tags:
                row.tags.append(item["name"])
        row.tags = [tag for tag in row.tags if tag not in tags.get("remove", ())]
        if "notes_json" in body:
            row.notes = body["notes_json"] or None
        contacts.changed(row)
        return checking.answer(b'{"data":{"contact":%b}}' % row.json())

    return router


def _position(cursor: str, digest: str) -> int | None:
    try:
        ordinal, _, made_for = base64.urlsafe_b64decode(cursor).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return int(ordinal) if made_for == digest and ordinal.isdigit() else None


def _name(item: Any) -> str:
    return str(item["name"] if isinstance(item, dict) else item)


def _problem(contact_id: str, body: dict[str, Any]) -> str | None:
    try:
        _ID(contact_id)
        _ID(body.get("account_id", "1"))
    except (TypeError, ValueError):
        return "an id is not a decimal id"
    if unknown := body.keys() - {"account_id", "tags", "notes_json"}:
        return f"unknown field {min(unknown)!r}"
    if not body.keys() & {"tags", "notes_json"}:
        return "nothing to update"
    notes = body.get("notes_json")
    if notes:
        try:
            msgspec.json.decode(notes)
        except (msgspec.DecodeError, TypeError):
            return "notes_json is not JSON text"
    return _tag_problem(body.get("tags", {}))


def _tag_problem(tags: Any) -> str | None:
    if not isinstance(tags, dict) or tags.keys() - {"set", "add", "remove"}:
        return "tags has other keys than set, add and remove"
    if "set" in tags and len(tags) > 1:
        return "tags.set is combined with add or remove"
    if not all(isinstance(items, list) for items in tags.values()):
        return "tags.set, add and remove must be arrays"
    for item in tags.get("add", ()):
        if not isinstance(item, dict) or not item.get("name") or item.keys() - {"name", "color"}:
            return "tags.add must hold objects of name and color"
    for item in tags.get("remove", ()):
        if not isinstance(item, str) or not item:
            return "tags.remove must hold names"
    for item in tags.get("set", ()):
        name = item.get("name") if isinstance(item, dict) else item
        if not isinstance(name, str) or not name:
            return "tags.set must hold names, or objects of name and color"
    return None
