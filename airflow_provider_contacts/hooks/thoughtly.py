"""Thoughtly: people that voice agents call, at https://docs.thoughtly.com/api-reference/contact/get-contacts."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Generic, Literal, TypedDict, TypeVar

import msgspec

from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.core.changes import Writes
from airflow_provider_contacts.core.decoding import Envelope, utc
from airflow_provider_contacts.core.filters import Answer
from airflow_provider_contacts.core.paging import Page, PageNumberPaging
from airflow_provider_contacts.core.settings import Credentials, Settings
from airflow_provider_contacts.core.vendor import ContactList, Vendor
from airflow_provider_contacts.errors import InvalidConnection
from airflow_provider_contacts.hooks.base import ContactsHook

R = TypeVar("R")


class ThoughtlyFilters(TypedDict, total=False):
    """Filters of ``GET /contact``, by their own names.

    ``search`` looks at name, phone number and other attributes. Whether several ``tags`` mean all or any of
    them is not documented. ``sort`` is a field such as name or creation date; its values are not documented.
    """

    search: str
    phone_numbers_only: bool
    tags: list[str]
    excluded_tags: list[str]
    sort: str
    sortDirection: Literal["asc", "desc"]


class _Record(msgspec.Struct, gc=False):
    # The payload is not documented. These are the names of the create call, and of a third party's schema.
    id: str
    name: str | None = None
    email: str | None = None
    phone_number: str | msgspec.UnsetType | None = msgspec.UNSET
    country_code: str | None = None
    tags: list[str] | msgspec.UnsetType | None = msgspec.UNSET
    attributes: dict[str, Any] | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None


class _Data(msgspec.Struct, Generic[R]):
    contacts: list[R]


class _Envelope(Envelope, Generic[R], kw_only=True):
    data: _Data[R]


def _unpack(envelope: _Envelope[Any]) -> Page[Any]:
    return Page(envelope.data.contacts)


def _to_contact(record: _Record, account_id: str, raw: Any) -> Contact:
    more = record.attributes or {}

    def attribute(name: str) -> str | None:
        value = more.get(name)
        return value if isinstance(value, str) and value else None

    return Contact(
        vendor="thoughtly",
        account_id=account_id,
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
        unknown=(
            *(("tags",) if record.tags is msgspec.UNSET else ()),
            *(("phone",) if record.phone_number is msgspec.UNSET else ()),
        ),
        raw=raw,
    )


def _team_id(settings: Settings) -> str:
    team_id = settings.option("team_id")
    if not team_id:
        raise InvalidConnection(
            f"connection {settings.conn_id!r} has no Team ID; enter it in the field Team ID (`team_id` in Extra)"
        )
    if not team_id.isascii() or not team_id.isprintable():
        raise InvalidConnection(
            f"Team ID (`team_id`) of connection {settings.conn_id!r} has odd characters in it"
        )
    return team_id


def _credentials(settings: Settings) -> Credentials:
    return Credentials({"x-api-token": settings.require_password("API token"), "team_id": _team_id(settings)})


THOUGHTLY = Vendor(
    name="thoughtly",
    title="Thoughtly",
    base_url="https://api.thoughtly.com",
    credentials=_credentials,
    credential_field="API token (password) and Team ID (`team_id`)",
    contacts=ContactList(
        path="/contact",
        filters=ThoughtlyFilters,
        # Counting starts at 0 by the page's "x >= 0" alone, so page 1 may turn out to be page 0 again.
        paging=PageNumberPaging(
            size_param="limit", max_size=50, page_param="page", first=0, first_may_repeat=True
        ),
        envelope=_Envelope,
        record=_Record,
        unpack=_unpack,
        to_contact=_to_contact,
        answers={
            "tagged": Answer(push=lambda leaf, wanted: {"tags" if wanted else "excluded_tags": [leaf.name]}),
            "has_phone": Answer(push=lambda _leaf, wanted: {"phone_numbers_only": True} if wanted else None),
        },
        account_id=lambda _filters, settings: _team_id(settings),
    ),
    writes=Writes(
        check_ids=lambda _contact_id, _account_id: None
    ),  # the pages show no call that changes a contact
    options=("team_id",),
    rates=((100, 60.0),),
)


class ThoughtlyHook(ContactsHook):
    """Read Thoughtly contacts.

    The API tells no total, so a contact that is deleted while a listing is read can hide another one.

    API page: https://docs.thoughtly.com/api-reference/contact/get-contacts

    :param contacts_conn_id: connection of type ``thoughtly``: the password is the API token, ``team_id`` in
        the extra the team.
    :param page_size: contacts per request, 50 at most and by default.
    """

    conn_type = "thoughtly"
    hook_name = "Thoughtly"
    default_conn_name = "thoughtly_default"
    vendor = THOUGHTLY
