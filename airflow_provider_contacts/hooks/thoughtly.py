"""Thoughtly: contacts of voice agents (https://docs.thoughtly.com/api-reference/contact/get-contacts)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Generic, Literal, TypedDict, TypeVar

import msgspec

from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.core.coerce import utc
from airflow_provider_contacts.core.connection_form import ConnectionForm, FormField
from airflow_provider_contacts.core.filters import FilterHelp
from airflow_provider_contacts.core.paging.styles import Page, PageNumberPaging
from airflow_provider_contacts.core.reading.decoding import Envelope, RawJson
from airflow_provider_contacts.core.settings import Credentials, Settings
from airflow_provider_contacts.core.vendor import (
    ConditionSupport,
    ContactEndpoint,
    ListEndpoint,
    ListingScope,
    Vendor,
)
from airflow_provider_contacts.errors import InvalidConnection
from airflow_provider_contacts.hooks.base import ContactsHook

__all__ = ["THOUGHTLY", "ThoughtlyFilters", "ThoughtlyHook"]

R = TypeVar("R")

_NAME = "thoughtly"


class ThoughtlyFilters(TypedDict, total=False):
    """Filters of ``GET /contact``, under their own names.

    ``search`` matches name, phone number and other attributes. The API docs do not say whether
    several ``tags`` mean all or any of them, nor which values ``sort`` takes.
    """

    search: Annotated[
        str, FilterHelp("Contacts with this text in name, phone number or other attributes.", "Ada")
    ]
    phone_numbers_only: Annotated[bool, FilterHelp("Contacts with a phone number only.", "true")]
    tags: Annotated[
        list[str],
        FilterHelp(
            "Contacts with these tags. The API docs do not say whether a contact needs all of several tags "
            "or any of them.",
            "VIP",
        ),
    ]
    excluded_tags: Annotated[list[str], FilterHelp("Contacts without these tags.", "Do not call")]
    sort: Annotated[str, FilterHelp("The field to sort by. The API docs do not list the fields.", "name")]
    sortDirection: Annotated[Literal["asc", "desc"], FilterHelp("The order of the contacts.", "asc")]


class _Key(msgspec.Struct, gc=False):
    id: str


class _Record(msgspec.Struct, gc=False):
    # The API docs do not show a contact. These are the fields of the create call, and of a third
    # party's schema.
    id: str
    name: str | None = None
    email: str | None = None
    phone_number: str | msgspec.UnsetType | None = msgspec.UNSET
    country_code: str | None = None
    tags: list[str] | msgspec.UnsetType | None = msgspec.UNSET
    attributes: dict[str, object] | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None


class _Data(msgspec.Struct, Generic[R]):
    contacts: list[R]


class _Envelope(Envelope, Generic[R], kw_only=True):
    data: _Data[R]


def _unpack(envelope: _Envelope[R]) -> Page[R]:
    return Page(envelope.data.contacts)


def _to_contact(record: _Record, scope: ListingScope, raw: RawJson) -> Contact:
    attributes = record.attributes or {}

    def attribute(name: str) -> str | None:
        value = attributes.get(name)
        return value if isinstance(value, str) and value else None

    return Contact(
        vendor=_NAME,
        account_id=scope.account_id,
        contact_id=record.id,
        name=record.name or None,
        first_name=attribute("first_name"),
        last_name=attribute("last_name"),
        email=record.email or None,
        phone=record.phone_number or None,
        company=attribute("company"),
        title=attribute("title"),
        tags=tuple(record.tags or ()),
        city=attribute("city"),
        country=record.country_code or None,
        timezone=attribute("timezone"),
        created_at=utc(record.created_at),
        updated_at=utc(record.updated_at),
        unknown_fields=(
            *(("tags",) if record.tags is msgspec.UNSET else ()),
            *(("phone",) if record.phone_number is msgspec.UNSET else ()),
        ),
        raw=raw,
    )


def _team_id(settings: Settings) -> str:
    in_extra = settings.option("team_id")
    team_id = settings.login or in_extra
    if not team_id:
        raise InvalidConnection(
            f"Connection {settings.conn_id!r} has no Team ID. Enter it in the field Team ID (login, or "
            "`team_id` in Extra)."
        )
    if in_extra and in_extra != team_id:
        raise InvalidConnection(
            f"Connection {settings.conn_id!r} has two Team IDs, in login and in `team_id` in Extra. Remove "
            "one of them."
        )
    if not team_id.isascii() or not team_id.isprintable():
        raise InvalidConnection(
            f"Team ID (login, or `team_id` in Extra) of connection {settings.conn_id!r} contains invalid "
            "characters."
        )
    return team_id


def _credentials(settings: Settings) -> Credentials:
    return Credentials({"x-api-token": settings.require_password(), "team_id": _team_id(settings)})


def _unwrap(body: object) -> object:
    data = body.get("data") if isinstance(body, dict) else None
    return data.get("contact", data) if isinstance(data, dict) else None


THOUGHTLY = Vendor(
    name=_NAME,
    title="Thoughtly",
    base_url="https://api.thoughtly.com",
    docs_url="https://docs.thoughtly.com/api-reference/contact/get-contacts",
    form=ConnectionForm(
        password_label="API token",
        password_placeholder="required; from Developer Settings in Thoughtly",
        # Airflow hides the fields of Extra at first, and saves a form without them. This field is
        # always visible.
        login_label="Team ID",
        login_placeholder="required; from Developer Settings in Thoughtly",
        fields=(
            FormField(
                name="team_id",
                label="Team ID",
                description="The same as the login, for connections that are defined in Extra.",
                is_shown=False,
            ),
        ),
    ),
    credentials=_credentials,
    credential_fields="fields API token (password) and Team ID (login)",
    contacts=ListEndpoint(
        path="/contact",
        filters=ThoughtlyFilters,
        # The API docs say only `page >= 0`, not where counting starts, so page 1 may be page 0
        # again. Covered by test_numbered_without_total.
        paging=PageNumberPaging(
            size_param="limit", max_size=50, page_param="page", first=0, first_page_may_repeat=True
        ),
        envelope=_Envelope,
        record=_Record,
        unpack=_unpack,
        to_contact=_to_contact,
        key_record=_Key,
        conditions={
            "tagged": ConditionSupport.from_name(
                lambda name: {"tags": [name]}, negated=lambda name: {"excluded_tags": [name]}
            ),
            "has_phone": ConditionSupport.from_filters({"phone_numbers_only": True}),
        },
        account_id=lambda _filters, settings: _team_id(settings),
    ),
    # https://docs.thoughtly.com/api-reference/contact/get-contact
    contact=ContactEndpoint(path="/contact/{contact_id}", unwrap=_unwrap),
    # The API reference has no call that changes a contact, so `updates` keeps its default.
    rates=((100, 60.0),),
)


class ThoughtlyHook(ContactsHook[ThoughtlyFilters]):
    """Read Thoughtly contacts.

    The API reports no total, so a contact that is deleted while a listing is read can cause another
    one to be skipped.

    API docs: https://docs.thoughtly.com/api-reference/contact/get-contacts

    :param contacts_conn_id: connection of type ``thoughtly``: the password is the API token, the
        login, or ``team_id`` in Extra, is the team.
    :param page_size: contacts per request, at most 50, which is the default.
    """

    vendor = THOUGHTLY
