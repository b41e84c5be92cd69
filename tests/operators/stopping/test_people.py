"""The people of references; tests/operators/test_stop_outreach.py covers the rest."""

from __future__ import annotations

import logging
from collections import defaultdict
from datetime import datetime, timezone
from typing import Any

import pytest

from airflow_provider_contacts.contact import Reference, key_of
from airflow_provider_contacts.core.validation import TableLocation
from airflow_provider_contacts.errors import ContactsError
from airflow_provider_contacts.hooks.base import ContactsHook
from airflow_provider_contacts.operators.arguments import parse_arguments
from airflow_provider_contacts.operators.stop_outreach import StopOutreachOperator
from airflow_provider_contacts.operators.stopping.arguments import StopOptions
from airflow_provider_contacts.operators.stopping.causes import Cause
from airflow_provider_contacts.operators.stopping.people import PeopleFinder
from airflow_provider_contacts.operators.stopping.plan import StoppedPerson
from airflow_provider_contacts.people.tables import open_people_tables
from tests.conftest import Sandbox
from tests.database import Database, load
from tests.people.conftest import load_all, resolve

LOG = logging.getLogger("test")
VENDORS = ("talktohumans", "thoughtly", "mailstand", "tether")
pytestmark = pytest.mark.sandbox(contacts=60)


@pytest.fixture
def people(sandbox: Sandbox, database: Database) -> Database:
    """Export all contacts and resolve the people."""
    load_all(database)
    resolve(database)
    return database


def find(
    database: Database, *references: Reference, cause: Cause | None = None, override: str | None = None
) -> tuple[list[StoppedPerson], list[Reference]]:
    operator = StopOutreachOperator(
        task_id="stop",
        contacts=[],
        actions=dict.fromkeys((f"{name}_default" for name in VENDORS), "manual"),
        sql_conn_id="warehouse",
        cause=override,
    )
    options = parse_arguments(operator, StopOptions)
    hooks = {f"{name}_default": ContactsHook.for_connection(f"{name}_default") for name in VENDORS}
    location = TableLocation(database.conn_id, "contact_people")
    with open_people_tables(location, "contacts", create=False) as (engine, tables):
        finder = PeopleFinder(options, engine, tables, hooks, LOG)
        return finder.find({key_of(one): (one, cause) for one in references})


def lead_of_a_person_with_an_email(database: Database) -> tuple[Reference, list[dict[str, Any]]]:
    """Return a Tether contact and all contacts of its person."""
    rows = {row["contact_id"]: row for row in database.rows()}
    persons: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in database.rows("contact_people"):
        persons[row["person_id"]].append(rows[row["contact_id"]])
    contacts = next(
        found
        for found in persons.values()
        if {row["vendor"] for row in found} >= {"tether", "mailstand"}
        and all(row["email"] for row in found if row["vendor"] in ("tether", "mailstand"))
    )
    [lead] = [row for row in contacts if row["vendor"] == "tether"][:1]
    return {"vendor": "tether", "account_id": lead["account_id"], "contact_id": lead["contact_id"]}, contacts


def test_a_contact_that_is_in_no_table_is_matched_by_its_vendor(sandbox: Sandbox, people: Database) -> None:
    """The lead has replied before the next export and the next run of ResolvePeopleOperator."""
    lead, contacts = lead_of_a_person_with_an_email(people)
    people.run(
        f"DELETE FROM contacts WHERE contact_id = '{lead['contact_id']}'",
        f"DELETE FROM contact_people WHERE contact_id = '{lead['contact_id']}'",
    )
    [stopped], unmatched = find(people, lead)
    assert unmatched == []
    assert stopped.person.found_by == ()
    others = {row["contact_id"] for row in contacts} - {lead["contact_id"]}
    assert {contact.contact_id for contact in stopped.person.contacts} == others
    assert stopped.outdated == set()


def test_a_contact_that_no_key_leads_to_is_unmatched(sandbox: Sandbox, people: Database) -> None:
    unknown: Reference = {"vendor": "tether", "account_id": "", "contact_id": "f" * 24}
    assert find(people, unknown) == ([], [unknown])


def test_the_record_says_why(people: Database) -> None:
    _, contacts = lead_of_a_person_with_an_email(people)
    [mail] = [row for row in contacts if row["vendor"] == "mailstand"][:1]
    reference: Reference = {
        "vendor": "mailstand",
        "account_id": mail["account_id"],
        "contact_id": mail["contact_id"],
    }
    people.run(
        "UPDATE contacts SET stage = 'Nurture', replied = NULL, replied_at = NULL, unsubscribed_at = NULL"
    )
    assert find(people, reference)[0][0].cause == Cause("manual")
    assert find(people, reference, cause=Cause("reply"))[0][0].cause == Cause("reply")
    people.run("UPDATE contacts SET unsubscribed_at = '2026-03-01 00:00:00.000000'")
    march = datetime(2026, 3, 1, tzinfo=timezone.utc)
    assert find(people, reference)[0][0].cause == Cause("opt_out", march)
    # The author's word counts, with the time that is known.
    assert find(people, reference, override="reply")[0][0].cause == Cause("reply", march)
    # What other contacts of the person say is not why it is stopped now.
    people.run("UPDATE contacts SET unsubscribed_at = NULL WHERE vendor = 'mailstand'")
    assert find(people, reference)[0][0].cause == Cause("manual")


def test_people_that_are_too_old_may_be_resolved_before_a_retry(people: Database) -> None:
    lead, _ = lead_of_a_person_with_an_email(people)
    people.run("UPDATE contacts SET changed_at = '2020-01-01 00:00:00.000000'")
    with pytest.raises(ContactsError, match="Run ResolvePeopleOperator, then retry") as caught:
        find(people, lead)
    assert caught.value.transient
    load(people, "tether")
    resolve(people)
    assert find(people, lead)[1] == []
