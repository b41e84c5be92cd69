"""TalkToHumans, as its pages list-contacts and update-contact document it.

The pages leave some things open. The sandbox decides the error body, the response to an invalid
parameter, the values of ``sequence.status`` and ``invite_state``, and the response of ``GET
/v1/accounts``.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Hashable
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Request, Response
from pydantic import Field

from airflow_provider_contacts.sandbox.people import Person, find_person
from airflow_provider_contacts.sandbox.state import Row, State, Table, join_json
from airflow_provider_contacts.sandbox.validation import (
    BASE_TIME_SECONDS,
    ApiError,
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
from airflow_provider_contacts.sandbox.vendor import ChangeSample, ConditionSample, Samples, SandboxVendor

NAME = "talktohumans"
KEY = "sandbox-key"
ACCOUNTS = ("101", "102")
TAGS = ("Hot lead", "Old tag", "VIP", "Rückruf", "Conference, Berlin")
_MAX_PAGE = 25
_DAY_SECONDS = 86_400
_PEOPLE_OFFSET = 0
_ID = re.compile(r"[1-9][0-9]*", re.ASCII)


class ContactsQuery(QueryModel):
    """Parameters of ``GET /v1/contacts``."""

    # Repeated, or with commas.
    account_id: list[Annotated[str, Field(pattern=r"^[1-9][0-9]*(,[1-9][0-9]*)*$")]] = Field(
        default_factory=list
    )
    query: Text | None = None
    company_name: Text | None = None
    headline: Text | None = None
    search: Text | None = None
    location: Text | None = None
    company_size: Text | None = None
    tag: Text | None = None
    relationship_status: Literal["any", "connected", "not_connected", "unknown"] = "any"
    invitation_status: Literal["pending"] | None = None
    conversation_id: Text | None = None
    limit: Annotated[Number, Field(ge=1)] = 10
    cursor: Text | None = None


class TalkToHumansRow(Row):
    """A person as a contact of one LinkedIn account."""

    __slots__ = (
        "interacted",
        "invited",
        "notes",
        "number",
        "person",
        "relationship",
        "sequence",
        "tags",
    )

    def __init__(self, state: State, number: int) -> None:
        # Every tenth contact repeats the previous person in the other account.
        is_twin = number % 10 == 9
        base = number - 1 if is_twin else number
        super().__init__(ACCOUNTS[(base + is_twin) % 2], str(5000 + base))
        pick = state.make_random(NAME, number)
        self.number = number
        self.person = find_person(state.person_number(base, _PEOPLE_OFFSET), state.seed)
        self.tags = pick.sample(TAGS, pick.choice((0, 0, 1, 2)))
        self.relationship = pick.choice(("connected", "connected", "not_connected", "unknown"))
        self.invited = (
            BASE_TIME_SECONDS + pick.randrange(300) * _DAY_SECONDS
            if self.relationship == "not_connected"
            else None
        )
        self.sequence = pick.choice((None, "active", "active", "replied", "finished"))
        self.interacted = (
            BASE_TIME_SECONDS + pick.randrange(300) * _DAY_SECONDS if self.sequence == "replied" else None
        )
        self.notes: str | None = None

    @property
    def pending(self) -> bool:
        """Whether an invitation is pending."""
        return self.invited is not None and self.relationship == "not_connected"

    def record(self, variant: Hashable) -> dict[str, object]:
        """Return the record as the vendor sends it."""
        person = self.person
        return {
            "account_relationship_id": f"{self.account_id}{self.contact_id}",
            "contact_id": self.contact_id,
            "provider_participant_id": f"urn:{self.contact_id}",
            "account": _account(self.account_id),
            "name": person.name,
            "tags": [{"name": tag} for tag in self.tags],
            "languages": [{"language": "English"}],
            "experiences": [_experience(self.number, person)],
            "educations": [],
            "locations": [_location(person)],
            "app_url": f"https://talktohumans.example/app/contacts/{self.contact_id}",
            "public_identifier": person.handle,
            "first_name": person.first,
            "last_name": person.last,
            "headline": f"{person.title} at {person.company}",
            "primary_role_title": person.title,
            "primary_company_name": person.company,
            "linkedin_url": f"https://www.linkedin.com/in/{person.handle}",
            "avatar_url": None,
            "background_cover_url": None,
            "about": None,
            "profile_action_label": None,
            "profile_action_url": None,
            "follower_count": 10,
            "connections_count": 500,
            "connection_invitation": self._invitation(),
            "notes_json": self.notes,
            "company": _company(self.number, person),
            "last_interaction_at": iso_time(self.interacted) if self.interacted else None,
            "sequence": self._sequence(),
        }

    def _invitation(self) -> dict[str, object] | None:
        if self.invited is None:
            return None
        return {
            "invite_id": f"inv{self.contact_id}",
            "invite_state": "pending" if self.pending else "accepted",
            "invite_type": "sent",
            "received_at": iso_time(self.invited),
        }

    def _sequence(self) -> dict[str, object] | None:
        if self.sequence is None:
            return None
        step = {
            "step_id": "1",
            "step_type": "message",
            "trigger_type": "delay",
            "position": 1,
            "message_mode": "template",
            "state": "sent",
            "template_run_public_id": None,
            "scheduled_for": None,
        }
        return {
            "sequence_id": "7",
            "status": self.sequence,
            "stop_if_person_replies": True,
            "steps": [step],
            "reply_guard_after": None,
            "next_step_id": None,
            "next_step_scheduled_for": None,
        }


def _account(account_id: str) -> dict[str, object]:
    return {
        "account_id": account_id,
        "display_name": f"Account {account_id}",
        "provider_account_id": f"acc{account_id}",
        "owner_user_id": "1",
    }


def _location(person: Person) -> dict[str, object]:
    return {
        "is_primary": True,
        "is_headquarter": None,
        "linkedin_text": f"{person.city}, {person.country}",
        "display_text": person.city,
        "country_code": person.region,
        "region_code": None,
        "country": person.region,
        "country_full": person.country,
        "state": None,
        "city": person.city,
        "geographic_area": None,
    }


def _experience(number: int, person: Person) -> dict[str, object]:
    return {
        "experience_id": str(number),
        "is_current": True,
        "company_participant_id": None,
        "company_provider_participant_id": None,
        "company_name": person.company,
        "title": person.title,
        "employment_type": "Full-time",
        "location": person.city,
        "start_at": "2021-03",
        "end_at": None,
        "description": "Builds things. " * 4,
    }


def _company(number: int, person: Person) -> dict[str, object]:
    industry = {
        "name": "software",
        "title": "Software",
        "industry_urn": None,
        "provider_industry_id": None,
        "hierarchy": None,
    }
    return {
        "company_id": str(number % 500 + 1),
        "provider_participant_id": None,
        "name": person.company,
        "industries": [industry],
        "locations": [],
        "public_identifier": None,
        "headline": None,
        "linkedin_url": None,
        "avatar_url": None,
        "background_cover_url": None,
        "headcount": "51-200",
        "employee_count": 120,
        "founding_date": "1999",
        "website_url": None,
        "follower_count": 1234,
        "about": None,
        "notes_json": None,
    }


def _reply(row: TalkToHumansRow, now: float) -> None:
    row.sequence = "replied"
    row.interacted = int(now)


def _accept(row: TalkToHumansRow, _now: float) -> None:
    row.relationship = "connected"


def _error_body(error: ApiError) -> bytes:
    return msgspec.json.encode({"error": {"code": error.label, "message": error.message}})


# The fields of a person that each text filter looks at.
_TEXT_FILTERS = {
    "query": ("name", "company", "title", "handle"),
    "search": ("name", "company", "title", "city", "country", "handle"),
    "company_name": ("company",),
    "headline": ("title", "company"),
    "location": ("city", "country"),
}


def _make_test(query: Query) -> Callable[[TalkToHumansRow], bool] | None:
    tests: list[Callable[[TalkToHumansRow], bool]] = []
    if "account_id" in query:
        accounts = {part for value in query["account_id"] for part in value.split(",")}
        tests.append(lambda row: row.account_id in accounts)
    for name, fields in _TEXT_FILTERS.items():
        if name in query:
            tests.append(_text_test(query[name].lower(), fields))
    if "company_size" in query and query["company_size"] not in ("51-200", "120"):
        tests.append(lambda row: False)
    if "tag" in query:
        tests.append(lambda row: query["tag"] in row.tags)
    if query.get("relationship_status", "any") != "any":
        tests.append(lambda row: row.relationship == query["relationship_status"])
    if "invitation_status" in query:
        tests.append(lambda row: row.pending)
    if "conversation_id" in query:
        tests.append(lambda row: query["conversation_id"] == row.contact_id)
    return (lambda row: all(test(row) for test in tests)) if tests else None


def _text_test(word: str, fields: tuple[str, ...]) -> Callable[[TalkToHumansRow], bool]:
    return lambda row: any(word in getattr(row.person, field).lower() for field in fields)


# One function, because the endpoints are closures over the state.
def _make_routes(state: State) -> APIRouter:
    router = APIRouter()
    contacts: Table[TalkToHumansRow] = state.tables[NAME]

    def allow(request: Request) -> None:
        if request.headers.get("authorization") != f"Bearer {KEY}":
            raise ApiError(401, "unauthorized", "The API key is missing or wrong.")

    @router.get("/v1/contacts")
    async def list_contacts(request: Request) -> Response:
        allow(request)
        query = parse_query(state, NAME, request, ContactsQuery)
        size = min(query.pop("limit", 10), _MAX_PAGE)
        cursor = query.pop("cursor", None)
        key = cache_key(query)
        # A cursor belongs to one listing, so it contains a digest of the filters.
        digest = hashlib.sha256(repr(key).encode()).hexdigest()[:16]
        rows = contacts.matching(key, _make_test(query))
        first = 0
        if cursor is not None:
            ordinal = _parse_cursor(cursor, digest)
            if ordinal is None:
                reject(state, NAME, request, "the cursor belongs to another listing")
            first = Table.index_after(rows, ordinal)
        page = rows[first : first + size]
        has_more = first + size < len(rows)
        next_cursor = None
        if has_more:
            next_cursor = base64.urlsafe_b64encode(f"{page[-1].ordinal}:{digest}".encode()).decode()
        pagination = {"limit": size, "has_more": has_more, "next_cursor": next_cursor}
        records = join_json(row.json() for row in page)
        return json_response(
            b'{"data":{"contacts":%b,"pagination":%b}}' % (records, msgspec.json.encode(pagination))
        )

    @router.get("/v1/accounts")
    async def list_accounts(request: Request) -> Response:
        allow(request)
        parse_query(state, NAME, request, QueryModel)
        accounts = [_account(account_id) for account_id in ACCOUNTS]
        return json_response(msgspec.json.encode({"data": {"accounts": accounts}}))

    @router.patch("/v1/contacts/{contact_id}")
    async def update_contact(contact_id: str, request: Request) -> Response:
        allow(request)
        parse_query(state, NAME, request, QueryModel)
        body = await parse_json_body(state, NAME, request)
        if problem := _find_problem(contact_id, body):
            reject(state, NAME, request, problem)
        rows = contacts.find(contact_id, body.get("account_id"))
        if not rows:
            raise ApiError(404, "not_found", "The contact does not exist.")
        if len(rows) > 1:
            raise ApiError(400, "account_required", "The contact exists in several accounts.")
        _apply_update(rows[0], body)
        contacts.invalidate(rows[0])
        return json_response(b'{"data":{"contact":%b}}' % rows[0].json())

    return router


def _apply_update(row: TalkToHumansRow, body: dict[str, Any]) -> None:
    tags = body.get("tags", {})
    if "set" in tags:
        row.tags = list(dict.fromkeys(_tag_name(item) for item in tags["set"]))
    for item in tags.get("add", ()):
        if item["name"] not in row.tags:
            row.tags.append(item["name"])
    row.tags = [tag for tag in row.tags if tag not in tags.get("remove", ())]
    if "notes_json" in body:
        row.notes = body["notes_json"] or None


def _parse_cursor(cursor: str, digest: str) -> int | None:
    try:
        ordinal, _, made_for = base64.urlsafe_b64decode(cursor).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return int(ordinal) if made_for == digest and ordinal.isdigit() else None


def _tag_name(item: Any) -> str:
    return str(item["name"] if isinstance(item, dict) else item)


def _find_problem(contact_id: str, body: dict[str, Any]) -> str | None:
    account_id = body.get("account_id", "1")
    if not _ID.fullmatch(contact_id) or not isinstance(account_id, str) or not _ID.fullmatch(account_id):
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
    return _find_tag_problem(body["tags"]) if "tags" in body else None


def _find_tag_problem(tags: Any) -> str | None:
    if not isinstance(tags, dict) or tags.keys() - {"set", "add", "remove"}:
        return "tags has keys other than set, add and remove"
    if "set" in tags and len(tags) > 1:
        return "tags.set is combined with add or remove"
    if not all(isinstance(items, list) for items in tags.values()):
        return "tags.set, add and remove must be arrays"
    if not tags or any(not items for key, items in tags.items() if key != "set"):
        return "tags, tags.add and tags.remove must not be empty"
    for item in tags.get("add", ()):
        if not isinstance(item, dict) or not item.get("name") or item.keys() - {"name", "color"}:
            return "tags.add must contain objects of name and color"
    for item in tags.get("remove", ()):
        if not isinstance(item, str) or not item:
            return "tags.remove must contain names"
    for item in tags.get("set", ()):
        name = item.get("name") if isinstance(item, dict) else item
        if not isinstance(name, str) or not name:
            return "tags.set must contain names, or objects of name and color"
    return None


def _make_page(records: list[Any], is_last: bool) -> object:
    cursor = None if is_last else f"after-{records[-1]['contact_id'] if records else 0}"
    pagination = {"limit": _MAX_PAGE, "has_more": not is_last, "next_cursor": cursor}
    return {"data": {"contacts": records, "pagination": pagination}}


_MARCH_FIRST_SECONDS = 1_772_323_200  # 2026-03-01

SANDBOX_VENDOR = SandboxVendor(
    name=NAME,
    connection={"password": KEY},
    make_row=TalkToHumansRow,
    make_routes=_make_routes,
    error_body=_error_body,
    events={"reply": _reply, "accept": _accept},
    samples=Samples(
        path="/v1/contacts",
        connection={"conn_type": NAME, "password": "secret-of-the-test"},
        id_key="contact_id",
        filters={
            "account_id": ["101", "102"],
            "query": "a",
            "company_name": "acme",
            "headline": "a",
            "search": "a",
            "location": "a",
            "company_size": "51-200",
            "tag": "VIP",
            "relationship_status": "connected",
            "invitation_status": "pending",
            "conversation_id": "5000",
        },
        enumerated="relationship_status",
        narrow={"tag": "VIP"},
        make_page=_make_page,
        odd_values={
            "name": 5,
            "tags": "VIP",
            "company": "Acme",
            "account": {"account_id": 42},
            "last_interaction_at": "yesterday",
            "connection_invitation": {"invite_state": "pending", "received_at": "soon"},
            "sequence": [],
            "locations": [{"city": 1}, "Paris"],
        },
        conditions=(
            ConditionSample(
                condition={"condition": "replied"}, matches=lambda row: row.sequence == "replied"
            ),
            ConditionSample(
                condition={"condition": "replied", "since": "2026-03-01", "interaction_counts": True},
                matches=lambda row: row.sequence == "replied" and row.interacted > _MARCH_FIRST_SECONDS,
            ),
            ConditionSample(condition={"condition": "invitation_pending"}, matches=lambda row: row.pending),
            ConditionSample(
                condition={
                    "condition": "invitation_pending",
                    "older_than": "2026-03-01",
                    "invitation_type": "Sent",
                },
                matches=lambda row: row.pending and row.invited < _MARCH_FIRST_SECONDS,
            ),
            ConditionSample(
                condition={"condition": "last_interaction", "after": "2026-03-01"},
                matches=lambda row: (row.interacted or 0) > _MARCH_FIRST_SECONDS,
            ),
            ConditionSample(
                condition={"condition": "connected"}, matches=lambda row: row.relationship == "connected"
            ),
            ConditionSample(
                condition={"condition": "tagged", "name": "VIP"}, matches=lambda row: "VIP" in row.tags
            ),
            ConditionSample(
                condition={"condition": "tagged", "name": "Conference, Berlin"},
                matches=lambda row: "Conference, Berlin" in row.tags,
            ),
            ConditionSample(condition={"condition": "tagged", "name": "vip"}, matches=lambda row: False),
        ),
        unknown_fields=(
            ({}, frozenset({"tags", "invitation_state"})),
            ({"tags": None, "connection_invitation": None}, frozenset()),
            ({"tags": [], "connection_invitation": {"invite_state": "pending"}}, frozenset()),
            (
                {"tags": [{"label": "DNC"}], "connection_invitation": {}},
                frozenset({"tags", "invitation_state"}),
            ),
            (
                {"tags": [{"name": "VIP"}, {"name": None}], "connection_invitation": 5},
                frozenset({"tags", "invitation_state"}),
            ),
            ({"tags": ["DNC"], "connection_invitation": None}, frozenset()),
        ),
        changes=(
            ChangeSample(
                kind="tags",
                arguments={"add": ["New"], "remove": ["VIP"]},
                is_made=lambda row: "New" in row.tags and "VIP" not in row.tags,
            ),
            ChangeSample(
                kind="tags", arguments={"replace": ["Only"]}, is_made=lambda row: row.tags == ["Only"]
            ),
            ChangeSample(
                kind="notes", arguments={"notes": '{"a": 1}'}, is_made=lambda row: row.notes == '{"a": 1}'
            ),
        ),
    ),
)
