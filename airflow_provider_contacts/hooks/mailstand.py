"""Mailstand: cold e-mail, at https://mailstand.readme.io/reference/list-all-contacts."""

from __future__ import annotations

import base64
import re
from typing import Annotated, Any, Generic, Literal, TypedDict, TypeVar, get_args

import msgspec

from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.core.changes import StageChange, Steps, Writes
from airflow_provider_contacts.core.decoding import Envelope, from_unix
from airflow_provider_contacts.core.filters import Answer
from airflow_provider_contacts.core.paging import Page, PageNumberPaging
from airflow_provider_contacts.core.request import Request
from airflow_provider_contacts.core.settings import Credentials, Settings
from airflow_provider_contacts.core.vendor import ContactList, Vendor
from airflow_provider_contacts.errors import (
    InvalidConnection,
    InvalidRequest,
    MalformedResponse,
    NotFound,
    QuotaExhausted,
    RateLimited,
)
from airflow_provider_contacts.hooks.base import ContactsHook

R = TypeVar("R")

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


class MailstandFilters(TypedDict, total=False):
    """Filters of ``GET /contacts``, by their own names.

    ``workspace`` defaults to the connection's. ``search`` looks at the e-mail address alone.
    """

    workspace: WorkspaceId
    campaign: CampaignId
    search: str
    stage: Stage
    has_opened: bool
    has_clicked: bool
    has_replied: bool
    has_bounced: bool


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
    created: Any = None
    # These are given for certain only with a campaign: null is never, absent is unknown.
    last_open: Any = msgspec.UNSET
    last_click: Any = msgspec.UNSET
    last_reply: Any = msgspec.UNSET
    last_unsubscribe: Any = None
    last_bounce: Any = msgspec.UNSET


class _Envelope(Envelope, Generic[R], kw_only=True):
    data: list[R]
    total_found: int | None = None


def _unpack(envelope: _Envelope[Any]) -> Page[Any]:
    return Page(envelope.data, total=envelope.total_found)


def _to_contact(record: _Record, account_id: str, raw: Any) -> Contact:
    phones = (
        record.mobile_phone,
        record.work_phone,
        record.home_phone,
        record.voip_phone,
        record.other_phone,
    )
    phone = next((number for number in phones if number), None)
    replied_at, opened_at = from_unix(record.last_reply), from_unix(record.last_open)
    clicked_at, bounced_at = from_unix(record.last_click), from_unix(record.last_bounce)
    unknown = []
    if record.stage is msgspec.UNSET:
        unknown.append("stage")
    if phone is None and msgspec.UNSET in phones:
        unknown.append("phone")
    if opened_at is None and record.last_open is not None:
        unknown.append("opened_at")
    if clicked_at is None and record.last_click is not None:
        unknown.append("clicked_at")
    if bounced_at is None and record.last_bounce is not None:
        unknown.append("bounced_at")
    return Contact(
        vendor="mailstand",
        account_id=account_id,
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
        # Not from the stage "Replied": some who have replied are in another one by now.
        replied=False if record.last_reply is None else True if replied_at else None,
        replied_at=replied_at,
        opened_at=opened_at,
        clicked_at=clicked_at,
        bounced_at=bounced_at,
        unsubscribed_at=from_unix(record.last_unsubscribe),
        created_at=from_unix(record.created),
        unknown=tuple(unknown),
        raw=raw,
    )


def _push_stage(leaf: Any, wanted: bool) -> dict[str, Any] | None:
    names = {name.casefold(): name for name in get_args(Stage)}
    if leaf.name.casefold() not in names:
        raise InvalidRequest(f"Mailstand has no such stage; its stages are {', '.join(names.values())}")
    return {"stage": names[leaf.name.casefold()]} if wanted else None


def _credentials(settings: Settings) -> Credentials:
    # The key is the user name and the password stays empty: https://mailstand.readme.io/reference/authentication
    key = settings.require_password("API key")
    return Credentials({"Authorization": "Basic " + base64.b64encode(f"{key}:".encode()).decode()})


def _complete(filters: dict[str, Any], settings: Settings) -> dict[str, Any]:
    workspace = filters.get("workspace") or settings.option("workspace")
    if not workspace:
        raise InvalidConnection(
            f"Mailstand lists the contacts of one workspace: enter it in the field Workspace (`workspace` in "
            f"Extra) of connection {settings.conn_id!r}, or give the filter `workspace`"
        )
    return {**filters, "workspace": workspace}


def _check(settings: Settings) -> Request | None:
    return None if settings.option("workspace") else Request("GET", "/workspaces")


# The four stages that can be written, by the names that a list shows: the field is the stage, its value where it
# holds. https://mailstand.readme.io/reference/edit-contact
_WRITABLE = {
    "Interested": "interested",
    "Not Interested": "not_interested",
    "Nurture": "nurture",
    "Do Not Contact": "do_not_contact",
}


def _check_ids(contact_id: str, _account_id: str) -> None:
    if not re.fullmatch(r"contact_\w+", contact_id, re.ASCII):
        raise InvalidRequest("a Mailstand contact id has the form `contact_…`")


def _prepare_stage(change: StageChange, _count: int) -> Steps:
    names = {name.casefold(): name for name in _WRITABLE}
    if change.stage.casefold() not in names:
        raise InvalidRequest(
            f"Mailstand lets these stages be set: {', '.join(_WRITABLE)}; the others it sets itself"
        )
    if change.campaign is None or not re.fullmatch(r"all|camp_\w+", change.campaign, re.ASCII):
        raise InvalidRequest(
            "Mailstand keeps a stage per campaign: give `campaign`, an id (`camp_…`) or `all`"
        )
    return StageChange(names[change.stage.casefold()], change.campaign)
    yield  # no request is needed for this


def _update_stage(contact_id: str, _account_id: str, change: StageChange) -> Steps:
    answer = yield Request("PUT", f"/contacts/{contact_id}", json={_WRITABLE[change.stage]: change.campaign})
    if not isinstance(answer, dict) or answer.get("status") != "ok":
        raise MalformedResponse("the answer to the update does not say `ok`")


MAILSTAND = Vendor(
    name="mailstand",
    title="Mailstand",
    base_url="https://api.mailstand.com",
    credentials=_credentials,
    credential_field="API key (password)",
    contacts=ContactList(
        path="/contacts",
        filters=MailstandFilters,
        paging=PageNumberPaging(size_param="display", max_size=2000, page_param="page"),
        envelope=_Envelope,
        record=_Record,
        unpack=_unpack,
        to_contact=_to_contact,
        answers={
            # Only with a campaign are the times of events given for certain.
            "replied": Answer(
                push=lambda leaf, wanted: {"has_replied": wanted} if wanted or leaf.since is None else None,
                needs=lambda leaf: "campaign" if leaf.since else "",
                exact=lambda leaf: leaf.since is None,
            ),
            "in_stage": Answer(push=_push_stage),
            "opened": Answer(push=lambda _leaf, wanted: {"has_opened": wanted}),
            "clicked": Answer(push=lambda _leaf, wanted: {"has_clicked": wanted}),
            "bounced": Answer(push=lambda _leaf, wanted: {"has_bounced": wanted}),
            "has_phone": Answer(),
        },
        complete=_complete,
        account_id=lambda filters, _settings: str(filters["workspace"]),
    ),
    writes=Writes(check_ids=_check_ids, stage=_update_stage, prepare_stage=_prepare_stage),
    options=("workspace",),
    rates=((100, 15.0),),
    check=_check,
    # Both of the first two come as 429, and a missing record comes as 400:
    # https://mailstand.readme.io/reference/errors
    error_labels={
        "Rate Limited": RateLimited,
        "Too Many Requests": QuotaExhausted,
        "Missing Record": NotFound,
    },
)


class MailstandHook(ContactsHook):
    """Read Mailstand contacts.

    The API has no filter by time of change, and its ``last_updated`` is relative English text, so every
    listing is a whole one.

    API page: https://mailstand.readme.io/reference/list-all-contacts

    :param contacts_conn_id: connection of type ``mailstand``: the password is the API key, ``workspace`` in
        the extra the workspace to list where no filter names one.
    :param page_size: contacts per request, 2000 at most and by default.
    """

    conn_type = "mailstand"
    hook_name = "Mailstand"
    default_conn_name = "mailstand_default"
    vendor = MAILSTAND
