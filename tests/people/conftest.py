"""Tables of people for tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from airflow_provider_contacts.core.validation import TableLocation
from airflow_provider_contacts.people.identity import KeyLimits
from airflow_provider_contacts.people.resolving import ResolveCounts, resolve_people
from airflow_provider_contacts.people.tables import PeopleTables, open_people_tables
from tests.database import Database, load
from tests.vendors import VENDORS


def resolve(database: Database, region: str = "", **limits: int) -> ResolveCounts:
    with open_people_tables(TableLocation(database.conn_id, "contact_people"), "contacts", create=True) as (
        engine,
        tables,
    ):
        return resolve_people(engine, tables, KeyLimits(**limits), dict.fromkeys(VENDORS, region))


def load_all(database: Database) -> None:
    for vendor in VENDORS:
        load(database, vendor)


@contextmanager
def reading(database: Database) -> Iterator[tuple[sa.Connection, PeopleTables]]:
    with (
        open_people_tables(TableLocation(database.conn_id, "contact_people"), "contacts", create=False) as (
            engine,
            tables,
        ),
        engine.connect() as connection,
    ):
        yield connection, tables
