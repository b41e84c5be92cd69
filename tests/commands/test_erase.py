"""Erasing a person."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from tests.commands.conftest import Airflow
from tests.conftest import Sandbox
from tests.database import Database, load


@pytest.fixture
def row(sandbox: Sandbox, database: Database, secret: str) -> dict[str, Any]:
    """Load contacts, and return one with an e-mail address."""
    load(database, "mailstand")
    return next(row for row in database.rows() if row["email"])


def erased(database: Database) -> list[str]:
    return [row["contact_id"] for row in database.rows() if row["digest"] == "erased"]


def test_erase(row: dict[str, Any], database: Database, airflow: Airflow) -> None:
    arguments = ("erase", database.conn_id, "contacts", "--email", row["email"].upper(), "--yes")
    code, out, err = airflow(*arguments)
    assert code == 0, err
    assert out == (
        f"mailstand/{row['account_id']}/{row['contact_id']}\nErased 1 row. Exports do not fill them again.\n"
    )
    assert "Delete the contact at these vendors too: mailstand." in err
    assert erased(database) == [row["contact_id"]]
    # The address is not known any more.
    assert airflow(*arguments)[1] == "No row matches. Nothing was erased.\n"


def test_erased_person_can_be_suppressed(row: dict[str, Any], database: Database, airflow: Airflow) -> None:
    code, out, err = airflow(
        "erase", database.conn_id, "contacts", "--reference", f"mailstand/{row['contact_id']}", "--yes",
        "--suppressions-table", "contact_suppressions",
    )  # fmt: skip
    assert code == 0, err
    assert "Suppressed the person by: " in out
    with database.engine.connect() as connection:
        kinds = connection.exec_driver_sql("SELECT kind, reason FROM contact_suppressions").fetchall()
    assert {("email", "erased"), ("reference", "erased")} <= {tuple(one) for one in kinds}


@pytest.mark.parametrize(("answer", "count"), [("n", 0), ("", 0), ("y", 1)])
def test_confirmation(
    answer: str, count: int, row: dict[str, Any], database: Database, airflow: Airflow, monkeypatch: Any
) -> None:
    questions: list[str] = []
    monkeypatch.setattr("builtins.input", lambda text: questions.append(text) or answer)
    airflow("erase", database.conn_id, "contacts", "--email", row["email"])
    assert questions == ["Erase 1 row? This cannot be undone. [y/N] "]
    assert len(erased(database)) == count


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Set --email, --phone, --linkedin or --reference"),
        (("--phone", "12345"), "--phone is not a phone number with a country code"),
        (("--linkedin", "https://example.com"), "--linkedin is not the address of a profile"),
        (("--reference", "tether"), "--reference must be VENDOR/CONTACT_ID"),
        (("--email", "ada"), "--email is not an e-mail address"),
    ],
)
def test_invalid_arguments(
    arguments: tuple[str, ...], message: str, row: dict[str, Any], database: Database, airflow: Airflow
) -> None:
    code, _, err = airflow("erase", database.conn_id, "contacts", "--yes", *arguments)
    assert code == 1
    assert message in err
    assert erased(database) == []


def test_unknown_table(database: Database, airflow: Airflow) -> None:
    code, _, err = airflow("erase", database.conn_id, "nowhere", "--yes", "--email", "ada@example.com")
    assert (code, "The table 'nowhere' does not exist" in err) == (1, True)


@pytest.mark.parametrize(
    ("given", "stored", "country", "is_erased"),
    [
        ("+4756469606", "(475) 646-9606", "United States", False),
        ("+14756469606", "(475) 646-9606", "United States", True),
        ("+1 202 555 0180 ext. 12", "+12025550180", "", False),
        ("+1 202 555 0180 ext. 12", "+12025550180 x13", "", False),
        ("+1 202 555 0180 ext. 12", "+12025550180 x12", "", True),
    ],
)
def test_a_number_erases_no_stranger(
    given: str,
    stored: str,
    country: str,
    is_erased: bool,
    row: dict[str, Any],
    database: Database,
    airflow: Airflow,
) -> None:
    database.run(
        "UPDATE contacts SET phone = NULL",
        f"UPDATE contacts SET phone = '{stored}', country = '{country}' WHERE contact_id = '{row['contact_id']}'",
    )
    code, _, err = airflow("erase", database.conn_id, "contacts", "--phone", given, "--yes")
    assert code == 0, err
    assert erased(database) == ([row["contact_id"]] if is_erased else [])
    assert ("Not erased: 1 other row that may be of the same person" in err) == (not is_erased)


def test_a_number_without_a_country_needs_a_region(
    row: dict[str, Any], database: Database, airflow: Airflow
) -> None:
    database.run(f"UPDATE contacts SET phone = '+12034176848' WHERE contact_id = '{row['contact_id']}'")
    arguments = ("erase", database.conn_id, "contacts", "--phone", "(203) 417-6848", "--yes")
    assert "--phone is not a phone number with a country code" in airflow(*arguments)[2]
    assert airflow(*arguments, "--default-region", "USA")[0] == 1
    assert airflow(*arguments, "--default-region", "US")[0] == 0
    assert erased(database) == [row["contact_id"]]


def test_columns_of_the_user_are_named(row: dict[str, Any], database: Database, airflow: Airflow) -> None:
    database.run("ALTER TABLE contacts ADD COLUMN remarks VARCHAR(255)")
    _, _, err = airflow("erase", database.conn_id, "contacts", "--email", row["email"], "--yes")
    assert "Not erased: the columns that were added to the table: remarks." in err


def test_suppressing_asks_too(
    row: dict[str, Any], database: Database, airflow: Airflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    questions: list[str] = []
    monkeypatch.setattr("builtins.input", lambda text: questions.append(text) or "n")
    airflow(
        "erase", database.conn_id, "contacts", "--email", "unknown@example.com", "--suppressions-table", "s"
    )
    assert questions == ["No row matches. Suppress the person? [y/N] "]
    assert not sa.inspect(database.engine).has_table("s")
