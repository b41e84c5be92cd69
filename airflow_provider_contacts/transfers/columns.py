"""The columns that files, tables and lineage share: the fields of a contact in their order, and ``raw``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_type_hints

import msgspec

from airflow_provider_contacts.contact import FIELDS, Contact
from airflow_provider_contacts.errors import MalformedRecord

Kind = Literal["text", "texts", "time", "flag"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of exported contacts.

    :param name: the field's name.
    :param kind: ``text``, ``texts`` (a list of text), ``time`` (in UTC) or ``flag`` (true, false or null).
    :param nullable: whether it may be null.
    """

    name: str
    kind: Kind
    nullable: bool


def _columns() -> tuple[Column, ...]:
    kinds: dict[object, tuple[Kind, bool]] = {
        str: ("text", False),
        str | None: ("text", True),
        tuple[str, ...]: ("texts", False),
        bool | None: ("flag", True),
        datetime | None: ("time", True),
    }
    hints = get_type_hints(Contact)
    return (*(Column(name, *kinds[hints[name]]) for name in FIELDS), Column("raw", "text", False))


COLUMNS = _columns()


def raw_text(contact: Contact) -> str:
    """Return the vendor's JSON of a contact as text.

    :raises MalformedRecord: if it is not UTF-8; ``content="raw"`` writes it byte for byte.
    """
    raw = bytes(contact.raw) if isinstance(contact.raw, msgspec.Raw) else b""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise MalformedRecord(
            'A record is not UTF-8, so it cannot be written to the column `raw`. Use content="raw" to keep it.',
            raw,
        ) from None
