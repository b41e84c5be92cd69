"""Every format has one schema, loses nothing, and contains nothing that a spreadsheet would run."""

from __future__ import annotations

import csv
import json
import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from airflow_provider_contacts.contact import FIELDS, Contact
from airflow_provider_contacts.errors import InvalidRequest, MalformedRecord
from airflow_provider_contacts.hooks.base import ContactsHook
from airflow_provider_contacts.transfers.columns import COLUMNS
from airflow_provider_contacts.transfers.files.formats import FORMATS
from tests.conftest import Sandbox
from tests.scripted import Reply, ScriptedServer
from tests.transfers.helpers import export, rows_of, unpacked, write
from tests.vendors import CASES, VENDORS


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("ending", FORMATS)
def test_every_format_contains_the_same(vendor: str, ending: str, sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / f"contacts.{ending}"
    assert export(vendor, path)["seen"] == 60
    listed = ContactsHook.for_connection(f"{vendor}_default").list_contacts()
    raw_of = json.loads if "jsonl" in ending else bytes.decode
    expected = [{**contact.to_dict(), "raw": raw_of(bytes(contact.raw))} for contact in listed]
    assert rows_of(path) == expected
    assert list(rows_of(path)[0]) == (
        [*FIELDS, "raw"] if "jsonl" in ending else [column.name for column in COLUMNS]
    )


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("ending", ["jsonl", "jsonl.gz", "jsonl.zst"])
def test_raw_content(vendor: str, ending: str, sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / f"contacts.{ending}"
    export(vendor, path, content="raw")
    listed = ContactsHook.for_connection(f"{vendor}_default").list_contacts()
    assert unpacked(path).splitlines() == [bytes(contact.raw) for contact in listed]


def test_parquet_has_types(sandbox: Sandbox, tmp_path: Path) -> None:
    export("thoughtly", tmp_path / "contacts.parquet")
    schema = pyarrow.parquet.read_schema(tmp_path / "contacts.parquet")
    types = {field.name: (str(field.type), field.nullable) for field in schema}
    assert types["created_at"] == ("timestamp[us, tz=UTC]", True)
    assert types["tags"][0].startswith("list<")
    assert types["replied"] == ("bool", True)
    assert types["contact_id"] == ("string", False)


@pytest.mark.parametrize("ending", FORMATS)
def test_empty_listing_in_every_format(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"contacts.{ending}"
    assert write([], path) == 0
    assert rows_of(path) == []


def test_parquet_of_many_rows(tmp_path: Path) -> None:
    path = tmp_path / "contacts.parquet"
    contacts = (Contact("v", "", str(number), raw=msgspec.Raw(b"{}")) for number in range(25_000))
    assert write(contacts, path) == 25_000
    assert pyarrow.parquet.read_metadata(path).num_rows == 25_000
    assert pyarrow.parquet.read_metadata(path).num_row_groups == 3


@pytest.mark.parametrize("ending", ["jsonl.gz", "csv.gz"])
def test_equal_contacts_give_equal_files(ending: str, tmp_path: Path) -> None:
    contacts = [Contact("v", "", "1", name="A", raw=msgspec.Raw(b"{}"))]
    for name in ("a", "b"):
        write(contacts, tmp_path / name, f"x.{ending}")
        time.sleep(0.01)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("=1+1", "'=1+1"), ("+SUM(A1)", "'+SUM(A1)"), ("-2", "'-2"), ("@A1", "'@A1"), ("\t=1", "'\t'=1"),
        ("\r=1", "'\r'=1"), ("＝1", "'＝1"), ("+14165550100", "+14165550100"), ("Ada", "Ada"), ("a=1", "a=1"),
        ("+", "'+"), ("+1 (234) 5", "'+1 (234) 5"), ("Ada;=1+1;x", "Ada;'=1+1;x"), ("Ada\t@x", "Ada\t'@x"),
        ("Ada\n=1", "Ada\n'=1"), ("a;b", "a;b"), ('say "hi", you\nthere', 'say "hi", you\nthere'),
    ],
)  # fmt: skip
def test_cells_that_a_spreadsheet_would_run(name: str, cell: str, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    write([Contact("v", "", "1", name=name, raw=msgspec.Raw(b"{}"))], path)
    with path.open(newline="", encoding="utf-8") as file:
        [row] = csv.DictReader(file)
    assert row["name"] == cell


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), min_size=3, max_size=3))
@example(["", "", ";="])
def test_text_survives_every_format(texts: list[str]) -> None:
    import tempfile

    raw = msgspec.Raw(msgspec.json.encode({"name": texts[0]}))
    contact = Contact("v", texts[1], "1", name=texts[0] or None, tags=(texts[2],), raw=raw)
    expected = {**contact.to_dict(), "raw": bytes(raw).decode()}
    with tempfile.TemporaryDirectory() as folder:
        for ending in ("jsonl", "csv", "parquet"):
            path = Path(folder) / f"x.{ending}"
            write([contact], path)
            if ending == "csv":
                with path.open(newline="", encoding="utf-8") as file:
                    [row] = csv.DictReader(file)
                for field in ("name", "account_id"):
                    text = row[field]
                    original = expected[field] or ""
                    # An apostrophe precedes what a spreadsheet would run, also after a separator
                    # inside the cell.
                    inside = re.sub(r"(?<=[;\t\r\n])'", "", text)
                    assert text in (original, f"'{original}") or inside in (original, f"'{original}")
                assert json.loads(row["tags"]) == [texts[2]]
                assert row["raw"] == expected["raw"]
            else:
                nested = {"raw": json.loads(bytes(raw))} if ending == "jsonl" else {}
                assert rows_of(path) == [{**expected, **nested}]


def test_bytes_that_are_not_utf8(
    connect: Callable[..., str], scripted: ScriptedServer, tmp_path: Path
) -> None:
    case = CASES["tether"]
    body = json.dumps(case.page({**case.record(1), "note": "MARK"})).encode().replace(b"MARK", b"caf\xe9")
    scripted.replies = [Reply(body=body)]
    connect("tether_default", **{**case.parts, "host": scripted.url})
    for ending in ("jsonl", "csv", "parquet"):
        with pytest.raises(MalformedRecord, match='content="raw" to keep it'):
            export("tether", tmp_path / f"x.{ending}")
    assert os.listdir(tmp_path) == []
    export("tether", tmp_path / "x.jsonl", content="raw")
    assert b"caf\xe9" in (tmp_path / "x.jsonl").read_bytes()


@pytest.mark.parametrize(
    ("path", "arguments", "message"),
    [
        ("x.csv", {"content": "raw"}, "as jsonl only"),
        ("x.jsonl", {"content": "rough"}, "`content` must be"),
        ("x.jsonl", {"format": "xml"}, "`format` must be one of: jsonl, jsonl.gz"),
    ],
)
def test_bad_arguments(path: str, arguments: Any, message: str, sandbox: Sandbox, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match=message):
        export("tether", tmp_path / path, **arguments)
    assert not sandbox.requests("tether")


@pytest.mark.parametrize(
    ("ending", "module", "extra"), [("parquet", "pyarrow", "parquet"), ("csv.zst", "zstandard", "zstd")]
)
def test_a_missing_library_names_the_extra(
    ending: str, module: str, extra: str, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setitem(sys.modules, f"{module}.parquet", None)
    with pytest.raises(InvalidRequest, match=rf"airflow-provider-contacts\[{extra}\]"):
        export("tether", tmp_path / f"x.{ending}")
    assert not sandbox.requests("tether")
