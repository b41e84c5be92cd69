"""Mailstand: recipients of cold e-mail (https://mailstand.readme.io/reference/list-all-contacts)."""

from __future__ import annotations

import base64
import re
from operator import attrgetter
from typing import Annotated, Generic, Literal, TypedDict, TypeVar, get_args

import msgspec

from airflow_provider_contacts import errors
from airflow_provider_contacts.conditions import Condition, Replied
from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.core.changes import StageChange
from airflow_provider_contacts.core.coerce import from_unix
from airflow_provider_contacts.core.connection_form import ConnectionForm, FormField
from airflow_provider_contacts.core.error_bodies import ErrorFormat
from airflow_provider_contacts.core.filters import FilterHelp, Filters
from airflow_provider_contacts.core.paging.styles import Page, PageNumberPaging
from airflow_provider_contacts.core.reading.decoding import Envelope, RawJson
from airflow_provider_contacts.core.request import Flow, Request
from airflow_provider_contacts.core.settings import Credentials, Settings
from airflow_provider_contacts.core.vendor import (
    ConditionSupport,
    ContactEndpoint,
    ListEndpoint,
    ListingScope,
    UpdateSupport,
    Vendor,
    require_id_format,
)
from airflow_provider_contacts.hooks.base import ContactsHook

__all__ = ["MAILSTAND", "MailstandFilters", "MailstandHook", "Stage"]

R = TypeVar("R")

_NAME = "mailstand"

WorkspaceId = Annotated[
    str, msgspec.Meta(pattern=r"^space_[A-Za-z0-9_]+\Z", description="a workspace id (`space_…`)")
]
CampaignId = Annotated[
    str, msgspec.Meta(pattern=r"^camp_[A-Za-z0-9_]+\Z", description="a campaign id (`camp_…`)")
]
Stage = Literal[
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
]
_OPT_OUT_STAGE = "Do Not Contact"
# Writable stages: name in a listing -> field of the request. The field's value is the campaign.
# https://mailstand.readme.io/reference/edit-contact
_WRITABLE_STAGES = {
    "Interested": "interested",
    "Not Interested": "not_interested",
    "Nurture": "nurture",
    _OPT_OUT_STAGE: "do_not_contact",
}


class MailstandFilters(TypedDict, total=False):
    """Filters of ``GET /contacts``, under their own names.

    ``workspace`` defaults to the connection's. ``search`` matches the e-mail address only.
    """

    workspace: Annotated[
        WorkspaceId, FilterHelp("Contacts in this workspace; by default the connection's.", "space_1")
    ]
    campaign: Annotated[
        CampaignId,
        FilterHelp("Contacts in this campaign. Records then report the times of events.", "camp_spring"),
    ]
    search: Annotated[str, FilterHelp("Contacts whose e-mail address contains this text.", "example.com")]
    stage: Annotated[Stage, FilterHelp("Contacts in this stage.", "Interested")]
    has_opened: Annotated[bool, FilterHelp("Contacts who have opened an e-mail, or have not.", "true")]
    has_clicked: Annotated[bool, FilterHelp("Contacts who have clicked a link, or have not.", "true")]
    has_replied: Annotated[bool, FilterHelp("Contacts who have replied to an e-mail, or have not.", "true")]
    has_bounced: Annotated[bool, FilterHelp("Contacts with an e-mail that bounced, or without one.", "false")]


class _Key(msgspec.Struct, gc=False):
    id: str


class _Record(msgspec.Struct, gc=False):
    id: str
    email: str | None = None
    stage: str | msgspec.UnsetType | None = msgspec.UNSET
    full_name: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    title: str | None = None
    mobile_phone: str | msgspec.UnsetType | None = msgspec.UNSET
    work_phone: str | msgspec.UnsetType | None = msgspec.UNSET
    home_phone: str | msgspec.UnsetType | None = msgspec.UNSET
    voip_phone: str | msgspec.UnsetType | None = msgspec.UNSET
    other_phone: str | msgspec.UnsetType | None = msgspec.UNSET
    company_name: str | None = None
    city: str | None = None
    country: str | None = None
    timezone: str | None = None
    linkedin: str | None = None
    # `created_at`, `last_updated` and `last_activity` are English text such as "47 minutes ago".
    created: object = None
    # In a listing with `campaign`, null means never. Otherwise null and absent both mean unknown.
    last_open: object = msgspec.UNSET
    last_click: object = msgspec.UNSET
    last_reply: object = msgspec.UNSET
    last_unsubscribe: object = msgspec.UNSET
    last_bounce: object = msgspec.UNSET


_phones = attrgetter("mobile_phone", "work_phone", "home_phone", "voip_phone", "other_phone")
_EVENT_FIELDS = ("opened_at", "clicked_at", "bounced_at", "unsubscribed_at")


class _Envelope(Envelope, Generic[R], kw_only=True):
    data: list[R]
    total_found: int | None = None
    total_pages: int | None = None


def _to_contact(record: _Record, scope: ListingScope, raw: RawJson) -> Contact:
    # In order of preference.
    phone = record.mobile_phone or record.work_phone or record.home_phone
    phone = phone or record.voip_phone or record.other_phone or None
    unknown_fields: tuple[str, ...] = ("stage",) if record.stage is msgspec.UNSET else ()
    if phone is None and msgspec.UNSET in _phones(record):
        unknown_fields += ("phone",)
    contact = Contact(
        vendor=_NAME,
        account_id=scope.account_id,
        contact_id=record.id,
        name=record.full_name or None,
        first_name=record.first_name or None,
        last_name=record.last_name or None,
        email=record.email or None,
        phone=phone,
        company=record.company_name or None,
        title=record.title or None,
        stage=record.stage or None,
        linkedin_url=record.linkedin or None,
        city=record.city or None,
        country=record.country or None,
        timezone=record.timezone or None,
        created_at=from_unix(record.created),
        unknown_fields=unknown_fields + _EVENT_FIELDS,
        raw=raw,
    )
    # A second step, which most records do not need, because it takes half as long as the first.
    has_opened_or_replied = record.last_open or record.last_click or record.last_reply
    has_event = has_opened_or_replied or record.last_unsubscribe or record.last_bounce
    if not has_event and "campaign" not in scope.filters:
        return contact
    return _with_events(contact, record, scope, unknown_fields)


def _with_events(
    contact: Contact, record: _Record, scope: ListingScope, unknown_fields: tuple[str, ...]
) -> Contact:
    """Return a contact with the times of events, and which of them are unknown."""
    values = {
        "opened_at": record.last_open,
        "clicked_at": record.last_click,
        "bounced_at": record.last_bounce,
        "unsubscribed_at": record.last_unsubscribe,
    }
    times = {name: from_unix(value) for name, value in values.items()}
    # Without `campaign`, null does not mean never.
    has_campaign = "campaign" in scope.filters
    unknown_events = [
        name for name, value in values.items() if times[name] is None and not (has_campaign and value is None)
    ]
    replied_at = from_unix(record.last_reply)
    # The stage "Replied" is not used: contacts who have replied may be in another stage by now.
    is_never = has_campaign and record.last_reply is None
    replied = True if replied_at else (False if is_never else None)
    return msgspec.structs.replace(
        contact,
        replied=replied,
        replied_at=replied_at,
        unknown_fields=(*unknown_fields, *unknown_events),
        **times,
    )


def _stage_filters(name: str) -> Filters:
    names = {stage.casefold(): stage for stage in get_args(Stage)}
    if (stage := names.get(name.casefold())) is None:
        raise errors.InvalidRequest(
            f"Mailstand has no such stage. Its stages are {', '.join(names.values())}."
        )
    return {"stage": stage}


def _check_stage_name(name: str) -> None:
    _stage_filters(name)  # a misspelled stage must not match everyone


def _event_support(name: str) -> ConditionSupport:
    return ConditionSupport.from_filters({name: True}, negated={name: False}, record_filter="campaign")


def _has_time(condition: Condition) -> bool:
    return isinstance(condition, Replied) and condition.since is not None


def _credentials(settings: Settings) -> Credentials:
    # The key is the user name and the password is empty:
    # https://mailstand.readme.io/reference/authentication
    key = settings.require_password()
    return Credentials({"Authorization": "Basic " + base64.b64encode(f"{key}:".encode()).decode()})


def _default_filters(filters: Filters, settings: Settings) -> Filters:
    workspace = filters.get("workspace") or settings.option("workspace")
    if not workspace:
        raise errors.InvalidConnection(
            "Mailstand lists the contacts of one workspace. Enter it in the field Workspace (`workspace` in "
            f"Extra) of connection {settings.conn_id!r}, or set the filter `workspace`."
        )
    return {"workspace": workspace}


def _list_workspaces() -> Flow[list[str]]:
    # https://mailstand.readme.io/reference/get-workspaces
    body = (yield Request("GET", "/workspaces")).json()
    data = body.get("data") if isinstance(body, dict) else None
    spaces = [space.get("id") for space in data if isinstance(space, dict)] if isinstance(data, list) else []
    return [space for space in spaces if isinstance(space, str)]


def _resolve_stage(change: StageChange, _count: int, _settings: Settings) -> Flow[StageChange]:
    names = {name.casefold(): name for name in _WRITABLE_STAGES}
    if change.stage.casefold() not in names:
        raise errors.InvalidRequest(
            f"Mailstand allows setting these stages: {', '.join(_WRITABLE_STAGES)}. Mailstand sets the "
            "others itself."
        )
    if change.campaign is None or not re.fullmatch(r"all|camp_\w+", change.campaign, re.ASCII):
        raise errors.InvalidRequest(
            "Mailstand keeps one stage per campaign. Set `campaign` to a campaign's id (`camp_…`) or `all`."
        )
    yield from ()  # no request is needed
    return StageChange(names[change.stage.casefold()], change.campaign)


def _update_stage(contact_id: str, _account_id: str, change: StageChange) -> Flow[None]:
    body = {_WRITABLE_STAGES[change.stage]: change.campaign}
    answer = (yield Request("PUT", f"/contacts/{contact_id}", json=body)).json()
    if not isinstance(answer, dict) or answer.get("status") != "ok":
        raise errors.MalformedResponse("Mailstand did not confirm the update (`status` is not `ok`).")


def _read_stages(contact_id: str) -> Flow[list[str]]:
    # https://mailstand.readme.io/reference/get-contact-details
    body = (yield Request("GET", f"/contacts/{contact_id}")).json()
    contact = _find_details(body)
    campaigns = contact.get("campaigns")
    stages = [contact[name] for name in ("status", "stage") if name in contact]
    stages += [
        one.get("stage_name") if isinstance(one, dict) else None
        for one in (campaigns if isinstance(campaigns, list) else [None])
    ]
    is_known = contact.get("id") == contact_id and ("status" in contact or "stage" in contact)
    if not is_known or not all(isinstance(stage, str) and stage for stage in stages):
        raise errors.MalformedResponse("The response does not report the contact's stage in every campaign.")
    return [str(stage) for stage in stages]


def _find_details(body: object) -> dict[str, object]:
    """Return the details of a contact in a response, or an empty dict."""
    data = body.get("data", body) if isinstance(body, dict) else None
    return data if isinstance(data, dict) and "id" in data else {}


def _unwrap(body: object) -> dict[str, object]:
    """Return the details of a contact, with the names of a listing, or an empty dict."""
    if not (data := _find_details(body)):
        return {}
    # The latest of all campaigns.
    events = {
        name: max(moments)
        for name in ("last_open", "last_click", "last_reply", "last_unsubscribe", "last_bounce")
        if (moments := [at for one in _campaigns(data) if isinstance(at := one.get(name), int)])
    }
    return {**data, **events, "stage": data.get("status", data.get("stage"))}


def _campaigns(contact: dict[str, object]) -> list[dict[str, object]]:
    campaigns = contact.get("campaigns")
    return [one for one in campaigns if isinstance(one, dict)] if isinstance(campaigns, list) else []


MAILSTAND = Vendor(
    name=_NAME,
    title="Mailstand",
    base_url="https://api.mailstand.com",
    docs_url="https://mailstand.readme.io/reference/list-all-contacts",
    form=ConnectionForm(
        password_label="API key",
        password_placeholder="required; see mailstand.readme.io/reference/authentication",
        fields=(
            FormField(
                name="workspace",
                label="Workspace",
                description="Id of the workspace to read (space_…), unless a filter names another one.",
                example="space_1",
            ),
        ),
    ),
    credentials=_credentials,
    contacts=ListEndpoint(
        path="/contacts",
        filters=MailstandFilters,
        paging=PageNumberPaging(size_param="display", max_size=2000, page_param="page"),
        envelope=_Envelope,
        record=_Record,
        unpack=lambda body: Page(body.data, total=body.total_found, page_count=body.total_pages),
        to_contact=_to_contact,
        key_record=_Key,
        conditions={
            # Only a listing with `campaign` is guaranteed to contain the times of events.
            "replied": ConditionSupport(
                to_filters=lambda condition, wanted: (
                    {"has_replied": wanted} if wanted or not _has_time(condition) else None
                ),
                record_filter="campaign",
                is_exact=lambda condition: not _has_time(condition),
            ),
            "in_stage": ConditionSupport.from_name(_stage_filters, negated=_check_stage_name),
            "opened": _event_support("has_opened"),
            "clicked": _event_support("has_clicked"),
            "bounced": _event_support("has_bounced"),
            # The API has no filter for it.
            "unsubscribed": ConditionSupport(required_filter="campaign"),
            "has_phone": ConditionSupport(),
        },
        default_filters=_default_filters,
        account_id=lambda filters, _settings: str(filters["workspace"]),
    ),
    # https://mailstand.readme.io/reference/get-contact-details
    contact=ContactEndpoint(path="/contacts/{contact_id}", unwrap=_unwrap),
    updates=UpdateSupport(
        check_ids=require_id_format(r"contact_\w+", "A Mailstand contact id must look like `contact_…`."),
        stage=_update_stage,
        resolve_stage=_resolve_stage,
        # Do Not Contact is for people who have asked for it:
        # https://mailstand.readme.io/reference/edit-contact
        default_stop=StageChange("Not Interested", "all"),
        stopping_stages=("Not Interested", _OPT_OUT_STAGE),
        opt_out_stages=(_OPT_OUT_STAGE,),
        read_stages=_read_stages,
    ),
    rates=((100, 15.0),),
    probe=lambda settings: None if settings.option("workspace") else Request("GET", "/workspaces"),
    scope_field="field Workspace (`workspace` in Extra)",
    list_scopes=_list_workspaces,
    error_format=ErrorFormat(status_key="statusCode"),
    # The first two both have status 429, and a missing record has status 400:
    # https://mailstand.readme.io/reference/errors
    error_labels={
        "Rate Limited": errors.RateLimited,
        "Too Many Requests": errors.QuotaExhausted,
        "Missing Record": errors.NotFound,
    },
)


class MailstandHook(ContactsHook[MailstandFilters]):
    """Read Mailstand contacts and set their stage.

    The API has no filter by time of change, and its ``last_updated`` is relative English text, so
    every listing is a full one.

    API docs: https://mailstand.readme.io/reference/list-all-contacts

    :param contacts_conn_id: connection of type ``mailstand``: the password is the API key,
        ``workspace`` in Extra is the workspace to read unless a filter names another one.
    :param page_size: contacts per request, at most 2000, which is the default.
    """

    vendor = MAILSTAND
