"""The commands, as a shell would run them."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from airflow.cli import cli_parser

from airflow_provider_contacts.errors import InvalidRequest
from tests.conftest import Sandbox
from tests.vendors import VENDORS


def airflow(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run an ``airflow`` command through Airflow's own parser."""
    parsed = cli_parser.get_parser().parse_args(list(arguments))
    code = 0
    try:
        parsed.func(parsed)
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 1
        if isinstance(stop.code, str):
            sys.stderr.write(stop.code)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.mark.parametrize("vendor", VENDORS)
def test_check(vendor: str, sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = airflow(capsys, "contacts", "check", f"{vendor}_default")
    assert code == 0
    assert "accepts the credentials" in out
    sandbox.connect(vendor, password="wrong")
    code, out, _ = airflow(capsys, "contacts", "check", f"{vendor}_default")
    assert code == 1
    assert "Check the field" in out


def test_check_missing_connection(sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = airflow(capsys, "contacts", "check", "nowhere")
    assert code == 1
    assert "Connection 'nowhere' does not exist" in out


@pytest.mark.parametrize("vendor", VENDORS)
def test_list_as_json(vendor: str, sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = airflow(capsys, "contacts", "list", f"{vendor}_default", "--output", "json")
    assert code == 0
    contacts = json.loads(out)
    assert {(contact["account_id"], contact["contact_id"]) for contact in contacts} == sandbox.keys(vendor)
    assert "linkedin_url" in contacts[0]
    assert "raw" not in contacts[0]


@pytest.mark.parametrize("output", ["table", "plain", "yaml"])
def test_list_as_table(output: str, sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = airflow(
        capsys, "contacts", "list", "mailstand_default", "--output", output, "--limit", "3"
    )
    assert code == 0
    assert out.count("contact_") >= 3
    assert "space_sandbox" in out


def test_list_with_filters(sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [
        "--filter",
        "account_id=101",
        "--filter",
        "account_id=102",
        "--filter",
        "tag=tag, with comma",
    ]
    code, out, _ = airflow(capsys, "contacts", "list", "talktohumans_default", "-o", "json", *arguments)
    assert code == 0
    assert all("tag, with comma" in contact["tags"] for contact in json.loads(out))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--filter", "stag=x"], "Did you mean `stage`"),
        (["--filter", "stage"], "KEY=VALUE"),
        (["--limit", "0"], "limit must be a whole number of at least 1"),
    ],
)
def test_list_errors(
    arguments: list[str], message: str, sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = airflow(capsys, "contacts", "list", "mailstand_default", *arguments)
    assert code == 1
    assert message in err
    assert out == ""


def test_no_filter_is_lost() -> None:
    from airflow_provider_contacts.cli import _parse_filters

    assert _parse_filters(["a=1", "b=x=y", "a=2", "a=3"]) == {"a": ["1", "2", "3"], "b": "x=y"}
    with pytest.raises(InvalidRequest):
        _parse_filters(["=1"])


def test_sandbox_serves_and_prints_connections() -> None:
    command = [sys.executable, "-m", "airflow", "contacts", "sandbox", "--port", "0", "--contacts", "30"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            connections: dict[str, Any] = {}
            assert process.stdout is not None
            for line in process.stdout:
                if line.startswith("export AIRFLOW_CONN_"):
                    name, _, value = line.removeprefix("export AIRFLOW_CONN_").strip().partition("=")
                    connections[name] = json.loads(value.strip("'"))
                if line.startswith("Stop"):
                    break
            assert set(connections) == {f"{vendor.upper()}_DEFAULT" for vendor in VENDORS}
            base = connections["TETHER_DEFAULT"]["host"].removesuffix("/tether")
            with urllib.request.urlopen(f"{base}/sandbox/population", timeout=10) as answer:
                assert json.load(answer) == dict.fromkeys(VENDORS, 30)
        finally:
            process.terminate()


def test_sandbox_port_is_taken(sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    port = sandbox.url.split(":")[2].split("/")[0]
    code, _, err = airflow(capsys, "contacts", "sandbox", "--port", port)
    assert code == 1
    assert "--port" in err


@pytest.mark.parametrize("ending", ["jsonl", "csv.gz", "parquet"])
def test_export(ending: str, sandbox: Sandbox, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / f"contacts.{ending}"
    code, out, err = airflow(
        capsys, "contacts", "export", "mailstand_default", str(path), "--condition", "has_phone"
    )
    assert code == 0, err
    expected = sum(row.phone_field is not None for row in sandbox.state.tables["mailstand"].rows)
    assert out == f"Wrote {expected} contacts ({path.stat().st_size} bytes) to {path}\n"


def test_export_raw(sandbox: Sandbox, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "contacts.jsonl"
    code, *_ = airflow(
        capsys,
        "contacts",
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
    arguments: list[str], message: str, sandbox: Sandbox, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    arguments = [one.format(folder=tmp_path) for one in arguments]
    code, out, err = airflow(capsys, "contacts", "export", "mailstand_default", *arguments)
    assert code == 1
    assert message in err
    assert out == ""
    assert not sandbox.requests("mailstand")
