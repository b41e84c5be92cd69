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


@pytest.mark.parametrize("output", ["table", "plain"])
def test_text_is_shown_as_it_is(output: str, capsys: pytest.CaptureFixture[str]) -> None:
    values = [
        "00123",
        "66512345678901234567e10",
        "1_000",
        "Ann [/b]",
        "Bob [bold]",
        "[red]Acme[/red]",
        "+14165550100",
    ]
    print_rows([{"value": value} for value in values], output)
    shown = capsys.readouterr().out
    for value in values:
        assert value in shown


def test_control_characters_are_not_printed(capsys: pytest.CaptureFixture[str]) -> None:
    for output in ("table", "plain"):
        print_rows([{"value": "a\x1b[31mb\nc"}], output)
        assert "a [31mb c" in capsys.readouterr().out
