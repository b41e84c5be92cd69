"""The keys by which a suppression recognizes a person, and their keyed hashes."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from airflow_provider_contacts.core.validation import is_int
from airflow_provider_contacts.errors import InvalidConnection, InvalidRequest
from airflow_provider_contacts.identity_keys import (
    IDENTITY_FIELDS,
    list_certain_phones,
    list_emails,
    list_possible_emails,
    list_possible_phones,
    list_possible_profiles,
    normalize_linkedin,
    remove_extension,
)

_MIN_SECRET_LENGTH = 16


@dataclass(frozen=True, slots=True)
class KeyHasher:
    """Hashes keys with a secret, so that the table reveals no identities.

    :param secret: the secret. It is not part of the repr.
    """

    secret: str = field(repr=False)

    def hash(self, key: str) -> str:
        """Return the HMAC-SHA256 of a key, in hexadecimal."""
        return hmac.new(self.secret.encode(), key.encode(errors="surrogatepass"), hashlib.sha256).hexdigest()


def find_secret(conn_id: str) -> str:
    """Return the secret of a connection: its password.

    :raises InvalidConnection: if the connection does not exist, or has no password.
    """
    from airflow_provider_contacts.hooks.connections import find_connection

    secret = find_connection(conn_id).password
    if not secret:
        raise InvalidConnection(
            f"Connection {conn_id!r} has no password. It is the secret that suppressions are hashed with. "
            "Enter a long random text and keep it: hashes made with another secret do not match."
        )
    if len(secret) < _MIN_SECRET_LENGTH:
        raise InvalidConnection(
            f"The password of connection {conn_id!r} is shorter than {_MIN_SECRET_LENGTH} characters. "
            "Hashes of phone numbers could be reversed by guessing it. Enter a long random text."
        )
    return secret


def find_keys(fields: Mapping[str, object], vendor: str = "") -> list[str]:
    """Return the keys by which a contact is looked up: address, number, profile and reference.

    A text that can be read in several ways has several keys. The account is not part of the
    reference, because a contact with the same id in another account of the vendor is the same
    person.

    :param fields: the contact's fields, as far as they are known.
    :param vendor: the vendor, if the fields do not name it.
    :raises InvalidRequest: if a field has a type that cannot be an address or a number.
    """
    email, phone, country, linkedin_url = _read_identity(fields)
    return [
        *(f"email:{value}" for value in list_possible_emails(email)),
        *(f"phone:{value}" for value in list_possible_phones(phone, country)),
        *(f"linkedin:{value}" for value in list_possible_profiles(linkedin_url)),
        *_find_reference_key(fields, vendor),
    ]


def find_keys_to_suppress(fields: Mapping[str, object], default_region: str = "") -> list[str]:
    """Return the keys by which a contact is suppressed.

    They are those of :func:`find_keys`, but a phone number counts only if its country is known:
    another reading may be the number of a stranger.

    :param default_region: ISO 3166 alpha-2 code of the country of numbers without one.
    """
    _, phone, country, _ = _read_identity(fields)
    numbers = list_certain_phones(phone, country, default_region)
    numbers += [remove_extension(number) for number in numbers]
    return [
        *(key for key in find_keys(fields) if not key.startswith("phone:")),
        *(f"phone:{number}" for number in dict.fromkeys(numbers)),
    ]


def find_keys_to_erase(fields: Mapping[str, object], default_region: str = "") -> list[str]:
    """Return the keys by which a person's rows are found to erase them: one form of each value.

    :param default_region: ISO 3166 alpha-2 code of the country of numbers without one.
    """
    email, phone, country, linkedin_url = _read_identity(fields)
    handle = normalize_linkedin(linkedin_url)
    return [
        *(f"email:{value}" for value in list_emails(email)),
        *(f"phone:{value}" for value in list_certain_phones(phone, country, default_region)),
        *([f"linkedin:{handle}"] if handle else []),
        *_find_reference_key(fields, ""),
    ]


def list_unreadable_fields(fields: Mapping[str, object], keys: Iterable[str]) -> list[str]:
    """Return the names of fields with a value but no key, such as a number without a country.

    :param keys: the keys that were found.
    """
    kinds = {key.partition(":")[0] for key in keys}
    by_field = {"email": "email", "phone": "phone", "linkedin_url": "linkedin"}
    return [name for name, kind in by_field.items() if fields.get(name) and kind not in kinds]


def _read_identity(fields: Mapping[str, object]) -> tuple[str | None, ...]:
    return tuple(_to_text(name, fields.get(name)) for name in IDENTITY_FIELDS)


def _find_reference_key(fields: Mapping[str, object], vendor: str) -> list[str]:
    contact_id = fields.get("contact_id")
    vendor = str(fields.get("vendor") or vendor).strip()
    if vendor and (is_int(contact_id) or (isinstance(contact_id, str) and contact_id.strip())):
        return [f"reference:{vendor}/{str(contact_id).strip()}"]
    return []


def _to_text(name: str, value: object) -> str | None:
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    if is_int(value):
        value = str(value)
    if value is None or isinstance(value, str):
        return value.strip() if value else None
    raise InvalidRequest(f"`{name}` of a contact is not text. Convert it to text. Nothing was written.")
