"""Tether: leads in pipelines, at https://docs.tetherai.ca/api-reference/contacts/."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, Generic, TypedDict, TypeVar

import msgspec

from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.core.changes import StageChange, Steps, Writes
from airflow_provider_contacts.core.decoding import Envelope, utc
from airflow_provider_contacts.core.filters import JSON_OBJECT, Answer
from airflow_provider_contacts.core.paging import Page, PageNumberPaging
from airflow_provider_contacts.core.request import Request
from airflow_provider_contacts.core.settings import Credentials, Login, Settings
from airflow_provider_contacts.core.vendor import ContactList, Vendor
from airflow_provider_contacts.errors import InvalidRequest, MalformedResponse
from airflow_provider_contacts.hooks.base import ContactsHook

R = TypeVar("R")

Range = Annotated[Any, JSON_OBJECT]


class TetherFilters(TypedDict, total=False):
    """Filters of ``GET /api/contacts``, by their own names.

    ``ownerFilter`` is ``my``, ``all``, ``team``, ``unassigned`` or a user's id. The API's own default is
    ``my``, which hides most contacts, so ``all`` is sent unless ``ownerFilter`` or ``owner`` is given.
    ``search`` looks at name, phone number and e-mail address. The three ranges are objects, or JSON text;
    ``dateRange`` is ``{"start": …, "end": …}``, the keys of the other two are not documented.
    """

    search: str
    source: str
    leadSource: str
    ownerFilter: str
    status: str
    pipelineStage: str
    pipelineId: str
    dateRange: Range
    owner: str
    assignee: str
    messageStatus: str
    lastMessageTimeRange: Range
    lastMessageDateRange: Range


class _Record(msgspec.Struct, gc=False):
    id: str = msgspec.field(name="_id")
    firstName: str | None = None
    lastName: str | None = None
    # Text, or an array of {value, isPrimary}: the pages show both, for the address too.
    phoneNumber: Any = msgspec.UNSET
    email: Any = None
    status: str | msgspec.UnsetType | None = msgspec.UNSET
    organizationId: str | None = None
    createdAt: datetime | None = None
    updatedAt: datetime | None = None


class _Data(msgspec.Struct, Generic[R]):
    contacts: list[R]
    total: int | None = None


class _Envelope(Envelope, Generic[R], kw_only=True):
    # An object now, a bare array on older instances: https://docs.tetherai.ca/contacts
    data: _Data[R] | list[R]
    total: int | None = None


def _unpack(envelope: _Envelope[Any]) -> Page[Any]:
    data = envelope.data
    if isinstance(data, list):
        return Page(data, total=envelope.total)
    return Page(data.contacts, total=envelope.total if data.total is None else data.total)


def _one(value: Any) -> str | None:
    if isinstance(value, list):
        entries = [entry if isinstance(entry, dict) else {"value": entry} for entry in value]
        primary = [entry for entry in entries if entry.get("isPrimary") is True]
        value = next((entry.get("value") for entry in primary + entries if entry.get("value")), None)
    return value if isinstance(value, str) and value else None


def _empty(value: Any) -> bool:
    """Tell whether the vendor says that there is none, in whichever form."""
    if isinstance(value, list):
        return all(_empty(entry.get("value", False) if isinstance(entry, dict) else entry) for entry in value)
    return value is None or value == ""


def _to_contact(record: _Record, _account_id: str, raw: Any) -> Contact:
    first, last = record.firstName or None, record.lastName or None
    phone = _one(record.phoneNumber)
    return Contact(
        vendor="tether",
        account_id=record.organizationId or "",
        contact_id=record.id,
        name=" ".join(part for part in (first, last) if part) or None,
        first_name=first,
        last_name=last,
        email=_one(record.email),
        phone=phone,
        stage=record.status or None,
        created_at=utc(record.createdAt),
        updated_at=utc(record.updatedAt),
        unknown=(
            *(("phone",) if phone is None and not _empty(record.phoneNumber) else ()),
            *(("stage",) if record.status is msgspec.UNSET else ()),
        ),
        raw=raw,
    )


def _credentials(settings: Settings) -> Credentials:
    if not settings.login:
        return Credentials({"Authorization": f"Bearer {settings.require_password('Password or token')}"})
    password = settings.require_password("Password or token")
    return Credentials(
        login=Login("/api/auth/login", {"email": settings.login, "password": password}, _token)
    )


def _token(answer: Any) -> str | None:
    token = answer.get("token") if isinstance(answer, dict) else None
    return token if isinstance(token, str) else None


def _complete(filters: dict[str, Any], _settings: Settings) -> dict[str, Any]:
    return filters if "ownerFilter" in filters or "owner" in filters else {**filters, "ownerFilter": "all"}


def _check_ids(contact_id: str, _account_id: str) -> None:
    if not re.fullmatch(r"[0-9a-f]{24}", contact_id):
        raise InvalidRequest("a Tether contact id has 24 hexadecimal digits, in small letters")


def _prepare_stage(change: StageChange, count: int) -> Steps:
    if change.campaign is not None:
        raise InvalidRequest("Tether has no stage per campaign; leave `campaign` out")
    # A status that the pipeline lacks would clear the contact's stage.
    answer = yield Request("GET", "/api/pipelines", (("type", "Contact"),))
    names = _stage_names(answer)
    by_letters = {name.casefold(): name for name in names}
    name = change.stage if change.stage in names else by_letters.get(change.stage.casefold())
    if name is None:
        raise InvalidRequest(
            f"Tether's contact pipeline has no such stage; its stages are {', '.join(names)}"
        )
    if count < 2:
        return StageChange(name)
    # Many are changed at once by the stage's id, which this read of contacts by stage gives for every name.
    answer = yield Request("POST", "/api/contacts", json={"size": 1, "pipelineType": "Contact"})
    return StageChange(name, stage_id=_stage_id(answer, name))


def _stage_id(answer: Any, name: str) -> str | None:
    data = answer.get("data") if isinstance(answer, dict) else None
    for holder in (answer, data):
        ids = holder.get("stageIdByName") if isinstance(holder, dict) else None
        stage_id = ids.get(name) if isinstance(ids, dict) else None
        if isinstance(stage_id, str) and re.fullmatch(r"[0-9a-fA-F]{24}", stage_id):
            return stage_id
    return None


def _stage_names(answer: Any) -> list[str]:
    """Return the stages of a pipeline, which are names on newer pages and objects on older ones."""
    found = answer
    for key in ("data", "pipeline"):
        found = found.get(key, found) if isinstance(found, dict) else found
    if isinstance(found, list) and len(found) == 1:
        found = found[0]
    stages = found.get("stages") if isinstance(found, dict) else None
    names = [
        stage.get("newStage") or stage.get("name") if isinstance(stage, dict) else stage
        for stage in (stages if isinstance(stages, list) else [])
    ]
    known = [name for name in names if isinstance(name, str) and name]
    if not known or len(known) < len(names):
        raise MalformedResponse("the answer has no list of stages at `stages`, so no stage is written")
    return known


def _update_stage(contact_id: str, _account_id: str, change: StageChange) -> Steps:
    # The server keeps `pipelineStage` in step with `status`.
    answer = yield Request("PATCH", f"/api/contacts/{contact_id}", json={"status": change.stage})
    if not isinstance(answer, dict):
        raise MalformedResponse("the answer to the update is no object")


def _update_stage_of_many(contact_ids: list[str], change: StageChange) -> Steps:
    body = {"contactIds": contact_ids, "status": change.stage, "pipelineStageId": change.stage_id}
    answer = yield Request("PUT", "/api/contacts/bulk-update-status", json=body)
    # Ids that the instance does not know only make the number lower.
    if not isinstance(answer, dict) or answer.get("matchedCount") != len(contact_ids):
        raise MalformedResponse("the answer to the update does not say that all contacts were found")


TETHER = Vendor(
    name="tether",
    title="Tether",
    base_url=None,
    credentials=_credentials,
    credential_field="Password or token (password), and E-mail (login) if one is used,",
    contacts=ContactList(
        path="/api/contacts",
        filters=TetherFilters,
        # The page states no largest size.
        paging=PageNumberPaging(size_param="size", max_size=200, page_param="page"),
        envelope=_Envelope,
        record=_Record,
        unpack=_unpack,
        to_contact=_to_contact,
        answers={
            # No record shows a reply, and which value of `messageStatus` means one is not documented.
            "replied": Answer(
                needs=lambda _leaf: "messageStatus", on_record=False, exact=lambda leaf: leaf.since is None
            ),
            # Not asked as `status`: whether that filter minds letters is not documented, and conditions do not.
            "in_stage": Answer(),
            "has_phone": Answer(),
        },
        complete=_complete,
    ),
    writes=Writes(
        check_ids=_check_ids,
        stage=_update_stage,
        prepare_stage=_prepare_stage,
        stage_of_many=_update_stage_of_many,
        most_at_once=100,
    ),
)


class TetherHook(ContactsHook):
    """Read Tether contacts.

    Without the filter ``pipelineId`` an instance may answer for its active Contact pipeline alone; the API
    pages say so of a sister call.

    API page: https://docs.tetherai.ca/api-reference/contacts/

    :param contacts_conn_id: connection of type ``tether``: the host is the instance's URL; with a login the
        password is that login's, without one it is a bearer token.
    :param page_size: contacts per request, 200 at most and by default.
    """

    conn_type = "tether"
    hook_name = "Tether"
    default_conn_name = "tether_default"
    vendor = TETHER
