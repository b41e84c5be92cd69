"""The keys by which a suppression recognizes a person, and their keyed hashes."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field

from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.core.validation import is_int
from airflow_provider_contacts.errors import InvalidConnection

_IDENTITY_FIELDS = ("email", "phone", "country", "linkedin_url")


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
            f"Connection {conn_id!r} has no password. It is the secret that suppressions are hashed with. Enter a long random text "
            "and keep it: hashes made with another secret do not match."
        )
    return secret


def find_keys(fields: Mapping[str, object], vendor: str = "") -> list[str]:
    """Return the keys of a contact: of its e-mail address, phone number and LinkedIn profile, and of its reference.

    The account is not part of the reference, because a contact with the same id in another account of the vendor is the
    same person.

    :param fields: the contact's fields, as far as they are known.
    :param vendor: the vendor, if the fields do not name it.
    """
    email, phone, country, linkedin_url = (_text(fields.get(name)) for name in _IDENTITY_FIELDS)
    contact = Contact("", "", "", email=email, phone=phone, country=country, linkedin_url=linkedin_url)
    keys = list(contact.identity_keys())
    contact_id = fields.get("contact_id")
    vendor = str(fields.get("vendor") or vendor)
    if vendor and (is_int(contact_id) or (isinstance(contact_id, str) and contact_id)):
        keys.append(f"reference:{vendor}/{contact_id}")
    return keys


def _text(value: object) -> str | None:
    return value.strip() if isinstance(value, str) else None


def has_identity(fields: Mapping[str, object]) -> bool:
    """Return whether more is known of a contact than its reference."""
    return any(fields.get(name) for name in _IDENTITY_FIELDS if name != "country")
