"""Write contacts to files, and read the files back."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet
import zstandard

from airflow_provider_contacts.transfers.columns import COLUMNS
from airflow_provider_contacts.transfers.contacts_to_object_storage import ContactsToObjectStorageOperator
from airflow_provider_contacts.transfers.files.formats import choose_format


def export(vendor: str, path: Any, **arguments: Any) -> dict[str, Any]:
    operator = ContactsToObjectStorageOperator(
        task_id="export", contacts_conn_id=f"{vendor}_default", path=str(path), **arguments
    )
    return operator.execute({})


def write(contacts: Any, path: Path, name: str = "") -> int:
    with path.open("wb") as file:
        return choose_format(name or str(path)).write(contacts, file)


def unpacked(path: Path) -> bytes:
    content = path.read_bytes()
    if path.suffix == ".gz":
        return gzip.decompress(content)
    return zstandard.ZstdDecompressor().stream_reader(content).read() if path.suffix == ".zst" else content


def rows_of(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a file, with the text of CSV cells parsed."""
    if path.suffix == ".parquet":
        rows = pyarrow.parquet.read_table(path).to_pylist()
        return [{name: _as_json(value) for name, value in row.items()} for row in rows]
    text = unpacked(path).decode()
    if ".jsonl" in path.name:
        return [json.loads(line) for line in text.split("\n") if line]
    kinds = {column.name: column for column in COLUMNS}
    rows = list(csv.DictReader(text.splitlines(keepends=True), strict=True))
    return [{name: _value(kinds[name], cell) for name, cell in row.items()} for row in rows]


def _as_json(value: Any) -> Any:
    return json.loads(msgspec.json.encode(value))


def _value(column: Any, cell: str) -> Any:
    if cell == "" and column.nullable:
        return None
    if column.kind == "flag":
        return cell == "true"
    return json.loads(cell) if column.kind == "texts" else cell.removeprefix("'")
