"""Showing people."""

from __future__ import annotations

import pytest

from tests.commands.conftest import Airflow
from tests.conftest import Sandbox
from tests.database import Database
from tests.people.conftest import load_all, resolve


@pytest.fixture
def people(sandbox: Sandbox, database: Database) -> Database:
    load_all(database)
    resolve(database)
    return database


def test_summary(people: Database, airflow: Airflow, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    code, out, err = airflow("people", people.conn_id, "contact_people")
    assert code == 0, err
    rows = people.rows("contact_people")
    count = len({row["person_id"] for row in rows})
    assert out.startswith(f"{len(rows)} contacts belong to {count} people; ")
    assert "people have contacts at several vendors" in out
    assert "mailstand, thoughtly" in out
    assert "Contacts with keys that were set aside:" in out
    assert "role mailbox" in out
    assert "@" not in out


def test_one_person(people: Database, airflow: Airflow, capsys: pytest.CaptureFixture[str]) -> None:
    row = people.rows("contact_people")[0]
    capsys.readouterr()
    reference = f"{row['vendor']}/{row['contact_id']}"
    code, out, err = airflow("people", people.conn_id, "contact_people", "--person", reference)
    assert code == 0, err
    assert row["person_id"][:10] in out
    with_account = f"{row['vendor']}/{row['account_id']}/{row['contact_id']}"
    assert airflow("people", people.conn_id, "contact_people", "--person", with_account)[1] == out


@pytest.mark.parametrize(
    ("reference", "problem"),
    [
        ("tether/" + "f" * 24, "belongs to no person in 'contact_people'"),
        ("hubspot/1", "--person must be VENDOR/CONTACT_ID"),
        ("tether/", "--person must be VENDOR/CONTACT_ID"),
        ("1", "--person must be VENDOR/CONTACT_ID"),
    ],
)
def test_unknown_person(reference: str, problem: str, people: Database, airflow: Airflow) -> None:
    code, _, err = airflow("people", people.conn_id, "contact_people", "--person", reference)
    assert code == 1
    assert problem in err


def test_missing_table(database: Database, airflow: Airflow) -> None:
    code, _, err = airflow("people", database.conn_id, "contact_people")
    assert code == 1
    assert "'contact_people' does not exist" in err
