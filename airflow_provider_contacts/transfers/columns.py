"""The columns that files, tables and lineage share: the fields of a contact, and ``raw``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_type_hints

from airflow_provider_contacts.contact import FIELDS, Contact

Kind = Literal["text", "texts", "time", "flag"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of exported contacts.

    :param name: the field's name.
    :param kind: ``text``, ``texts`` (a list of text), ``time`` (in UTC) or ``flag`` (true, false or
        null).
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
