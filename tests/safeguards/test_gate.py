"""Which contacts of an update are suppressed."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest

from airflow_provider_contacts.core.updates.targets import Target
from airflow_provider_contacts.core.validation import TableLocation
from airflow_provider_contacts.errors import ContactsError, InvalidRequest
from airflow_provider_contacts.hooks.base import ContactsHook
from airflow_provider_contacts.safeguards.configuration import Safeguards
from airflow_provider_contacts.safeguards.gate import SuppressionGate, Verdicts
from airflow_provider_contacts.safeguards.suppressions import open_suppressions
from tests.conftest import Sandbox
from tests.database import Database, load
from tests.people.conftest import load_all, resolve


def suppress(
    database: Database, *keys: str, table: str = "contact_suppressions", scope: str = "all"
) -> TableLocation:
    location = TableLocation(database.conn_id, table)
    with open_suppressions(location, "contacts_suppressions", create=True) as suppressions:
        contacts = [[key] for key in keys]
        suppressions.add(contacts, scope=scope, reason="test", source="test", until=None)
    return location


def judge(
    targets: list[Target],
    location: TableLocation | None,
    contacts_table: str = "",
    vendor: str = "tether",
    people_table: str = "",
) -> Verdicts:
    contacts = TableLocation("warehouse", contacts_table) if contacts_table else None
    people = TableLocation("warehouse", people_table) if people_table else None
    safeguards = Safeguards.create(location, "contacts_suppressions", contacts, people, None)
    return SuppressionGate(safeguards).judge(targets, vendor)


def find(*arguments: Any, **more: Any) -> set[str]:
    return judge(*arguments, **more).suppressed


def test_whole_contacts_are_recognized_by_every_key(database: Database, secret: str) -> None:
    location = suppress(
        database, "email:a@b.example", "phone:+12015550101", "linkedin:ada", "reference:tether/4"
    )
    targets = [
        Target("o", "1", {"email": "A@b.example"}),
        Target("o", "2", {"phone": "+1 201 555 0101"}),
        Target("o", "3", {"linkedin_url": "https://linkedin.com/in/ada"}),
        Target("", "4"),
        Target("o", "5", {"email": "other@b.example"}),
    ]
    assert find(targets, location) == {"1", "2", "3", "4"}
    assert find(targets, location, vendor="mailstand") == {"1", "2", "3"}


def test_scope_of_another_vendor_does_not_count(database: Database, secret: str) -> None:
    location = suppress(database, "email:a@b.example", scope="mailstand")
    assert find([Target("o", "1", {"email": "a@b.example"})], location) == set()


def test_references_are_looked_up_in_the_exported_table(
    sandbox: Sandbox, database: Database, secret: str
) -> None:
    load(database, "tether")
    contacts = [one for one in ContactsHook.for_connection("tether_default").list_contacts() if one.email]
    location = suppress(database, f"email:{contacts[0].email}".lower())
    targets = [Target("", one.contact_id) for one in contacts[:3]]
    ids = {one.contact_id for one in targets}
    assert judge(targets, location) == Verdicts(set(), ids)
    assert judge(targets, location, "contacts") == Verdicts({contacts[0].contact_id}, set())
    unknown = Target("", "f" * 24)
    assert judge([*targets, unknown], location, "contacts") == Verdicts(
        {contacts[0].contact_id}, {unknown.contact_id}
    )


def test_both_tables_count(database: Database, secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    own = suppress(database, "reference:tether/1")
    configured = suppress(database, "reference:tether/2", table="company")
    monkeypatch.setenv("AIRFLOW__CONTACTS__SQL_CONN_ID", configured.sql_conn_id)
    monkeypatch.setenv("AIRFLOW__CONTACTS__SUPPRESSIONS_TABLE", configured.table)
    targets = [Target("", str(number)) for number in range(1, 4)]
    assert find(targets, own) == {"1", "2"}
    assert find(targets, None) == {"2"}


def test_without_a_table_nothing_is_suppressed() -> None:
    assert find([Target("", "1")], None) == set()


@pytest.mark.parametrize(
    ("location", "contacts_table", "error"),
    [
        (TableLocation("warehouse", "nowhere"), "", "The table 'nowhere' does not exist"),
        (TableLocation("nowhere", "contact_suppressions"), "", "'nowhere' does not exist"),
        (
            TableLocation("warehouse", "contact_suppressions"),
            "nowhere",
            "^The table 'nowhere' does not exist, so nothing was written",
        ),
        (TableLocation("warehouse", "contact_suppressions"), "a.b.c", "`contacts_table` must be"),
    ],
)
def test_gate_that_cannot_be_read_is_an_error(
    location: TableLocation, contacts_table: str, error: str, database: Database, secret: str
) -> None:
    suppress(database, "reference:tether/1")
    with pytest.raises(ContactsError, match=error):
        find([Target("", "2")], location, contacts_table)


def test_another_secret_is_an_error(database: Database, secret: str, connect: Any) -> None:
    location = suppress(database, "reference:tether/1")
    connect("contacts_suppressions", conn_type="generic", password="another long text")
    with pytest.raises(InvalidRequest, match="another secret"):
        find([Target("", "1")], location)


def test_what_duplicates_say_counts(database: Database, secret: str) -> None:
    location = suppress(database, "email:a@b.example", "email:c@d.example")
    targets = [
        Target("o", "1", {}, other_fields=({"email": "a@b.example"},)),
        Target("one", "2", {"email": "c@d.example"}),
        Target("two", "2"),
        Target("o", "3", {"email": "e@f.example"}),
    ]
    assert find(targets, location) == {"1", "2"}


@pytest.mark.parametrize(
    "fields",
    [{"email": "a@b.example"}, {"phone": "+12015550101"}, {"linkedin_url": "https://linkedin.com/in/ada"}],
)
def test_contacts_with_a_key_need_no_row_in_the_exported_table(
    fields: dict[str, object],
    sandbox: Sandbox,
    database: Database,
    secret: str,
) -> None:
    load(database, "tether")
    location = suppress(database, "reference:tether/1")
    whole = [Target("o", "2", fields), Target("o", "3", other_fields=(fields,))]
    named = Target("o", "4", {"name": "Ada"})
    assert judge([*whole, named], location, "contacts") == Verdicts(set(), {"4"})


@pytest.mark.parametrize(
    "fields",
    [
        {"email": "other@b.example; a@b.example"},
        {"email": "a@b.example (private)"},
        {"phone": "0044 20 7946 0018"},
        {"phone": "011 44 20 7946 0018", "country": "Canada"},
        {"phone": "+12015550199 / +44 20 7946 0018"},
    ],
)
def test_every_value_of_a_field_counts(fields: dict[str, object], database: Database, secret: str) -> None:
    location = suppress(database, "email:a@b.example", "phone:+442079460018")
    assert find([Target("o", "1", fields)], location) == {"1"}


@pytest.mark.parametrize("fields", [{}, {"email": "n/a"}, {"phone": "none", "email": None}])
def test_contacts_without_a_key_are_unchecked(
    fields: dict[str, object], database: Database, secret: str
) -> None:
    location = suppress(database, "email:a@b.example", "reference:tether/2")
    targets = [Target("o", "1", fields), Target("o", "2", fields)]
    assert judge(targets, location) == Verdicts({"2"}, {"1"})


def test_all_contacts_of_a_person_count(sandbox: Sandbox, database: Database, secret: str) -> None:
    load_all(database)
    resolve(database)
    rows = {row["contact_id"]: row for row in database.rows()}
    people: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in database.rows("contact_people"):
        people[row["person_id"]].append(rows[row["contact_id"]])
    [lead, call] = next(
        [lead, call]
        for contacts in people.values()
        for lead in contacts
        for call in contacts
        if lead["vendor"] == "tether" and call["vendor"] == "thoughtly" and call["email"]
    )
    targets = [Target(lead["account_id"], lead["contact_id"])]
    # By the reference of another contact, which no value of this one shows.
    location = suppress(database, f"reference:thoughtly/{call['contact_id']}")
    assert find(targets, location, "contacts") == set()
    assert find(targets, location, "contacts", people_table="contact_people") == {lead["contact_id"]}
    with pytest.raises(ContactsError, match="'nowhere' does not exist"):
        find(targets, location, "contacts", people_table="nowhere")


def test_every_contact_is_looked_up_in_the_exported_table(
    sandbox: Sandbox, database: Database, secret: str
) -> None:
    load(database, "tether")
    [contact, *_] = [
        one for one in ContactsHook.for_connection("tether_default").list_contacts() if one.email
    ]
    location = suppress(database, f"email:{contact.email}".lower())
    table = "contacts"
    assert find([Target("", contact.contact_id, {"phone": "n/a"})], location, table) == {contact.contact_id}


def test_configured_table_of_contacts_cannot_be_replaced(
    sandbox: Sandbox, database: Database, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(database, "tether")
    load(database, "tether", table="empty", condition={"condition": "in_stage", "name": "nowhere"})
    [contact, *_] = [
        one for one in ContactsHook.for_connection("tether_default").list_contacts() if one.email
    ]
    location = suppress(database, f"email:{contact.email}".lower())
    monkeypatch.setenv("AIRFLOW__CONTACTS__SQL_CONN_ID", database.conn_id)
    monkeypatch.setenv("AIRFLOW__CONTACTS__CONTACTS_TABLE", "contacts")
    targets = [Target("", contact.contact_id)]
    assert find(targets, location, "empty") == {contact.contact_id}


def test_erased_people_are_suppressed(sandbox: Sandbox, database: Database, secret: str) -> None:
    """Whether they have opted out cannot be looked up any more."""
    load(database, "tether")
    [contact, *_] = [
        one for one in ContactsHook.for_connection("tether_default").list_contacts() if one.email
    ]
    location = suppress(database, f"email:{contact.email}".lower())
    database.run(
        "UPDATE contacts SET digest = 'erased', email = NULL, phone = NULL WHERE contact_id = "
        f"'{contact.contact_id}'"
    )
    targets = [Target("", contact.contact_id)]
    assert find(targets, location, "contacts") == {contact.contact_id}


def test_configured_table_is_named_in_errors(
    database: Database, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__CONTACTS__SUPPRESSIONS_TABLE", "a.b.c")
    with pytest.raises(
        InvalidRequest, match=r"\[contacts\] in Airflow's configuration: `suppressions_table` must be"
    ):
        find([Target("", "1")], None)
    monkeypatch.setenv("AIRFLOW__CONTACTS__SUPPRESSIONS_TABLE", "nowhere")
    with pytest.raises(InvalidRequest, match="`suppressions_table` names a table, but no database"):
        find([Target("", "1")], None)
    monkeypatch.setenv("AIRFLOW__CONTACTS__SQL_CONN_ID", "warehouse")
    with pytest.raises(
        ContactsError, match="Suppressions 'nowhere' in 'warehouse': The table 'nowhere' does not exist"
    ):
        find([Target("", "1")], None)
