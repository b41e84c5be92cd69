"""The one record that every vendor's contacts become."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypedDict
from urllib.parse import unquote, urlsplit

import msgspec

# Country names that vendors' samples use where ISO 3166 alpha-2 is meant.
_REGION_ALIASES = {"USA": "US", "UK": "GB"}


class Reference(TypedDict):
    """Names one contact of one vendor, and says nothing else about the person."""

    vendor: str
    account_id: str
    contact_id: str


class Contact(msgspec.Struct, frozen=True, gc=False):
    """One contact, in the same form for every vendor.

    Times are timezone-aware and in UTC. A field that the vendor does not have, or has empty, is None.
    ``replied`` has three values: True, False, and None where the vendor cannot tell.
    ``repr()`` shows the reference alone, so that no log line carries personal data.

    :param vendor: connection type of the vendor, such as ``talktohumans``.
    :param account_id: what the contact belongs to: TalkToHumans' LinkedIn account, Thoughtly's team,
        Mailstand's workspace, Tether's organisation. Empty where the vendor gives none.
    :param contact_id: the vendor's own id, as text.
    :param stage: the stage or status by the name that the vendor shows.
    :param country: as the vendor writes it; vendors differ (``US``, ``USA``, ``United States``).
    :param url: address of the contact in the vendor's own app.
    :param unknown: names of those fields above that conditions and updates look at, and that this record lacks or
        holds in a form that cannot be read. A field that the vendor gives as empty is known to be empty.
    :param raw: the vendor's own JSON for this contact, byte for byte, or ``msgspec.UNSET`` where the
        reader asked for none. ``bytes(contact.raw)`` gives the bytes.
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
    unknown: tuple[str, ...] = ()
    raw: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET

    def __repr__(self) -> str:
        return (
            f"Contact(vendor={self.vendor!r}, account_id={self.account_id!r}, contact_id={self.contact_id!r})"
        )

    def __hash__(self) -> int:
        return hash((self.vendor, self.account_id, self.contact_id))

    def __rich_repr__(self) -> Any:
        yield from self.reference().items()

    def reference(self) -> Reference:
        """Return ``{"vendor", "account_id", "contact_id"}``: enough to find the contact again."""
        return {"vendor": self.vendor, "account_id": self.account_id, "contact_id": self.contact_id}

    def to_dict(self) -> dict[str, Any]:
        """Return every field but ``raw`` as JSON types; times are ISO 8601 text that ends in ``Z``."""
        fields: dict[str, Any] = msgspec.to_builtins(
            msgspec.structs.replace(self, raw=msgspec.UNSET), builtin_types=()
        )
        fields["tags"], fields["unknown"] = list(self.tags), list(self.unknown)
        return fields

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Contact:
        """Return the contact of what :meth:`to_dict` gave.

        :raises ValueError: naming the fields that are missing or of another type, but no value.
        """
        missing = [name for name in FIELDS if name not in fields]
        if missing:
            raise ValueError(f"it lacks {', '.join(missing[:5])}{' and more' if len(missing) > 5 else ''}")
        try:
            return msgspec.convert({name: fields[name] for name in FIELDS}, cls)
        except msgspec.ValidationError as error:
            raise ValueError(str(error)) from None

    def identity_keys(self) -> tuple[str, ...]:
        """Return keys that are equal for one person at several vendors.

        The forms are ``email:<lower-case address>``, ``phone:<E.164>`` and
        ``linkedin:<lower-case handle>``. A number without a country code counts only if ``country``
        tells its region; a number that cannot be valid gives no key.
        """
        keys = []
        if self.email and "@" in self.email:
            keys.append(f"email:{self.email.strip().lower()}")
        if self.phone and (number := _e164(self.phone, self.country)):
            keys.append(f"phone:{number}")
        if self.linkedin_url and (handle := _linkedin_handle(self.linkedin_url)):
            keys.append(f"linkedin:{handle}")
        return tuple(keys)


# What to_dict gives, in this order.
FIELDS = tuple(name for name in Contact.__struct_fields__ if name != "raw")


def _e164(phone: str, country: str | None) -> str | None:
    import phonenumbers  # 30 ms of import, and few readers ask for keys

    region = (country or "").strip().upper()
    region = _REGION_ALIASES.get(region, region)
    if region not in phonenumbers.SUPPORTED_REGIONS:
        region = ""
    try:
        number = phonenumbers.parse(phone, region or None)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _linkedin_handle(url: str) -> str | None:
    try:
        parts = urlsplit(url if "//" in url else f"//{url}")
    except ValueError:
        return None
    host = (parts.hostname or "").lower()
    if host != "linkedin.com" and not host.endswith(".linkedin.com"):
        return None
    folder, _, rest = parts.path.strip("/").partition("/")
    if folder.lower() != "in" or not rest:
        return None
    return unquote(rest.split("/")[0]).lower() or None
