"""The columns of the contacts table."""

from __future__ import annotations

from airflow_provider_contacts.contact import REFERENCE_FIELDS
from airflow_provider_contacts.databases import sa
from airflow_provider_contacts.databases.dialects import build_column_types
from airflow_provider_contacts.databases.tables import DIGEST_LENGTH, build_table
from airflow_provider_contacts.transfers.columns import COLUMNS

# The columns that a table has in addition to the contact's own.
BOOKKEEPING_COLUMNS = ("digest", "first_seen_at", "changed_at", "removed_at")


def define_table(name: object) -> sa.Table:
    """Return the definition of the contacts table.

    :param name: ``table`` or ``schema.table``.
    :raises InvalidRequest: if the name is neither.
    """
    types = build_column_types()
    own_columns = [
        sa.Column(
            column.name,
            types["key" if column.name in REFERENCE_FIELDS else column.kind],
            primary_key=column.name in REFERENCE_FIELDS,
            nullable=column.nullable,
        )
        for column in COLUMNS
    ]
    bookkeeping_columns = [
        sa.Column("digest", sa.String(DIGEST_LENGTH), nullable=False),
        sa.Column("first_seen_at", types["time"], nullable=False),
        sa.Column("changed_at", types["time"], nullable=False),
        sa.Column("removed_at", types["time"], nullable=True),
    ]
    return build_table(name, [*own_columns, *bookkeeping_columns])
