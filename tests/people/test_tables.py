"""The tables of people."""

from __future__ import annotations

import pytest

from airflow_provider_contacts.core.validation import TableLocation
from airflow_provider_contacts.databases.tables import MissingTable
from airflow_provider_contacts.errors import InvalidRequest
from airflow_provider_contacts.people.tables import open_people_tables
from tests.conftest import Sandbox
from tests.database import Database, load


def open_tables(database: Database, *, create: bool = True, contacts: str = "contacts") -> None:
    with open_people_tables(TableLocation(database.conn_id, "contact_people"), contacts, create=create):
        pass


def test_missing_tables(sandbox: Sandbox, database: Database) -> None:
    with pytest.raises(MissingTable, match="'contacts' does not exist"):
        open_tables(database)
    load(database, "tether")
    with pytest.raises(MissingTable, match="'contact_people' does not exist"):
        open_tables(database, create=False)
    open_tables(database)
    open_tables(database, create=False)


@pytest.mark.parametrize("name", ["", "a.b.c", "contact_people."])
def test_invalid_names(name: str, database: Database) -> None:
    with pytest.raises(InvalidRequest, match="`contacts_table` must be `table` or `schema.table`"):
        open_tables(database, contacts=name)


def test_an_incompatible_table_is_rejected(sandbox: Sandbox, database: Database) -> None:
    load(database, "tether")
    database.run("CREATE TABLE contact_people (vendor VARCHAR(255))")
    with pytest.raises(InvalidRequest, match="'contact_people' is incompatible: missing columns: account_id"):
        open_tables(database)
