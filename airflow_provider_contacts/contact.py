"""The contact record that all vendors share, and references to contacts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import TypedDict

import msgspec

from airflow_provider_contacts.identity_keys import normalize_email, normalize_linkedin, normalize_phone

__all__ = ["FIELDS", "REFERENCE_FIELDS", "Contact", "ContactKey", "Reference", "ReferenceKey", "key_of"]

REFERENCE_FIELDS = ("vendor", "account_id", "contact_id")
# The fields that conditions look at, and of which an empty value means no. `replied` has a value
# for unknown.
_FIELDS_OF_CONDITIONS = (
    "tags",
    "stage",
    "phone",
    "invitation_state",
    "opened_at",
    "clicked_at",
    "bounced_at",
    "unsubscribed_at",
)

# Lists are JSON text in tables and CSV files.
_LIST_FIELDS = ("tags", "unknown_fields")


class Reference(TypedDict):
    """Identifies one contact; carries no personal data."""

    vendor: str
    account_id: str
    contact_id: str


# A contact at its vendor: account id, or an empty string if it is not known or any, and contact id.
ContactKey = tuple[str, str]
# A reference as a key of mappings: vendor, account id and contact id.
ReferenceKey = tuple[str, str, str]


def key_of(reference: Reference) -> ReferenceKey:
    """Return a reference as a key of mappings."""
    return reference["vendor"], reference["account_id"], reference["contact_id"]


class Contact(msgspec.Struct, frozen=True, gc=False):
    """One contact of one vendor, in the schema that all vendors share.

    Times are in UTC and timezone-aware. A field is None if the vendor does not have it or left it
    empty. ``repr()`` shows the reference only, so that log lines contain no personal data.

    :param vendor: connection type of the vendor, such as ``talktohumans``.
    :param account_id: the account that the contact belongs to: a LinkedIn account in TalkToHumans,
        a team in Thoughtly, a workspace in Mailstand, an organization in Tether. Empty if the
        vendor does not report one.
    :param contact_id: the vendor's id, as text.
    :param stage: stage or status, under the name that the vendor shows.
    :param invitation_type: what kind of invitation ``invitation_state`` is about, under the
        vendor's name.
    :param country: as the vendor writes it; vendors differ (``US``, ``USA``, ``United States``).
    :param replied: True, False, or None if the vendor does not report it.
    :param url: URL of the contact in the vendor's app.
    :param unknown_fields: names of the fields that conditions or updates use and that this record
        lacks or that could not be parsed. A field that the vendor reports as empty is known to be
        empty.
    :param raw: the vendor's JSON for this contact, byte for byte, or ``msgspec.UNSET`` if the
        listing was read with ``raw=False``. ``bytes(contact.raw)`` returns the bytes.
    """

    vendor: str
    account_id: str
    contact_id: str
    name: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    phone: str | None = None
    company: str | None = None
    title: str | None = None
    tags: tuple[str, ...] = ()
    stage: str | None = None
    linkedin_url: str | None = None
    city: str | None = None
    country: str | None = None
    timezone: str | None = None
    sequence_status: str | None = None
    invitation_state: str | None = None
    invitation_type: str | None = None
    invited_at: datetime | None = None
    replied: bool | None = None
    replied_at: datetime | None = None
    opened_at: datetime | None = None
    clicked_at: datetime | None = None
    bounced_at: datetime | None = None
    unsubscribed_at: datetime | None = None
    last_interaction_at: datetime | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    url: str | None = None
    unknown_fields: tuple[str, ...] = ()
    # Last, so that encoding a contact appends the vendor's bytes unchanged.
    raw: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET

    def __repr__(self) -> str:
        return (
            f"Contact(vendor={self.vendor!r}, account_id={self.account_id!r}, contact_id={self.contact_id!r})"
        )

    def __hash__(self) -> int:
        return hash((self.vendor, self.account_id, self.contact_id))

    def reference(self) -> Reference:
        """Return ``{"vendor", "account_id", "contact_id"}``, by which the contact can be found."""
        return {"vendor": self.vendor, "account_id": self.account_id, "contact_id": self.contact_id}

    def to_dict(self) -> dict[str, object]:
        """Return all fields except ``raw`` as JSON types; times are ISO 8601 text with ``Z``."""
        fields: dict[str, object] = msgspec.to_builtins(
            msgspec.structs.replace(self, raw=msgspec.UNSET), builtin_types=()
        )
        fields["tags"] = list(self.tags)
        fields["unknown_fields"] = list(self.unknown_fields)
        return fields

    @classmethod
    def from_dict(cls, fields: Mapping[str, object]) -> Contact:
        """Return the contact that :meth:`to_dict` serialized.

        A missing field is empty, and unknown to conditions.

        :raises ValueError: if it is only a reference, or a field has another type; the message
            names the field, without its value.
        """
        present = {name: fields[name] for name in FIELDS if name in fields}
        missing = [name for name in REFERENCE_FIELDS if name not in present]
        if missing:
            raise ValueError(f"missing fields: {', '.join(missing)}")
        if len(present) == len(REFERENCE_FIELDS):
            raise ValueError("only a reference, without the contact's fields")
        try:
            contact = msgspec.convert(present, cls)
        except msgspec.ValidationError as error:
            raise ValueError(str(error)) from None
        unknown = [name for name in _FIELDS_OF_CONDITIONS if name not in present]
        if not unknown:
            return contact
        unknown_fields = tuple(dict.fromkeys((*contact.unknown_fields, *unknown)))
        return msgspec.structs.replace(contact, unknown_fields=unknown_fields)

    def identity_keys(self) -> tuple[str, ...]:
        """Return keys that are equal for the same person across vendors.

        Keys look like ``email:<lower-case address, ASCII domain>``, ``phone:<E.164>`` (with
        ``;ext=`` and an extension, if there is one) and ``linkedin:<lower-case handle>`` (or
        LinkedIn's id of the member). A phone number without a country code needs a ``country`` that
        names its region. An invalid address or number has no key.
        """
        found = (
            ("email", normalize_email(self.email)),
            ("phone", normalize_phone(self.phone, self.country)),
            ("linkedin", normalize_linkedin(self.linkedin_url)),
        )
        return tuple(f"{kind}:{value}" for kind, value in found if value)


# The keys of `Contact.to_dict()`, in order.
FIELDS = tuple(name for name in Contact.__struct_fields__ if name != "raw")


def parse_lists(row: dict[str, object]) -> dict[str, object]:
    """Turn the columns of a row that contain lists from JSON text into lists."""
    for name in _LIST_FIELDS:
        text = row.get(name)
        if isinstance(text, str):
            try:
                row[name] = json.loads(text)
            except ValueError:
                del row[name]  # then it is not known
    return row
