"""The keys by which a suppression recognizes a person, and their keyed hashes."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field

from airflow_provider_contacts.core.validation import is_int
from airflow_provider_contacts.errors import InvalidConnection, InvalidRequest
from airflow_provider_contacts.identity_keys import (
    IDENTITY_FIELDS,
    list_possible_emails,
    list_possible_phones,
    list_possible_profiles,
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
    """Return the keys of a contact: address, number, LinkedIn profile and reference.

    A phone number that can be read in two ways has two keys. The account is not part of the
    reference, because a contact with the same id in another account of the vendor is the same
    person.

    :param fields: the contact's fields, as far as they are known.
    :param vendor: the vendor, if the fields do not name it.
    :raises InvalidRequest: if a field has a type that cannot be an address or a number.
    """
    email, phone, country, linkedin_url = (_to_text(name, fields.get(name)) for name in IDENTITY_FIELDS)
    found = (
        ("email", list_possible_emails(email)),
        ("phone", list_possible_phones(phone, country)),
        ("linkedin", list_possible_profiles(linkedin_url)),
    )
    keys = [f"{kind}:{value}" for kind, values in found for value in values]
    contact_id = fields.get("contact_id")
    vendor = str(fields.get("vendor") or vendor).strip()
    if vendor and (is_int(contact_id) or (isinstance(contact_id, str) and contact_id.strip())):
        keys.append(f"reference:{vendor}/{str(contact_id).strip()}")
    return keys


def list_unreadable_fields(fields: Mapping[str, object]) -> list[str]:
    """Return the names of fields with a value but no key, such as a number without a country."""
    kinds = {key.partition(":")[0] for key in find_keys(fields)}
    by_field = {"email": "email", "phone": "phone", "linkedin_url": "linkedin"}
    return [name for name, kind in by_field.items() if fields.get(name) and kind not in kinds]


def _to_text(name: str, value: object) -> str | None:
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    if is_int(value):
        value = str(value)
    if value is None or isinstance(value, str):
        return value.strip() if value else None
    raise InvalidRequest(f"A contact has a value of `{name}` that is not text. Nothing was written.")
