"""Listing contacts."""

from __future__ import annotations

import json

import pytest
import yaml

from tests.commands.conftest import Airflow
from tests.conftest import Sandbox
from tests.vendors import VENDORS


@pytest.mark.parametrize("vendor", VENDORS)
def test_list_as_json(vendor: str, sandbox: Sandbox, airflow: Airflow) -> None:
    code, out, _ = airflow("list", f"{vendor}_default", "--output", "json")
    assert code == 0
    contacts = json.loads(out)
    assert {(contact["account_id"], contact["contact_id"]) for contact in contacts} == sandbox.keys(vendor)
    assert "linkedin_url" in contacts[0]
    assert "raw" not in contacts[0]


@pytest.mark.parametrize("output", ["table", "plain", "yaml"])
def test_list_as_table(output: str, sandbox: Sandbox, airflow: Airflow) -> None:
    code, out, _ = airflow("list", "mailstand_default", "--output", output, "--limit", "3")
    assert code == 0
    assert out.count("contact_") >= 3
    assert "space_sandbox" in out


def test_list_with_filters(sandbox: Sandbox, airflow: Airflow) -> None:
    arguments = [
        "--filter",
        "account_id=101",
        "--filter",
        "account_id=102",
        "--filter",
        "tag=Conference, Berlin",
    ]
    code, out, _ = airflow("list", "talktohumans_default", "-o", "json", *arguments)
    assert code == 0
    assert all("Conference, Berlin" in contact["tags"] for contact in json.loads(out))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--filter", "stag=x"], "Did you mean `stage`"),
        (["--filter", "stage"], "KEY=VALUE"),
        (["--limit", "0"], "limit must be a whole number of at least 1"),
    ],
)
def test_list_errors(arguments: list[str], message: str, sandbox: Sandbox, airflow: Airflow) -> None:
    code, out, err = airflow("list", "mailstand_default", *arguments)
    assert code == 1
    assert message in err
    assert out == ""


def test_json_keeps_types_and_letters(sandbox: Sandbox, airflow: Airflow) -> None:
    arguments = ("list", "mailstand_default", "--filter", "campaign=camp_spring", "-o")
    _, out, _ = airflow(*arguments, "json")
    contacts = json.loads(out)
    assert {contact["replied"] for contact in contacts} == {True, False}
    assert contacts[0]["stage"] is None or isinstance(contacts[0]["stage"], str)
    _, out, _ = airflow(*arguments, "yaml")
    assert yaml.safe_load(out) == contacts


@pytest.mark.parametrize(
    ("vendor", "absent"),
    [
        ("talktohumans", ["email", "phone", "stage"]),
        ("thoughtly", ["stage", "replied"]),
        ("tether", ["tags"]),
    ],
)
def test_table_has_no_empty_columns(
    vendor: str, absent: list[str], sandbox: Sandbox, airflow: Airflow
) -> None:
    code, out, err = airflow("list", f"{vendor}_default", "--limit", "20")
    assert code == 0
    header = out.splitlines()[0].split("|")
    assert not {name.strip() for name in header} & set(absent)
    assert err == "20 contacts\n"


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["talktohumans_default", "--condition", "tagged:vip"], "Did you mean 'VIP'?"),
        (["talktohumans_default", "--filter", "tag=vip"], "Did you mean 'VIP'?"),
        (
            ["tether_default", "--filter", "messageStatus=foo"],
            "Check the spelling and case of the values of these filters: messageStatus.",
        ),
        (["mailstand_default", "--filter", "workspace=space_empty"], "No contacts match."),
        (["thoughtly_default", "--condition", "tagged:nothing like it"], "No contacts match.\n"),
    ],
)
def test_no_contacts(arguments: list[str], hint: str, sandbox: Sandbox, airflow: Airflow) -> None:
    code, out, err = airflow("list", *arguments)
    assert code == 0
    assert out == ""
    assert hint in err
    assert json.loads(airflow("list", *arguments, "-o", "json")[1]) == []


def test_nothing_to_find(sandbox: Sandbox, airflow: Airflow) -> None:
    table = sandbox.state.tables["tether"]
    for row in list(table.rows):
        table.remove(row)
    assert airflow("list", "tether_default")[2] == "There are no contacts.\n"


def test_count_of_one(sandbox: Sandbox, airflow: Airflow) -> None:
    for output in ("table", "json", "plain"):
        assert airflow("list", "tether_default", "--limit", "1", "-o", output)[2] == "1 contact\n"
