"""TalkToHumans: LinkedIn contacts (https://talktohumans.app/docs/developers/contacts/list-contacts)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Generic, Literal, TypedDict, TypeVar

import msgspec

from airflow_provider_contacts.conditions import Condition, InvitationPending, Replied
from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.core.changes import Tag, TagChange
from airflow_provider_contacts.core.coerce import utc
from airflow_provider_contacts.core.connection_form import ConnectionForm
from airflow_provider_contacts.core.filters import FilterHelp
from airflow_provider_contacts.core.paging.styles import CursorPaging, Page
from airflow_provider_contacts.core.reading.decoding import Envelope, RawJson, convert_leniently
from airflow_provider_contacts.core.request import Flow, Request
from airflow_provider_contacts.core.settings import bearer_credentials
from airflow_provider_contacts.core.vendor import (
    ConditionSupport,
    ListEndpoint,
    ListingScope,
    UpdateSupport,
    Vendor,
    require_id_format,
)
from airflow_provider_contacts.errors import MalformedResponse
from airflow_provider_contacts.hooks.base import ContactsHook

__all__ = ["TALKTOHUMANS", "TalkToHumansFilters", "TalkToHumansHook"]

R = TypeVar("R")

_NAME = "talktohumans"
_PAGING = CursorPaging(size_param="limit", max_size=25, cursor_param="cursor", split_param="account_id")
Id = Annotated[str, msgspec.Meta(pattern=r"^[1-9][0-9]*\Z", description='a decimal id such as "42"')]


class TalkToHumansFilters(TypedDict, total=False):
    """Filters of ``GET /v1/contacts``, under their own names.

    ``search`` matches profile, tags, notes, work history and company; ``query`` matches name,
    headline, company, role, handle and profile URL. ``tag`` is the name of one tag.
    """

    account_id: Annotated[list[Id], FilterHelp("Contacts in these LinkedIn accounts.", "42")]
    query: Annotated[
        str,
        FilterHelp(
            "Contacts with this text in name, headline, company, role, handle or URL.", "head of data"
        ),
    ]
    company_name: Annotated[str, FilterHelp("Contacts whose current or past company has this name.", "Acme")]
    headline: Annotated[str, FilterHelp("Contacts whose headline contains this text.", "founder")]
    search: Annotated[
        str,
        FilterHelp(
            "Contacts with this text in profile, tags, notes, history, education or company.", "airflow"
        ),
    ]
    location: Annotated[str, FilterHelp("Contacts whose location contains this text.", "Berlin")]
    company_size: Annotated[
        str,
        FilterHelp("Contacts whose company has this size. The API docs do not document the format.", "200"),
    ]
    tag: Annotated[str, FilterHelp("Contacts with the tag that has this name.", "VIP")]
    relationship_status: Annotated[
        Literal["any", "connected", "not_connected", "unknown"],
        FilterHelp("Contacts who are LinkedIn connections, or are not.", "connected"),
    ]
    invitation_status: Annotated[
        Literal["pending"], FilterHelp("Contacts whose invitation is pending.", "pending")
    ]
    conversation_id: Annotated[str, FilterHelp("Contacts in this conversation.", "7")]


class _Account(msgspec.Struct, gc=False):
    account_id: str = ""


class _Tag(msgspec.Struct, gc=False):
    name: str


class _Location(msgspec.Struct, gc=False):
    is_primary: bool | None = None
    city: str | None = None
    country: str | None = None
    country_full: str | None = None


class _Company(msgspec.Struct, gc=False):
    name: str | None = None


class _Invitation(msgspec.Struct, gc=False):
    invite_state: str | None = None
    invite_type: str | None = None
    received_at: datetime | None = None


class _Sequence(msgspec.Struct, gc=False):
    status: str | None = None
    stop_if_person_replies: bool | None = None


class _Key(msgspec.Struct, gc=False):
    contact_id: str
    account: _Account | None = None


class _Record(msgspec.Struct, gc=False):
    contact_id: str
    account: _Account | None = None
    name: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    # The API docs show objects. Plain names are accepted too.
    tags: list[_Tag | str] | msgspec.UnsetType | None = msgspec.UNSET
    locations: list[_Location] | None = None
    app_url: str | None = None
    primary_role_title: str | None = None
    primary_company_name: str | None = None
    company: _Company | None = None
    linkedin_url: str | None = None
    connection_invitation: _Invitation | msgspec.UnsetType | None = msgspec.UNSET
    last_interaction_at: datetime | None = None
    sequence: _Sequence | None = None


class _Pagination(msgspec.Struct, gc=False):
    has_more: bool | None = None
    next_cursor: str | None = None


class _Data(msgspec.Struct, Generic[R]):
    contacts: list[R]
    pagination: _Pagination


class _Envelope(Envelope, Generic[R], kw_only=True):
    data: _Data[R]


def _to_key(record: _Key, _scope: ListingScope) -> tuple[str, str]:
    return record.account.account_id if record.account else "", record.contact_id


def _replied(sequence: _Sequence | None) -> bool | None:
    # Only sequences report replies, and only if they stop on a reply.
    if sequence is None or not sequence.status:
        return None
    if sequence.status.lower() == "replied":
        return True
    return None if sequence.stop_if_person_replies is False else False


def _to_contact(record: _Record, _scope: ListingScope, raw: RawJson) -> Contact:
    invitation = record.connection_invitation or None
    sequence = record.sequence
    has_no_state = record.connection_invitation is msgspec.UNSET or (
        invitation is not None and not invitation.invite_state
    )
    unknown_fields = ("tags",) if record.tags is msgspec.UNSET else ()
    places = record.locations
    place = next((place for place in places if place.is_primary), places[0]) if places else None
    return Contact(
        vendor=_NAME,
        account_id=record.account.account_id if record.account else "",
        contact_id=record.contact_id,
        name=record.name or None,
        first_name=record.first_name or None,
        last_name=record.last_name or None,
        company=record.primary_company_name or (record.company and record.company.name) or None,
        title=record.primary_role_title or None,
        tags=tuple([tag if isinstance(tag, str) else tag.name for tag in record.tags]) if record.tags else (),
        linkedin_url=record.linkedin_url or None,
        city=(place and place.city) or None,
        country=(place and (place.country_full or place.country)) or None,
        sequence_status=(sequence and sequence.status) or None,
        invitation_state=(invitation and invitation.invite_state) or None,
        invited_at=utc(invitation.received_at) if invitation else None,
        replied=_replied(sequence),
        last_interaction_at=utc(record.last_interaction_at),
        url=record.app_url or None,
        unknown_fields=(*unknown_fields, "invitation_state") if has_no_state else unknown_fields,
        invitation_type=(invitation and invitation.invite_type) or None,
        raw=raw,
    )


def _explain_unsupported_replied(condition: Condition) -> str:
    if not isinstance(condition, Replied) or condition.since is None or condition.interaction_counts:
        return ""
    return (
        "TalkToHumans does not report when a contact has replied, only when the last interaction was, which "
        "may be a message of yours. Leave `since` out, or set `interaction_counts` to accept that."
    )


# https://talktohumans.app/docs/developers/contacts/update-contact
def _update_tags(contact_id: str, account_id: str, change: TagChange) -> Flow[Contact]:
    if change.replace is None:
        tags = {"add": _tag_objects(change.add), "remove": list(change.remove)}
        filled = {name: items for name, items in tags.items() if items}
        return (yield from _update(contact_id, account_id, {"tags": filled}))
    if not change.replace:
        return (yield from _update(contact_id, account_id, {"tags": {"set": []}}))
    # The page does not show the items of `tags.set`. Adding the wanted tags and then removing the
    # others has the same effect, in documented shapes.
    added = {"tags": {"add": _tag_objects(change.replace)}}
    contact = yield from _update(contact_id, account_id, added)
    wanted = {name for name, _ in change.replace}
    if not wanted <= set(contact.tags):
        raise MalformedResponse(
            "The response does not contain the added tags. The other tags were not removed."
        )
    if others := [name for name in contact.tags if name not in wanted]:
        contact = yield from _update(contact_id, account_id, {"tags": {"remove": others}})
    return contact


def _tag_objects(tags: tuple[Tag, ...]) -> list[dict[str, str]]:
    return [{"name": name, "color": color} if color else {"name": name} for name, color in tags]


def _update(contact_id: str, account_id: str, changes: Mapping[str, object]) -> Flow[Contact]:
    # Required only if a contact exists in several LinkedIn accounts; always safe to send.
    account = {"account_id": account_id} if account_id else {}
    answer = yield Request("PATCH", f"/v1/contacts/{contact_id}", json={**account, **changes})
    body = answer.json()
    data = body.get("data") if isinstance(body, dict) else None
    record = data.get("contact") if isinstance(data, dict) else None
    raw = msgspec.Raw(msgspec.json.encode(record))
    try:
        contact = _to_contact(convert_leniently(record, _Record), ListingScope(), raw)
    except msgspec.ValidationError as error:
        raise MalformedResponse(f"The response has no contact at `data.contact`: {error}.") from None
    if contact.contact_id != contact_id or contact.account_id not in ("", account_id or contact.account_id):
        raise MalformedResponse("The response contains a different contact than the one that was updated.")
    return contact


def _list_accounts() -> Flow[list[dict[str, Any]]]:
    accounts: list[dict[str, Any]] = []
    pages = _PAGING.start_pass(_PAGING.max_size)
    params: tuple[tuple[str, str], ...] = ()
    while not pages.done:
        page = _unpack_accounts((yield Request("GET", "/v1/accounts", params)).json())
        accounts += page.items
        pages.update(page, len(page.items))
        params = (("cursor", page.next_cursor or ""),)
    return accounts


def _list_account_ids() -> Flow[list[str]]:
    accounts = yield from _list_accounts()
    return [str(account["account_id"]) for account in accounts if account.get("account_id")]


def _unpack_accounts(body: object) -> Page[dict[str, Any]]:
    data = body.get("data") if isinstance(body, dict) else None
    items = data.get("accounts") if isinstance(data, dict) else data
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise MalformedResponse("The response has no list of accounts at `data.accounts` or `data`.")
    pagination = data.get("pagination") if isinstance(data, dict) else None
    if pagination is None and isinstance(body, dict):
        pagination = body.get("pagination")
    if pagination and not isinstance(pagination, dict):
        raise MalformedResponse("The response has no readable `pagination`.")
    # Without `has_more`, a page with pagination is rejected: the list would end early.
    more = pagination or {"has_more": False}
    return Page(items, has_more=more.get("has_more"), next_cursor=more.get("next_cursor"))


TALKTOHUMANS = Vendor(
    name=_NAME,
    title="TalkToHumans",
    base_url="https://api.talktohumans.app",
    docs_url="https://talktohumans.app/docs/developers/contacts/list-contacts",
    form=ConnectionForm(password_label="API key", password_placeholder="required"),
    credentials=bearer_credentials,
    contacts=ListEndpoint(
        path="/v1/contacts",
        filters=TalkToHumansFilters,
        paging=_PAGING,
        envelope=_Envelope,
        record=_Record,
        unpack=lambda body: Page(
            body.data.contacts,
            has_more=body.data.pagination.has_more,
            next_cursor=body.data.pagination.next_cursor,
        ),
        to_contact=_to_contact,
        key_record=_Key,
        to_key=_to_key,
        conditions={
            "replied": ConditionSupport(explain_unsupported=_explain_unsupported_replied),
            "invitation_pending": ConditionSupport(
                to_filters=lambda _condition, wanted: {"invitation_status": "pending"} if wanted else None,
                is_exact=lambda condition: condition == InvitationPending(),
            ),
            "connected": ConditionSupport.from_filters(
                {"relationship_status": "connected"}, is_on_record=False
            ),
            "tagged": ConditionSupport.from_name(lambda name: {"tag": name}),
            "last_interaction": ConditionSupport(),
        },
    ),
    list_account_ids=_list_account_ids,
    updates=UpdateSupport(
        check_ids=require_id_format(
            "[1-9][0-9]*",
            "A TalkToHumans contact id must be a decimal id.",
            account_problem="A TalkToHumans account id must be a decimal id.",
        ),
        tags=_update_tags,
        notes=lambda contact, account, change: _update(contact, account, {"notes_json": change.notes}),
        # The API cannot end a sequence.
        default_stop=TagChange(add=(("Stop outreach", None),)),
    ),
)


class TalkToHumansHook(ContactsHook[TalkToHumansFilters]):
    """Read and update TalkToHumans contacts.

    A person known to several LinkedIn accounts is one contact per account, distinguished by
    ``account_id``. The API returns neither e-mail addresses nor phone numbers.

    API docs: https://talktohumans.app/docs/developers/contacts/list-contacts

    :param contacts_conn_id: connection of type ``talktohumans``, whose password is the API key.
    :param page_size: contacts per request, at most 25, which is the default.
    """

    vendor = TALKTOHUMANS

    def list_accounts(self) -> list[dict[str, Any]]:
        """Return the LinkedIn accounts of the workspace, as the vendor sends them.

        The API docs name ``GET /v1/accounts`` but not its response. An array at ``data.accounts``
        or ``data`` is accepted, with the paging of the other lists.

        :return: dicts with at least ``account_id``.
        :raises MalformedResponse: if the response has no such array.
        """
        return self.run_flow(_list_accounts())
