"""Tether: leads in pipelines (https://docs.tetherai.ca/api-reference/contacts/)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Generic, TypedDict, TypeVar

import msgspec

from airflow_provider_contacts.conditions import Replied
from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.core.changes import StageChange
from airflow_provider_contacts.core.coerce import utc
from airflow_provider_contacts.core.connection_form import ConnectionForm, FormField
from airflow_provider_contacts.core.filters import FilterHelp, Filters, JsonObject
from airflow_provider_contacts.core.paging.styles import Page, PageNumberPaging
from airflow_provider_contacts.core.reading.decoding import Envelope, RawJson
from airflow_provider_contacts.core.request import Flow, Request
from airflow_provider_contacts.core.settings import Credentials, Settings, TokenLogin, bearer_credentials
from airflow_provider_contacts.core.vendor import (
    ConditionSupport,
    ContactEndpoint,
    ListEndpoint,
    ListingScope,
    UpdateSupport,
    Vendor,
    require_id_format,
)
from airflow_provider_contacts.errors import InvalidRequest, MalformedResponse, NotFound
from airflow_provider_contacts.hooks.base import ContactsHook

__all__ = ["TETHER", "TetherFilters", "TetherHook"]

R = TypeVar("R")

_NAME = "tether"


class TetherFilters(TypedDict, total=False):
    """Filters of ``GET /api/contacts``, under their own names.

    ``ownerFilter`` is ``my``, ``all``, ``team``, ``unassigned`` or a user's id. The API's default
    is ``my``, which hides most contacts, so ``all`` is sent unless ``ownerFilter`` or ``owner`` is
    set. ``search`` matches name, phone number and e-mail address. The three ranges are objects, or
    JSON text; ``dateRange`` is ``{"start": …, "end": …}``, and the keys of the other two are not
    documented.
    """

    search: Annotated[str, FilterHelp("Contacts with this text in name, number or e-mail address.", "Ada")]
    source: Annotated[str, FilterHelp("Contacts from this source.", "CSV Upload")]
    leadSource: Annotated[str, FilterHelp("Contacts with this lead source.", "Website")]
    ownerFilter: Annotated[
        str,
        FilterHelp(
            "`my`, `all`, `team`, `unassigned` or a user's id. Without this and `owner`: `all`.", "all"
        ),
    ]
    status: Annotated[str, FilterHelp("Contacts in the stage with this name.", "New Lead")]
    pipelineStage: Annotated[
        str, FilterHelp("Contacts in the stage with this id.", "665f1c2e9b1d8a0012345678")
    ]
    pipelineId: Annotated[
        str, FilterHelp("Contacts in this pipeline; by default the connection's.", "665f1c2e9b1d8a0012345679")
    ]
    dateRange: Annotated[
        JsonObject,
        FilterHelp("Contacts created in this range.", '{"start": "2026-01-01", "end": "2026-02-01"}'),
    ]
    owner: Annotated[
        str, FilterHelp("This user's contacts. Overrides `ownerFilter`.", "665f1c2e9b1d8a001234567a")
    ]
    assignee: Annotated[str, FilterHelp("Contacts assigned to this user.", "665f1c2e9b1d8a001234567a")]
    messageStatus: Annotated[
        str,
        FilterHelp("Contacts with a conversation of this status. The API docs list no values.", "replied"),
    ]
    lastMessageTimeRange: Annotated[
        JsonObject, FilterHelp("Contacts whose last message is in this range; keys: unknown.", "{…}")
    ]
    lastMessageDateRange: Annotated[
        JsonObject, FilterHelp("Contacts whose last message is in this range of days; keys: unknown.", "{…}")
    ]


class _Key(msgspec.Struct, gc=False):
    id: str = msgspec.field(name="_id")
    organizationId: str | None = None


class _Record(msgspec.Struct, gc=False):
    id: str = msgspec.field(name="_id")
    firstName: str | None = None
    lastName: str | None = None
    # Text, or an array of {value, isPrimary}: the API docs show both, also for the e-mail address.
    phoneNumber: object = msgspec.UNSET
    email: object = None
    status: str | msgspec.UnsetType | None = msgspec.UNSET
    organizationId: str | None = None
    createdAt: datetime | None = None
    updatedAt: datetime | None = None


class _Data(msgspec.Struct, Generic[R]):
    contacts: list[R]
    total: int | None = None


class _Envelope(Envelope, Generic[R], kw_only=True):
    # An object today, a bare array on older instances: https://docs.tetherai.ca/contacts
    data: _Data[R] | list[R]
    total: int | None = None


def _unpack(envelope: _Envelope[R]) -> Page[R]:
    data = envelope.data
    if isinstance(data, list):
        return Page(data, total=envelope.total)
    return Page(data.contacts, total=envelope.total if data.total is None else data.total)


def _primary(value: object) -> str | None:
    """Return a string, or the primary entry of a list of strings."""
    if isinstance(value, list):
        entries = [entry if isinstance(entry, dict) else {"value": entry} for entry in value]
        primary_first = [entry for entry in entries if entry.get("isPrimary") is True] + entries
        value = next((entry.get("value") for entry in primary_first if entry.get("value")), None)
    return value if isinstance(value, str) and value else None


def _is_empty(value: object) -> bool:
    """Return whether the vendor reports an empty value, in any of its shapes."""
    if isinstance(value, list):
        entries = (entry.get("value", False) if isinstance(entry, dict) else entry for entry in value)
        return all(map(_is_empty, entries))
    return value is None or value == ""


def _to_contact(record: _Record, _scope: ListingScope, raw: RawJson) -> Contact:
    first_name = record.firstName or None
    last_name = record.lastName or None
    phone = _primary(record.phoneNumber)
    return Contact(
        vendor=_NAME,
        account_id=record.organizationId or "",
        contact_id=record.id,
        name=" ".join(part for part in (first_name, last_name) if part) or None,
        first_name=first_name,
        last_name=last_name,
        email=_primary(record.email),
        phone=phone,
        stage=record.status or None,
        created_at=utc(record.createdAt),
        updated_at=utc(record.updatedAt),
        unknown_fields=(
            *(("phone",) if phone is None and not _is_empty(record.phoneNumber) else ()),
            *(("stage",) if record.status is msgspec.UNSET else ()),
        ),
        raw=raw,
    )


def _credentials(settings: Settings) -> Credentials:
    if not settings.login:
        return bearer_credentials(settings)
    body = {"email": settings.login, "password": settings.require_password()}
    return Credentials(login=TokenLogin("/api/auth/login", body))


def _default_filters(filters: Filters, settings: Settings) -> Filters:
    defaults = {} if "ownerFilter" in filters or "owner" in filters else {"ownerFilter": "all"}
    pipeline_id = settings.option("pipeline_id")
    if pipeline_id and "pipelineId" not in filters:
        defaults["pipelineId"] = pipeline_id
    return defaults


def _explain_gap(filters: Filters) -> str:
    # The API docs say so of a related call:
    # https://docs.tetherai.ca/api-reference/contacts/create-contact
    if "pipelineId" in filters:
        return ""
    return (
        "Without a pipeline id, a Tether instance may list the contacts of its active pipeline only. Enter "
        "it in the field Pipeline ID of the connection, or set the filter `pipelineId`."
    )


def _resolve_stage(change: StageChange, _count: int, settings: Settings) -> Flow[StageChange]:
    if change.campaign is not None:
        raise InvalidRequest("Tether has no stage per campaign. Leave `campaign` out.")
    pipeline_id = settings.option("pipeline_id")
    # Setting a status that the pipeline lacks would clear the contact's stage.
    stages: Mapping[str, str | None] = {}
    if pipeline_id:
        stages = yield from _read_stage_ids(pipeline_id)
    if not stages:
        answer = (yield Request("GET", "/api/pipelines", (("type", "Contact"),))).json()
        pipeline = _open_pipeline(answer)
        if pipeline_id and pipeline.get("_id", pipeline_id) != pipeline_id:
            raise MalformedResponse(
                "The response has the stages of a different pipeline from the connection's, so no stage is "
                "written."
            )
        # Without the id of its stage, a contact is updated on its own, and the response is checked.
        stages = dict.fromkeys(_stage_names(pipeline))
    by_folded_name = {name.casefold(): name for name in stages}
    name = change.stage if change.stage in stages else by_folded_name.get(change.stage.casefold())
    if name is None:
        raise InvalidRequest(
            f"Tether's contact pipeline has no such stage. Its stages are {', '.join(stages)}."
        )
    return StageChange(name, stage_id=stages[name])


def _read_stage_ids(pipeline_id: str) -> Flow[Mapping[str, str | None]]:
    """Return the ids of a pipeline's stages by name, or nothing if they are not reported.

    This is a read of contacts by stage.
    """
    body = {"size": 1, "pipelineType": "Contact", "pipelineId": pipeline_id}
    try:
        buckets = (yield Request("POST", "/api/contacts", json=body)).json()
    except (NotFound, InvalidRequest, MalformedResponse):
        return {}
    data = buckets.get("data") if isinstance(buckets, dict) else None
    for holder in (buckets, data):
        ids = holder.get("stageIdByName") if isinstance(holder, dict) else None
        if isinstance(ids, dict) and all(isinstance(name, str) and name for name in ids):
            return {name: one if _is_id(one) else None for name, one in ids.items()}
    return {}


def _is_id(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[0-9a-fA-F]{24}", value) is not None


def _open_pipeline(body: object) -> dict[str, object]:
    """Return the pipeline in a response, or an empty dict."""
    for key in ("data", "pipeline"):
        body = body.get(key, body) if isinstance(body, dict) else body
    if isinstance(body, list) and len(body) == 1:
        body = body[0]
    return body if isinstance(body, dict) else {}


def _stage_names(pipeline: dict[str, object]) -> list[str]:
    """Return the stages, which are names on newer pages and objects on older ones."""
    stages = pipeline.get("stages")
    items = stages if isinstance(stages, list) else []
    names = [item.get("newStage") or item.get("name") if isinstance(item, dict) else item for item in items]
    known = [name for name in names if isinstance(name, str) and name]
    if not known or len(known) < len(names):
        raise MalformedResponse("The response has no list of stages at `stages`, so no stage is written.")
    return known


def _update_stage(contact_id: str, _account_id: str, change: StageChange) -> Flow[None]:
    # The server keeps `pipelineStage` in step with `status`.
    answer = (yield Request("PATCH", f"/api/contacts/{contact_id}", json={"status": change.stage})).json()
    if not isinstance(answer, dict):
        raise MalformedResponse("The response to the update is not an object.")
    _require_stage(_find_contact(answer), change.stage)


def _find_contact(answer: dict[str, object]) -> dict[str, object]:
    """Return the contact that the response to an update shows, or an empty dict."""
    data = answer.get("data")
    places = [data, answer.get("contact"), answer]
    if isinstance(data, dict):
        places = [data.get("contact"), *places]
    return next((place for place in places if isinstance(place, dict) and "_id" in place), {})


def _require_stage(contact: dict[str, object], stage: str) -> None:
    """Check a contact after its stage was set: a stage that its own pipeline lacks clears it."""
    if contact.get("status", stage) != stage:
        raise MalformedResponse(
            "The response to the update shows a different `status` from the one that was set. Check the "
            "contact in Tether."
        )
    if contact.get("pipelineStage", stage) is None:
        raise MalformedResponse(
            "The response to the update shows that the contact has no pipeline stage any more. The "
            "contact's pipeline seems to lack this stage. Set the contact's stage in Tether."
        )


def _bulk_stage(contact_ids: list[str], change: StageChange) -> Flow[None]:
    body = {"contactIds": contact_ids, "status": change.stage, "pipelineStageId": change.stage_id}
    answer = (yield Request("PUT", "/api/contacts/bulk-update-status", json=body)).json()
    # Ids that the instance does not know only lower the count.
    if not isinstance(answer, dict) or answer.get("matchedCount") != len(contact_ids):
        raise MalformedResponse("The response to the update does not confirm that all contacts were found.")


def _unwrap(body: object) -> object:
    return (_find_contact(body) or None) if isinstance(body, dict) else None


TETHER = Vendor(
    name=_NAME,
    title="Tether",
    base_url=None,
    docs_url="https://docs.tetherai.ca",
    form=ConnectionForm(
        password_label="Password or token",
        host_label="Host (instance URL)",
        password_placeholder="required; the account's password, or a bearer token without E-mail",
        host_placeholder="required, such as https://your-instance.example.com",
        login_label="E-mail",
        login_placeholder="e-mail of a Tether account; empty to use a token",
        fields=(
            FormField(
                name="pipeline_id",
                label="Pipeline ID",
                description="Id of the pipeline to read, unless a filter names another one.",
                example="665f1c2e9b1d8a0012345679",
            ),
        ),
    ),
    credentials=_credentials,
    credential_fields="fields E-mail (login) and Password or token (password)",
    contacts=ListEndpoint(
        path="/api/contacts",
        filters=TetherFilters,
        # The API docs state no maximum size.
        paging=PageNumberPaging(size_param="size", max_size=200, page_param="page"),
        envelope=_Envelope,
        record=_Record,
        unpack=_unpack,
        to_contact=_to_contact,
        key_record=_Key,
        to_key=lambda record, _scope: (record.organizationId or "", record.id),
        conditions={
            # Records do not report a reply, and the API docs do not say which `messageStatus` means
            # one.
            "replied": ConditionSupport(
                is_on_record=False,
                required_filter="messageStatus",
                is_exact=lambda condition: isinstance(condition, Replied) and condition.since is None,
            ),
            # Not pushed down to `status`: the API docs do not say whether that filter ignores case,
            # as conditions do.
            "in_stage": ConditionSupport(),
            "has_phone": ConditionSupport(),
        },
        default_filters=_default_filters,
        explain_gap=_explain_gap,
    ),
    contact=ContactEndpoint(path="/api/contacts/{contact_id}", unwrap=_unwrap),
    updates=UpdateSupport(
        check_ids=require_id_format(
            "[0-9a-f]{24}", "A Tether contact id must consist of 24 lower-case hexadecimal digits."
        ),
        stage=_update_stage,
        resolve_stage=_resolve_stage,
        bulk_stage=_bulk_stage,
        bulk_limit=100,
    ),
)


class TetherHook(ContactsHook[TetherFilters]):
    """Read Tether contacts and set their stage.

    Without a pipeline id, in the connection or as the filter ``pipelineId``, an instance may return
    only the contacts of its active pipeline; the API pages say so of a related call.

    API docs: https://docs.tetherai.ca/api-reference/contacts/

    :param contacts_conn_id: connection of type ``tether``: the host is the instance's URL. With a
        login, the password is that login's; without one, it is a bearer token. ``pipeline_id`` in
        Extra is the pipeline to read.
    :param page_size: contacts per request, at most 200, which is the default.
    """

    vendor = TETHER
