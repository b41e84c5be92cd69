"""People of references that are in no table yet."""

from __future__ import annotations

import logging
import os
from typing import Any

import pytest

from airflow_provider_contacts.contact import Contact, Reference
from airflow_provider_contacts.hooks.base import ContactsHook
from airflow_provider_contacts.operators.stopping.actions import parse_actions
from airflow_provider_contacts.operators.stopping.unmatched import match_by_keys, read_unmatched
from airflow_provider_contacts.people.lookup import Person
from tests.conftest import Sandbox
from tests.database import Database, load
from tests.people.conftest import reading, resolve

LOG = logging.getLogger("test")
NEW: Reference = {"vendor": "tether", "account_id": "", "contact_id": "f" * 24}


@pytest.fixture
def people(sandbox: Sandbox, database: Database) -> Database:
    """Resolve the people of Thoughtly."""
    load(database, "thoughtly")
    resolve(database)
    return database


def match(database: Database, *contacts: Contact) -> dict[int, Person]:
    with reading(database) as (connection, tables):
        return match_by_keys(connection, tables, [(NEW, contact) for contact in contacts])


def fresh(**fields: Any) -> Contact:
    return Contact("tether", "org", "f" * 24, **fields)


def read(references: list[Any], **accounts: str) -> list[tuple[Reference, Contact]]:
    hooks = {
        conn_id: ContactsHook.for_connection(conn_id)
        for conn_id in ("tether_default", "talktohumans_default", "mailstand_default", *accounts)
    }
    actions = parse_actions(
        "actions", {name: {"action": "manual", "accounts": accounts.get(name, "x")} for name in hooks}
    )
    defaults = parse_actions("actions", dict.fromkeys(hooks, "manual"))
    chosen = {name: actions[name] if name in accounts else defaults[name] for name in hooks}
    return list(read_unmatched(references, hooks, chosen, LOG))


def test_contacts_are_read_where_the_api_can(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    lead = sandbox.state.tables["tether"].rows[0].reference("tether")
    references: list[Any] = [
        lead,
        NEW,
        sandbox.state.tables["talktohumans"].rows[0].reference("talktohumans"),
        {"vendor": "thoughtly", "account_id": "", "contact_id": "1"},
    ]
    [(reference, contact)] = read(references)
    assert (reference, contact.contact_id) == (lead, lead["contact_id"])
    assert f"Tether: Contact {NEW['contact_id']} could not be read" in caplog.text
    assert not sandbox.requests("talktohumans")


def test_the_connection_of_the_account_reads(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", os.environ["AIRFLOW_CONN_TETHER_DEFAULT"])
    lead: Any = sandbox.state.tables["tether"].rows[0].reference("tether")
    monkeypatch.setenv(
        "AIRFLOW_CONN_TETHER_DEFAULT",
        '{"conn_type": "tether", "host": "http://127.0.0.1:1", "password": "x", "extra": {"retry_limit": 0}}',
    )
    assert len(read([lead], other=lead["account_id"], tether_default="another")) == 1
    # Without an account, each connection of the vendor is tried.
    assert len(read([{**lead, "account_id": ""}], other="another")) == 1


def test_keys_lead_to_a_person(people: Database) -> None:
    row = next(row for row in people.rows() if row["email"])
    [found] = match(people, fresh(email=row["email"].upper())).values()
    assert [contact.contact_id for contact in found.contacts] == [row["contact_id"]]
    assert match(people, fresh(email="unknown@example.com"), fresh()) == {}


def test_a_number_needs_a_name_that_does_not_disagree(people: Database) -> None:
    row = next(row for row in people.rows() if row["phone"] and row["name"])
    people.run(f"UPDATE contacts SET phone = '+12015550188' WHERE contact_id = '{row['contact_id']}'")
    assert match(people, fresh(phone="+1 201 555 0188", name=row["name"]))
    assert match(people, fresh(phone="+1 201 555 0188"))
    assert not match(people, fresh(phone="+1 201 555 0188", name="Eve Moneypenny"))


@pytest.mark.parametrize(
    ("fields", "stored"),
    [
        ({"email": "info@acme.example"}, "email = 'info@acme.example'"),
        (
            {"linkedin_url": "https://linkedin.com/in/undefined"},
            "linkedin_url = 'https://linkedin.com/in/undefined'",
        ),
        ({"phone": "+18002530000"}, "phone = '+18002530000'"),
        # Another key says that they are two people.
        (
            {"phone": "+12015550188", "email": "eve@example.com"},
            "phone = '+12015550188', email = 'ada@example.com'",
        ),
        (
            {"email": "ada@example.com", "linkedin_url": "https://linkedin.com/in/ada"},
            "email = 'ada@example.com', linkedin_url = 'https://linkedin.com/in/eve'",
        ),
    ],
)
def test_keys_that_join_nothing_lead_to_none(fields: dict[str, str], stored: str, people: Database) -> None:
    first = people.rows()[0]["contact_id"]
    people.run(
        "UPDATE contacts SET email = NULL, phone = NULL, linkedin_url = NULL, name = NULL",
        f"UPDATE contacts SET {stored} WHERE contact_id = '{first}'",
    )
    assert not match(people, fresh(**fields))


def test_keys_of_several_people_lead_to_none(people: Database) -> None:
    one, other, *_ = [row for row in people.rows() if row["email"]]
    assert not match(people, fresh(email=f"{one['email']}; {other['email']}"))
