"""Looking suppressions up."""

from __future__ import annotations

import json

import pytest

from airflow_provider_contacts.core.validation import TableLocation
from airflow_provider_contacts.safeguards.suppressions import open_suppressions
from tests.commands.conftest import Airflow
from tests.database import Database


@pytest.fixture
def suppressed(database: Database, secret: str) -> Database:
    """Suppress Ada, and end it for Eve."""
    location = TableLocation(database.conn_id, "contact_suppressions")
    with open_suppressions(location, secret, create=True) as suppressions:
        contacts = [["email:ada@example.com", "phone:+12034176848"], ["email:eve@example.com"]]
        suppressions.add(contacts, scope="all", reason="unsubscribed", source="dag / task", until=None)
        suppressions.end(contacts[1:], scope="all", reason="subscribed again", source="dag")
    return database


def test_check(suppressed: Database, airflow: Airflow) -> None:
    arguments = ("suppressions", "check", suppressed.conn_id)
    code, out, err = airflow(*arguments, "--email", "ADA@example.com", "--output", "json")
    assert code == 0, err
    [row] = json.loads(out)
    assert (row["is_active"], row["kind"], row["scope"], row["source"]) == (
        True,
        "email",
        "all",
        "dag / task",
    )
    assert "Suppressed at all vendors." in err
    # By every reading of a number.
    assert "Suppressed at all vendors." in airflow(*arguments, "--phone", "1 203 417 6848")[2]
    code, out, err = airflow(*arguments, "--email", "eve@example.com")
    assert "Not suppressed." in err
    assert "subscribed again" in out
    assert "Not suppressed." in airflow(*arguments, "--reference", "tether/1")[2]
    assert "Only the given keys were looked up." in err
    assert "Set --email, --phone" in airflow(*arguments)[2]
    # What gives no key is not looked up.
    assert "--phone has no country code" in airflow(*arguments, "--phone", "(203) 417-6848")[2]
    for name, value in (("--phone", "(206) 555-0155"), ("--email", "ada"), ("--linkedin", "ada")):
        code, _, err = airflow(*arguments, name, value)
        assert code == 1
        assert f"{name} is not" in err


def test_summary(suppressed: Database, airflow: Airflow) -> None:
    code, out, err = airflow("suppressions", "summary", suppressed.conn_id, "--output", "json")
    assert code == 0, err
    assert [(row["kind"], row["active"], row["rows"]) for row in json.loads(out)] == [
        ("email", 1, 2),
        ("phone", 1, 1),
    ]
    assert airflow("suppressions", "summary", suppressed.conn_id, "nowhere")[0] == 1
