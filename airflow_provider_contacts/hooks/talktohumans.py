"""TalkToHumans: LinkedIn contacts, at https://talktohumans.app/docs/developers/contacts/list-contacts."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, Generic, Literal, TypedDict, TypeVar

import msgspec

from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.core.changes import NotesChange, Steps, TagChange, Writes
from airflow_provider_contacts.core.decoding import Envelope, lenient, utc
from airflow_provider_contacts.core.filters import Answer
from airflow_provider_contacts.core.paging import CursorPaging, Page
from airflow_provider_contacts.core.request import Request
from airflow_provider_contacts.core.settings import Credentials, Settings
from airflow_provider_contacts.core.vendor import ContactList, Vendor
from airflow_provider_contacts.errors import InvalidRequest, MalformedResponse
from airflow_provider_contacts.hooks.base import ContactsHook

R = TypeVar("R")

Id = Annotated[str, msgspec.Meta(pattern=r"^[1-9][0-9]*\Z", description='a decimal id such as "42"')]


class TalkToHumansFilters(TypedDict, total=False):
    """Filters of ``GET /v1/contacts``, by their own names.

    ``search`` looks at profile, tags, notes, work history and company; ``query`` at name, headline, company,
    role, handle and profile URL. ``tag`` is one tag's name.
    """

    account_id: list[Id]
    query: str
    company_name: str
    headline: str
    search: str
    location: str
    company_size: str
    tag: str
    relationship_status: Literal["any", "connected", "not_connected", "unknown"]
    invitation_status: Literal["pending"]
    conversation_id: str


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
    received_at: datetime | None = None


class _Sequence(msgspec.Struct, gc=False):
    status: str | None = None
    stop_if_person_replies: bool | None = None


class _Record(msgspec.Struct, gc=False):
    contact_id: str
    account: _Account | None = None
    name: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    # The page shows objects; plain names are understood as well.
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


def _unpack(envelope: _Envelope[Any]) -> Page[Any]:
    data = envelope.data
    return Page(data.contacts, has_more=data.pagination.has_more, next_cursor=data.pagination.next_cursor)


def _replied(sequence: _Sequence | None) -> bool | None:
    # Without a sequence nothing in the record would show a reply; one that does not stop for a reply shows none.
    if sequence is None or not sequence.status:
        return None
    if sequence.status.lower() == "replied":
        return True
    return None if sequence.stop_if_person_replies is False else False


def _unknown(record: _Record) -> tuple[str, ...]:
    invitation = record.connection_invitation
    no_state = invitation is msgspec.UNSET or (invitation and not invitation.invite_state)
    return (
        *(("tags",) if record.tags is msgspec.UNSET else ()),
        *(("invitation_state",) if no_state else ()),
    )


def _to_contact(record: _Record, _account_id: str, raw: Any) -> Contact:
    invitation, sequence, locations = record.connection_invitation or None, record.sequence, record.locations
    place = next((place for place in locations if place.is_primary), locations[0]) if locations else None
    company = record.primary_company_name or (record.company and record.company.name) or None
    return Contact(
        vendor="talktohumans",
        account_id=record.account.account_id if record.account else "",
        contact_id=record.contact_id,
        name=record.name or None,
        first_name=record.first_name or None,
        last_name=record.last_name or None,
        company=company,
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
        unknown=_unknown(record),
        raw=raw,
    )


def _credentials(settings: Settings) -> Credentials:
    return Credentials({"Authorization": f"Bearer {settings.require_password('API key')}"})


def _check_ids(contact_id: str, account_id: str) -> None:
    if not re.fullmatch(r"[1-9][0-9]*", contact_id, re.ASCII):
        raise InvalidRequest("a TalkToHumans contact id is a decimal id")
    if account_id and not re.fullmatch(r"[1-9][0-9]*", account_id, re.ASCII):
        raise InvalidRequest("a TalkToHumans account id is a decimal id")


def _patch(contact_id: str, account_id: str, body: dict[str, Any]) -> Request:
    # Required only where a contact exists under several LinkedIn accounts, and never wrong.
    account = {"account_id": account_id} if account_id else {}
    return Request("PATCH", f"/v1/contacts/{contact_id}", json={**account, **body})


def _update_tags(contact_id: str, account_id: str, change: TagChange) -> Steps:
    if change.replace is None:
        tags = {"add": _tags(change.add), "remove": list(change.remove)}
        answer = yield _patch(
            contact_id, account_id, {"tags": {key: value for key, value in tags.items() if value}}
        )
        return _updated(answer, contact_id)
    if not change.replace:
        return _updated((yield _patch(contact_id, account_id, {"tags": {"set": []}})), contact_id)
    # What the items of `tags.set` look like is not documented. Adding first and then removing what the answer
    # shows beside it comes to the same, in documented forms.
    contact = _updated(
        (yield _patch(contact_id, account_id, {"tags": {"add": _tags(change.replace)}})), contact_id
    )
    wanted = {name for name, _ in change.replace}
    if not wanted <= set(contact.tags):
        raise MalformedResponse("the answer does not show the tags that were added, so none is removed")
    others = [name for name in contact.tags if name not in wanted]
    if not others:
        return contact
    return _updated((yield _patch(contact_id, account_id, {"tags": {"remove": others}})), contact_id)


def _tags(tags: tuple[tuple[str, str | None], ...]) -> list[dict[str, str]]:
    return [{"name": name, "color": color} if color else {"name": name} for name, color in tags]


def _update_notes(contact_id: str, account_id: str, change: NotesChange) -> Steps:
    return _updated((yield _patch(contact_id, account_id, {"notes_json": change.notes})), contact_id)


def _updated(answer: Any, contact_id: str) -> Contact:
    data = answer.get("data") if isinstance(answer, dict) else None
    record = data.get("contact") if isinstance(data, dict) else None
    if isinstance(record, dict) and str(record.get("contact_id")) != contact_id:
        raise MalformedResponse("the answer shows another contact than the one that was written")
    try:
        return _to_contact(lenient(record, _Record), "", msgspec.Raw(msgspec.json.encode(record)))
    except msgspec.ValidationError as error:
        raise MalformedResponse(f"the answer has no contact at `data.contact`: {error}") from None


TALKTOHUMANS = Vendor(
    name="talktohumans",
    title="TalkToHumans",
    base_url="https://api.talktohumans.app",
    credentials=_credentials,
    credential_field="API key (password)",
    contacts=ContactList(
        path="/v1/contacts",
        filters=TalkToHumansFilters,
        paging=CursorPaging(size_param="limit", max_size=25, cursor_param="cursor"),
        envelope=_Envelope,
        record=_Record,
        unpack=_unpack,
        to_contact=_to_contact,
        answers={
            "replied": Answer(),
            "invitation_pending": Answer(
                push=lambda _leaf, wanted: {"invitation_status": "pending"} if wanted else None
            ),
            "connected": Answer(
                push=lambda _leaf, wanted: {"relationship_status": "connected"} if wanted else None,
                on_record=False,
            ),
            "tagged": Answer(push=lambda leaf, wanted: {"tag": leaf.name} if wanted else None),
        },
    ),
    writes=Writes(check_ids=_check_ids, tags=_update_tags, notes=_update_notes),
)


class TalkToHumansHook(ContactsHook):
    """Read TalkToHumans contacts.

    One person may be a contact of several LinkedIn accounts; each is a contact of its own, told apart by
    ``account_id``. The API gives neither e-mail address nor phone number.

    API pages: https://talktohumans.app/docs/developers/contacts/list-contacts

    :param contacts_conn_id: connection of type ``talktohumans``, whose password is the API key.
    :param page_size: contacts per request, 25 at most and by default.
    """

    conn_type = "talktohumans"
    hook_name = "TalkToHumans"
    default_conn_name = "talktohumans_default"
    vendor = TALKTOHUMANS

    def list_accounts(self) -> list[dict[str, Any]]:
        """Return the LinkedIn accounts of the workspace, as the vendor gives them.

        The list-contacts page names ``GET /v1/accounts`` as the source of account ids; the answer is not
        documented. An array at ``data.accounts`` or ``data`` is understood, with the paging of the other
        lists where it says that more follow.

        :return: dicts with at least ``account_id``.
        :raises MalformedResponse: if the answer holds no such array.
        """
        accounts: list[dict[str, Any]] = []
        walk = TALKTOHUMANS.contacts.paging.walk(TALKTOHUMANS.contacts.paging.max_size)
        params: dict[str, str] = {}
        while True:
            page = self.get_json(Request("GET", "/v1/accounts", tuple(params.items())), _accounts)
            accounts += page.items
            walk.take(page, len(page.items))
            if walk.done:
                return accounts
            params = {"cursor": page.next_cursor or ""}


def _accounts(answer: Any) -> Page[dict[str, Any]]:
    data = answer.get("data") if isinstance(answer, dict) else None
    items: Any = data.get("accounts") if isinstance(data, dict) else data
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise MalformedResponse("the answer has no list of accounts at `data.accounts` or `data`")
    pagination = data.get("pagination") if isinstance(data, dict) else None
    if not isinstance(pagination, dict):
        pagination = {}
    return Page(items, has_more=bool(pagination.get("has_more")), next_cursor=pagination.get("next_cursor"))
