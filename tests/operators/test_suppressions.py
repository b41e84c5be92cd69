"""Operators that write who must not be contacted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from airflow.sdk import DAG

from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.databases.tables import MissingTable
from airflow_provider_contacts.errors import InvalidRequest
from airflow_provider_contacts.hooks.base import ContactsHook
from airflow_provider_contacts.operators.sources import FileContacts, SqlContacts
from airflow_provider_contacts.operators.suppressions import AllowContactsOperator, SuppressContactsOperator
from tests.conftest import Sandbox
from tests.database import Database

ADA = Contact("mailstand", "space_1", "contact_1", email="ada@example.com", phone="+12015550101").to_dict()
EVE = Contact("mailstand", "space_1", "contact_2", email="eve@example.com").to_dict()


def run(kind: type, database: Database, contacts: Any, **arguments: Any) -> dict[str, int]:
    arguments = {
        "reason": "unsubscribed",
        "sql_conn_id": database.conn_id,
        "suppressions_table": "contact_suppressions",
        **arguments,
    }
    with DAG("test", schedule=None):
        operator = kind(task_id="suppress", contacts=contacts, **arguments)
    operator.render_template_fields({"reason": "from a template"})
    result: dict[str, int] = operator.execute({})
    return result


def suppress(database: Database, contacts: Any, **arguments: Any) -> dict[str, int]:
    return run(SuppressContactsOperator, database, contacts, **arguments)


def allow(database: Database, contacts: Any, **arguments: Any) -> dict[str, int]:
    return run(AllowContactsOperator, database, contacts, **arguments)


def stored(database: Database, columns: str = "kind, reason") -> list[tuple[Any, ...]]:
    with database.engine.connect() as connection:
        query = f"SELECT {columns} FROM contact_suppressions WHERE kind <> 'check' ORDER BY kind, since"
        return [tuple(row) for row in connection.exec_driver_sql(query)]


def test_contacts_are_suppressed_once(database: Database, secret: str) -> None:
    assert suppress(database, [ADA, EVE]) == {"contacts": 2, "suppressed": 2, "unchanged": 0}
    assert suppress(database, [ADA, EVE]) == {"contacts": 2, "suppressed": 0, "unchanged": 2}
    assert [kind for kind, _ in stored(database)] == ["email", "email", "phone", "reference", "reference"]
    # A key that was not known before.
    with_profile = {**ADA, "linkedin_url": "https://linkedin.com/in/ada"}
    assert suppress(database, [with_profile])["suppressed"] == 1
    assert [kind for kind, _ in stored(database)].count("linkedin") == 1


def test_listed_contacts_and_references(sandbox: Sandbox, database: Database, secret: str) -> None:
    contacts = [one.to_dict() for one in ContactsHook.for_connection("mailstand_default").list_contacts()]
    assert suppress(database, contacts)["suppressed"] == len(contacts)
    references = [{name: one[name] for name in ("vendor", "account_id", "contact_id")} for one in contacts]
    assert suppress(database, references)["unchanged"] == len(contacts)


def test_imported_lists(database: Database, secret: str, tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("email,phone,country\nada@example.com,,\n,020 7946 0958,GB\n")
    assert suppress(database, FileContacts(str(path)))["suppressed"] == 2
    database.run("CREATE TABLE optouts (email VARCHAR(40))", "INSERT INTO optouts VALUES ('ADA@example.com')")
    query = SqlContacts(database.conn_id, "SELECT email FROM optouts")
    assert suppress(database, query) == {"contacts": 1, "suppressed": 0, "unchanged": 1}


def test_allowing_keeps_the_history(database: Database, secret: str) -> None:
    suppress(database, [ADA, EVE])
    assert allow(database, [ADA], reason="subscribed again") == {"contacts": 1, "allowed": 1, "unchanged": 0}
    assert allow(database, [ADA], reason="again") == {"contacts": 1, "allowed": 0, "unchanged": 1}
    assert ("email", "subscribed again") in stored(database, "kind, ended_reason")
    assert len(stored(database)) == 5
    assert suppress(database, [ADA])["suppressed"] == 1


def test_allowing_one_vendor_says_who_stays_suppressed(
    database: Database, secret: str, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    suppress(database, [ADA])
    suppress(database, [ADA], scope="tether")
    allow(database, [ADA], scope="tether", reason="asked for it")
    assert "1 of 1 contacts are still suppressed at tether" in caplog.text + capsys.readouterr().out


def test_allowing_by_one_key_says_by_which_the_person_stays_suppressed(
    database: Database, secret: str, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    suppress(database, [ADA])
    assert allow(database, [{"email": ADA["email"]}], reason="asked for it")["allowed"] == 1
    log = caplog.text + capsys.readouterr().out
    assert "still suppressed by another phone number or reference" in log
    caplog.clear()
    allow(database, [ADA], reason="asked for it")
    assert "still suppressed" not in caplog.text + capsys.readouterr().out


@pytest.mark.parametrize(
    "until", ["30d", timedelta(days=30), "2999-01-01", date(2999, 1, 1), None, "", "None"]
)
def test_until(until: Any, database: Database, secret: str) -> None:
    suppress(database, [EVE], until=until)
    end = stored(database, "until")[0][0]
    assert (end is None) == (until in (None, "", "None"))


def test_templates(database: Database, secret: str) -> None:
    suppress(database, [EVE], reason="{{ reason }}")
    assert stored(database)[0][1] == "from a template"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"contacts": [{"name": "Bob"}]}, "Item 1 of `contacts` has no e-mail address"),
        ({"contacts": ["contact_1"]}, "Item 1 of `contacts` has no e-mail address"),
        ({"contacts": [{"phone": "020 7946 0958"}]}, "Item 1 of `contacts` has no e-mail address"),
        ({"contacts": "[…]"}, "`contacts` is text"),
        ({"contacts": 5}, "`contacts` must be a list"),
        (
            {"contacts": [{"vendor": "TalkToHumans", "contact_id": "1"}]},
            "Item 1 .* has an unknown `vendor`. Known vendors",
        ),
        (
            {"contacts": [{"vendor": "tether", "contact_id": "A" * 24}]},
            "Item 1 .*: A Tether contact id must consist of 24",
        ),
        (
            {"contacts": [{"Email Address": "ada@example.com", "mail": "x"}]},
            "Its fields are: mail and 1 with other names",
        ),
        ({"scope": "mail"}, "`scope` must be one of all, "),
        ({"reason": " "}, "`reason` is empty"),
        ({"suppressions_table": ""}, "`suppressions_table` is empty"),
        ({"sql_conn_id": ""}, "`suppressions_table` names a table, but no database"),
        ({"suppressions_table": "a.b.c"}, "`suppressions_table` must be `table` or `schema.table`"),
        ({"until": "2020-01-01"}, "`until` is in the past"),
        ({"until": "soon"}, "`until` must be a time such as .* from now such as"),
        ({"until": datetime(2020, 1, 1, tzinfo=timezone.utc)}, "`until` is in the past"),
    ],
)
def test_invalid_arguments(arguments: dict[str, Any], error: str, database: Database, secret: str) -> None:
    with pytest.raises(InvalidRequest, match=error):
        suppress(database, **{"contacts": [ADA], **arguments})
    assert "contact_suppressions" not in sa.inspect(database.engine).get_table_names()


def test_database_without_a_table_is_not_the_configured_one(
    database: Database, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    suppress(database, [ADA])
    monkeypatch.setenv("AIRFLOW__CONTACTS__SQL_CONN_ID", database.conn_id)
    monkeypatch.setenv("AIRFLOW__CONTACTS__SUPPRESSIONS_TABLE", "contact_suppressions")
    for change in (suppress, allow):
        with pytest.raises(InvalidRequest, match="`suppressions_table` is empty, but `sql_conn_id` is set"):
            change(database, [ADA], suppressions_table=None, sql_conn_id="staging")
    assert stored(database, "ended_reason")[0] == (None,)


def test_configured_table_has_the_configured_secret(
    database: Database, connect: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    connect("other_secret", conn_type="generic", password="another-long-text-of-the-test")
    monkeypatch.setenv("AIRFLOW__CONTACTS__SQL_CONN_ID", database.conn_id)
    monkeypatch.setenv("AIRFLOW__CONTACTS__SUPPRESSIONS_TABLE", "contact_suppressions")
    monkeypatch.setenv("AIRFLOW__CONTACTS__SUPPRESSIONS_SECRET_CONN_ID", "other_secret")
    assert suppress(database, [ADA], suppressions_table=None, sql_conn_id=None)["suppressed"] == 1
    # The same table, named by the operator.
    assert suppress(database, [ADA])["unchanged"] == 1
    assert allow(database, [ADA], suppressions_table=None, sql_conn_id=None)["allowed"] == 1


def test_contacts_without_keys_fail_after_the_others_were_written(database: Database, secret: str) -> None:
    suppress(database, [EVE])
    message = "^Item 2 .* 1 more items are invalid. The other 2 contacts were written: 2 suppressed"
    with pytest.raises(InvalidRequest, match=message):
        suppress(
            database,
            [ADA, {"name": "Bob"}, {"vendor": "hubspot", "contact_id": "1"}, {"email": "bob@example.com"}],
        )
    assert len(stored(database)) == 6
    assert suppress(database, [ADA])["unchanged"] == 1


def test_a_number_without_a_country_is_no_key(database: Database, secret: str) -> None:
    with pytest.raises(InvalidRequest, match="no phone number with a country"):
        suppress(database, [{"phone": "(203) 417-6848"}])
    assert suppress(database, [{"phone": "(203) 417-6848"}], default_region="US")["suppressed"] == 1
    with pytest.raises(InvalidRequest, match="`default_region` must be an ISO 3166 alpha-2 code"):
        suppress(database, [ADA], default_region="usa")


def test_a_secret_without_a_table_is_an_error(
    database: Database, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__CONTACTS__SQL_CONN_ID", database.conn_id)
    monkeypatch.setenv("AIRFLOW__CONTACTS__SUPPRESSIONS_TABLE", "contact_suppressions")
    with pytest.raises(InvalidRequest, match="`secret_conn_id` is set without `suppressions_table`"):
        suppress(database, [ADA], suppressions_table=None, sql_conn_id=None, secret_conn_id="unused")


def test_a_number_that_another_person_has_too_stays(
    database: Database, secret: str, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    ada, eve = {**ADA, "phone": "+12015550101"}, {**EVE, "phone": "+12015550101"}
    suppress(database, [ada, eve])
    allow(database, [ada])
    log = caplog.text + capsys.readouterr().out
    assert "1 of 1 contacts are still suppressed by a phone number that another suppressed person has" in log
    assert allow(database, [eve])["allowed"] == 1


def test_fields_that_cannot_be_normalized_are_reported(
    database: Database, secret: str, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    suppress(database, [{**EVE, "phone": "020 7946 0958"}, {**ADA, "email": "n/a"}])
    log = caplog.text + capsys.readouterr().out
    assert "1 contacts have a value of `phone` that cannot be normalized" in log
    assert "1 contacts have a value of `email` that cannot be normalized" in log


def test_times_with_an_offset_are_stored_in_utc(database: Database, secret: str) -> None:
    offset = timezone(timedelta(hours=-8))
    until = (datetime.now(timezone.utc) + timedelta(hours=1)).astimezone(offset)
    for value in (until, until.isoformat()):
        suppress(database, [EVE], until=value)
        end = stored(database, "until")[0][0]
        end = end if isinstance(end, datetime) else datetime.fromisoformat(end)
        end = end if end.tzinfo else end.replace(tzinfo=timezone.utc)
        assert abs(end - until) < timedelta(seconds=1)


def test_literal_end_may_pass(database: Database) -> None:
    """Otherwise, the DAG file would stop importing on that day."""
    arguments = {"contacts": [EVE], "sql_conn_id": "warehouse", "suppressions_table": "s", "reason": "x"}
    with DAG("test", schedule=None):
        SuppressContactsOperator(task_id="past", until="2020-01-01", **arguments)
        with pytest.raises(InvalidRequest, match="`until` must be a time"):
            SuppressContactsOperator(task_id="invalid", until="soon", **arguments)


def test_allowing_creates_no_table(database: Database, secret: str) -> None:
    with pytest.raises(MissingTable, match="does not exist"):
        allow(database, [EVE])
