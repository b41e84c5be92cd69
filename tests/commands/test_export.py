"""Exporting files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.commands.conftest import Airflow
from tests.conftest import Sandbox
from tests.transfers.helpers import rows_of


@pytest.mark.parametrize("ending", ["jsonl", "csv.gz", "parquet"])
def test_export(ending: str, sandbox: Sandbox, airflow: Airflow, tmp_path: Path) -> None:
    path = tmp_path / f"contacts.{ending}"
    code, out, err = airflow("export", "mailstand_default", str(path), "--condition", "has_phone")
    assert code == 0, err
    expected = sum(row.phone_field is not None for row in sandbox.state.tables["mailstand"].rows)
    assert out == f"Wrote {expected} contacts ({path.stat().st_size} bytes) to {path}\n"


def test_export_raw(sandbox: Sandbox, airflow: Airflow, tmp_path: Path) -> None:
    path = tmp_path / "contacts.jsonl"
    code, *_ = airflow(
        "export",
        "tether_default",
        str(path),
        "--content",
        "raw",
        "--filter",
        "status=Lost",
    )
    assert code == 0
    assert {json.loads(line)["status"] for line in path.read_text().splitlines()} == {"Lost"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["x.xlsx"], "The extension of `path` must be one of"),
        (["x.csv", "--content", "raw"], "as jsonl only"),
        (["x.jsonl", "--filter", "stagee=x"], "Did you mean `stage`"),
        (["{folder}/file/x.jsonl"], "is not writable"),
    ],
)
def test_export_errors(
    arguments: list[str], message: str, sandbox: Sandbox, airflow: Airflow, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    arguments = [one.format(folder=tmp_path) for one in arguments]
    code, out, err = airflow("export", "mailstand_default", *arguments)
    assert code == 1
    assert message in err
    assert out == ""
    assert not sandbox.requests("mailstand")


@pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet"])
def test_export_without_raw(ending: str, sandbox: Sandbox, airflow: Airflow, tmp_path: Path) -> None:
    path = tmp_path / f"contacts.{ending}"
    code, _, err = airflow("export", "mailstand_default", str(path), "--without-raw")
    assert code == 0, err
    rows = rows_of(path)
    assert len(rows) == 60
    assert "contact_id" in rows[0]
    assert not any("raw" in row for row in rows)


def test_raw_cannot_be_left_out_of_raw(sandbox: Sandbox, airflow: Airflow, tmp_path: Path) -> None:
    path = str(tmp_path / "x.jsonl")
    code, _, err = airflow("export", "mailstand_default", path, "--content", "raw", "--without-raw")
    assert code == 1
    assert "content=raw" in err


def test_relative_path_is_shown(
    sandbox: Sandbox, airflow: Airflow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, _ = airflow("export", "tether_default", "contacts.jsonl")
    assert code == 0
    assert out.endswith(f" to {tmp_path / 'contacts.jsonl'}\n")


def test_no_contacts_are_explained(sandbox: Sandbox, airflow: Airflow, tmp_path: Path) -> None:
    code, out, err = airflow("export", "talktohumans_default", str(tmp_path / "x.csv"), "--filter", "tag=vip")
    assert code == 0
    assert out.startswith("Wrote 0 contacts")
    assert "Did you mean 'VIP'?" in err
