"""The columns that files, tables and lineage share: the fields of a contact in their order, and ``raw``.

Fields that a later version adds come after ``raw``, so that the position of a column never changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_type_hints

from airflow_provider_contacts.contact import FIELDS, Contact

Kind = Literal["text", "texts", "time", "flag"]


# The columns of the first version, in their order.
FIRST_COLUMNS = (
    "vendor",
    "account_id",
    "contact_id",
    "name",
    "first_name",
    "last_name",
    "email",
    "phone",
    "company",
    "title",
    "tags",
    "stage",
    "linkedin_url",
    "city",
    "country",
    "timezone",
    "sequence_status",
    "invitation_state",
    "invited_at",
    "replied",
    "replied_at",
    "opened_at",
    "clicked_at",
    "bounced_at",
    "unsubscribed_at",
    "last_interaction_at",
    "created_at",
    "updated_at",
    "url",
    "unknown_fields",
    "raw",
)  # fmt: skip - a list of names


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
    columns = {name: Column(name, *kinds[hints[name]]) for name in FIELDS}
    columns["raw"] = Column("raw", "text", False)
    later = [name for name in FIELDS if name not in FIRST_COLUMNS]
    return tuple(columns[name] for name in (*FIRST_COLUMNS, *later))


COLUMNS = _columns()
