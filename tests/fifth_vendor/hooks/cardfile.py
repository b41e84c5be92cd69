"""Cardfile: a fictional vendor whose pages link to the next one (https://cardfile.example/api)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Generic, Literal, TypedDict, TypeVar

import msgspec

from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.core.changes import TagChange
from airflow_provider_contacts.core.coerce import utc
from airflow_provider_contacts.core.connection_form import ConnectionForm
from airflow_provider_contacts.core.paging.styles import LinkPaging, Page
from airflow_provider_contacts.core.reading.decoding import Envelope, RawJson, convert_leniently
from airflow_provider_contacts.core.request import Flow, Request
from airflow_provider_contacts.core.settings import Credentials, Settings
from airflow_provider_contacts.core.vendor import (
    ConditionSupport,
    ListEndpoint,
    ListingScope,
    UpdateSupport,
    Vendor,
)
from airflow_provider_contacts.errors import InvalidRequest, MalformedResponse
from airflow_provider_contacts.hooks.base import ContactsHook

__all__ = ["CARDFILE", "CardfileFilters", "CardfileHook"]

R = TypeVar("R")

_NAME = "cardfile"
Text = Annotated[str, msgspec.Meta(min_length=1)]


class CardfileFilters(TypedDict, total=False):
    """Filters of ``GET /v2/people``, under their own names. ``search`` matches the name."""

    search: Text
    label: Text
    answered: bool
    state: Literal["open", "closed"]


class _Record(msgspec.Struct, gc=False):
    id: str
    full_name: str | None = None
    email: str | None = None
    mobile: str | msgspec.UnsetType | None = msgspec.UNSET
    labels: list[str] | msgspec.UnsetType | None = msgspec.UNSET
    answered_at: datetime | msgspec.UnsetType | None = msgspec.UNSET


class _Envelope(Envelope, Generic[R], kw_only=True):
    results: list[R]
    count: int
    next: str | None


def _unpack(envelope: _Envelope[R]) -> Page[R]:
    return Page(envelope.results, total=envelope.count, next_link=envelope.next)


def _to_contact(record: _Record, scope: ListingScope, raw: RawJson) -> Contact:
    # Null means none. A field that is absent or unreadable is unknown.
    answered_at = record.answered_at
    unknown_fields = [
        name for name, value in (("phone", record.mobile), ("tags", record.labels)) if value is msgspec.UNSET
    ]
    return Contact(
        vendor=_NAME,
        account_id=scope.account_id,
        contact_id=record.id,
        name=record.full_name or None,
        email=record.email or None,
        phone=record.mobile or None,
        tags=tuple(record.labels or ()),
        replied=None if isinstance(answered_at, msgspec.UnsetType) else answered_at is not None,
        replied_at=None if isinstance(answered_at, msgspec.UnsetType) else utc(answered_at),
        unknown_fields=tuple(unknown_fields),
        raw=raw,
    )


def _credentials(settings: Settings) -> Credentials:
    return Credentials({"Authorization": f"Bearer {settings.require_password()}"})


def _check_ids(contact_id: str, _account_id: str) -> None:
    if not (contact_id.isascii() and contact_id.isdigit()):
        raise InvalidRequest("A Cardfile contact id must be a number.")


def _update_tags(contact_id: str, account_id: str, change: TagChange) -> Flow[Contact]:
    if any(color for _, color in (*change.add, *(change.replace or ()))):
        raise InvalidRequest("Cardfile labels have no color.")
    if change.replace is None:
        body = {"add": [name for name, _ in change.add], "remove": list(change.remove)}
    else:
        body = {"set": [name for name, _ in change.replace]}
    answer = (yield Request("PATCH", f"/v2/people/{contact_id}/labels", json=body)).json()
    try:
        return _to_contact(convert_leniently(answer, _Record), ListingScope(account_id), msgspec.UNSET)
    except msgspec.ValidationError as error:
        raise MalformedResponse(f"The response to the update has no person: {error}.") from None


CARDFILE = Vendor(
    name=_NAME,
    title="Cardfile",
    base_url="https://api.cardfile.example",
    docs_url="https://cardfile.example/api",
    form=ConnectionForm(password_label="API token", host_placeholder="https://api.cardfile.example"),
    credentials=_credentials,
    contacts=ListEndpoint(
        path="/v2/people",
        filters=CardfileFilters,
        paging=LinkPaging(size_param="per_page", max_size=100, page_param="page"),
        envelope=_Envelope,
        record=_Record,
        unpack=_unpack,
        to_contact=_to_contact,
        conditions={
            "replied": ConditionSupport(),
            "tagged": ConditionSupport.from_name(lambda name: {"label": name}),
            "has_phone": ConditionSupport(),
        },
    ),
    updates=UpdateSupport(check_ids=_check_ids, tags=_update_tags),
    rates=((300, 60.0),),
)


class CardfileHook(ContactsHook[CardfileFilters]):
    """Read Cardfile contacts and change their labels, which are tags here.

    API docs: https://cardfile.example/api

    :param contacts_conn_id: connection of type ``cardfile``, whose password is the API token.
    :param page_size: contacts per request, at most 100, which is the default.
    """

    vendor = CARDFILE
