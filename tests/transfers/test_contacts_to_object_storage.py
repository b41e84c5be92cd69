from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from airflow_provider_contacts.contact import FIELDS
from airflow_provider_contacts.errors import ContactsError, IncompleteListing, InvalidRequest
from airflow_provider_contacts.hooks.base import ContactsHook
from airflow_provider_contacts.transfers.contacts_to_object_storage import ContactsToObjectStorageOperator
from tests.conftest import Sandbox
from tests.transfers.helpers import export as export_file
from tests.transfers.helpers import rows_of
from tests.vendors import CASES, VENDORS


def export(vendor: str, path: str, **arguments: Any) -> dict[str, Any]:
    operator = ContactsToObjectStorageOperator(
        task_id="export", contacts_conn_id=f"{vendor}_default", path=path, **arguments
    )
    return operator.execute({})


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("form", ["{}", "file://{}"])
def test_writes_every_contact(vendor: str, form: str, sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "a folder" / "contacts.jsonl"
    summary = export(vendor, form.format(path))
    assert (summary["vendor"], summary["seen"]) == (vendor, 60)
    assert summary["requests"] == len(sandbox.requests(vendor))
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert rows == [
        {**contact.to_dict(), "raw": json.loads(bytes(contact.raw))}
        for contact in ContactsHook.for_connection(f"{vendor}_default").list_contacts()
    ]
    assert list(rows[0]) == [*FIELDS, "raw"]
    assert summary["size"] == path.stat().st_size
    assert os.listdir(path.parent) == ["contacts.jsonl"]
    json.dumps(summary)


def test_writes_to_an_object_store(sandbox: Sandbox) -> None:
    import fsspec
    from airflow.sdk.io import attach

    attach("memory", fs=fsspec.filesystem("memory"))
    export("tether", "memory://bucket/contacts.jsonl")
    assert fsspec.filesystem("memory").cat("/bucket/contacts.jsonl").count(b"\n") == 60


def test_replaces_the_old_file(sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "contacts.jsonl"
    path.write_text("old\n" * 1000)
    export("tether", str(path), filters={"status": "Qualified"})
    assert "old" not in path.read_text()


@pytest.mark.parametrize("vendor", VENDORS)
def test_failed_read_keeps_the_old_file_only(vendor: str, sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "contacts.jsonl"
    path.write_text("old\n")
    sandbox.fail(
        vendor,
        path=CASES[vendor].samples.path,
        status=403,
        after=0 if vendor in ("mailstand", "tether") else 1,
    )
    with pytest.raises(ContactsError):
        export(vendor, str(path))
    assert path.read_text() == "old\n"
    assert os.listdir(tmp_path) == ["contacts.jsonl"]


def test_file_keeps_its_mode(sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "contacts.jsonl"
    before = os.umask(0o027)
    try:
        export("tether", str(path))
        assert path.stat().st_mode & 0o777 == 0o640
        path.chmod(0o604)
        export("tether", str(path))
        assert path.stat().st_mode & 0o777 == 0o604
    finally:
        os.umask(before)


def test_incomplete_listing_writes_nothing(sandbox: Sandbox, tmp_path: Path) -> None:
    page = {"success": True, "data": {"contacts": [{"_id": "1"}], "total": 2}}
    sandbox.fail("tether", path="/contacts", body=json.dumps(page), times=99)
    with pytest.raises(IncompleteListing):
        export("tether", str(tmp_path / "contacts.jsonl"))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "path", ["contacts.xlsx", "contacts", "contacts.jsonl.bak", "s3://bucket/", "contacts.parquet.gz"]
)
def test_unknown_format(path: str, sandbox: Sandbox, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="must be one of: jsonl"):
        export("tether", str(tmp_path / path))
    assert not sandbox.requests("tether")


def test_format_overrides_the_ending(sandbox: Sandbox, tmp_path: Path) -> None:
    assert export("tether", str(tmp_path / "contacts.txt"), format="jsonl")["seen"] == 60


@pytest.mark.sandbox(contacts=0)
def test_empty_listing_is_an_empty_file(sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "contacts.jsonl"
    assert export("tether", str(path))["seen"] == 0
    assert path.read_bytes() == b""


def test_names_in_every_script_survive(sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "contacts.jsonl"
    export("mailstand", str(path))
    names = {json.loads(line)["name"] for line in path.read_bytes().splitlines()}
    assert names == {row.person.name for row in sandbox.state.tables["mailstand"].rows}
    assert msgspec.json.decode(path.read_bytes().splitlines()[0])["vendor"] == "mailstand"


def test_relative_path_is_made_absolute(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    summary = export_file("tether", "contacts.jsonl")
    assert summary["path"] == str(tmp_path / "contacts.jsonl")
    output = capsys.readouterr().out
    assert "`path` is relative" in output
    assert f"Wrote 60 contacts to {tmp_path / 'contacts.jsonl'}" in output


@pytest.mark.parametrize("include_raw", [False, "False"])
def test_raw_can_be_left_out(include_raw: object, sandbox: Sandbox, tmp_path: Path) -> None:
    export_file("tether", tmp_path / "contacts.csv", include_raw=include_raw)
    assert "raw" not in rows_of(tmp_path / "contacts.csv")[0]
