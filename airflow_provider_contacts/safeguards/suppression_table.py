"""The rows of the table of people who must not be contacted.

Each row is for one key of one person: a key that two people share, such as the number of a
household, has a row for each. ``person``, which is also a keyed hash, distinguishes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from airflow_provider_contacts.databases import sa
from airflow_provider_contacts.databases.dialects import build_column_types, to_utc
from airflow_provider_contacts.databases.tables import DIGEST_LENGTH, build_table

# The reason of suppressions that stopping outreach adds.
SUPPRESSION_REASON = "outreach stopped"


@dataclass(frozen=True, slots=True)
class Suppression:
    """A row of the table.

    :param person: whose key it is.
    :param until: when it ends, in UTC, or None.
    """

    key_hash: str
    kind: str
    scope: str
    person: str
    since: datetime
    until: datetime | None
    reason: str | None
    source: str | None

    def is_active(self, now: datetime) -> bool:
        """Return whether it holds at a time."""
        return is_active(self.until, now)


def is_active(until: datetime | None, now: datetime) -> bool:
    """Return whether a suppression that ends at a time holds at another one."""
    return until is None or now < to_utc(until)


def define_suppressions(name: str) -> sa.Table:
    """Return the definition of the table.

    :param name: ``table`` or ``schema.table``.
    """
    types = build_column_types()
    columns = [
        sa.Column("key_hash", sa.String(DIGEST_LENGTH), primary_key=True),
        sa.Column("kind", types["key"], nullable=False),
        sa.Column("scope", types["key"], primary_key=True),
        sa.Column("person", sa.String(DIGEST_LENGTH), primary_key=True, index=True),
        sa.Column("reason", types["text"], nullable=True),
        sa.Column("source", types["text"], nullable=True),
        sa.Column("since", types["time"], primary_key=True),
        sa.Column("until", types["time"], nullable=True),
        sa.Column("ended_reason", types["text"], nullable=True),
        sa.Column("ended_source", types["text"], nullable=True),
    ]
    return build_table(name, columns, "suppressions_table")
