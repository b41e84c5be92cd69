"""The definitions of the commands."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from airflow.cli import cli_parser

from airflow_provider_contacts.conditions import SIMPLE_CONDITIONS, get_condition_name


def test_help_lists_all_conditions(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli_parser.get_parser().parse_args(["contacts", "list", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    for condition in SIMPLE_CONDITIONS:
        assert get_condition_name(condition) in shown


def test_every_command_has_help() -> None:
    from airflow_provider_contacts.cli import get_contacts_cli_commands

    [group] = get_contacts_cli_commands()
    assert [one.name for one in group.subcommands] == [
        "check",
        "list",
        "export",
        "filters",
        "conditions",
        "people",
        "erase",
        "audit",
        "sandbox",
    ]
    assert all(one.help for one in group.subcommands)


def test_definitions_import_nothing_of_the_commands() -> None:
    code = """
import json, sys
import airflow.cli.cli_config
import airflow_provider_contacts
before = set(sys.modules)
from airflow_provider_contacts.cli import get_contacts_cli_commands
get_contacts_cli_commands()
print(json.dumps(sorted(set(sys.modules) - before)))
"""
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    imported = json.loads(shown.splitlines()[-1])
    ours = [name for name in imported if name.startswith("airflow_provider_contacts")]
    allowed = ("cli", "conditions", "contact", "identity_keys")
    assert [name for name in ours if name.split(".")[1] not in allowed] == []
    assert {"requests", "phonenumbers", "sqlalchemy"}.isdisjoint(imported)
