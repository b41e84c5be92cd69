"""The definitions of the commands."""

from __future__ import annotations

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
        "suppressions",
        "sandbox",
    ]
    assert all(one.help for one in group.subcommands)
