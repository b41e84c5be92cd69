"""Printing rows."""

from __future__ import annotations

import json

import pytest
import yaml

from airflow_provider_contacts.commands.output import print_note, print_rows, without_empty_columns

ROWS = [
    {"name": "Zoë", "replied": True, "tags": ["a", "b"], "phone": None},
    {"name": "Al", "replied": False, "tags": [], "phone": None},
]


def test_json_and_yaml(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows(ROWS, "json")
    shown = capsys.readouterr().out
    assert json.loads(shown) == ROWS
    assert "Zoë" in shown
    print_rows(ROWS, "yaml")
    shown = capsys.readouterr().out
    assert yaml.safe_load(shown) == ROWS
    assert "Zoë" in shown


def test_table(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows(without_empty_columns(ROWS), "table")
    header, _, first, second = capsys.readouterr().out.splitlines()[:4]
    assert [cell.strip() for cell in header.split("|")] == ["name", "replied", "tags"]
    assert [cell.strip() for cell in first.split("|")] == ["Zoë", "yes", "a, b"]
    assert [cell.strip() for cell in second.split("|")] == ["Al", "no", ""]


@pytest.mark.parametrize(
    ("output", "shown"), [("json", "[]\n"), ("yaml", "[]\n"), ("table", ""), ("plain", "")]
)
def test_no_rows(output: str, shown: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_rows([], output)
    assert capsys.readouterr().out == shown


def test_notes_do_not_mix_with_the_result(capsys: pytest.CaptureFixture[str]) -> None:
    print_note("3 contacts")
    assert capsys.readouterr() == ("", "3 contacts\n")
