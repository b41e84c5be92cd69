"""Writers handle many contacts together; the file is the same as if they had come one by one."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import IO

import msgspec
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.errors import MalformedRecord
from airflow_provider_contacts.transfers.columns import COLUMNS
from airflow_provider_contacts.transfers.files.writers import (
    CsvWriter,
    JsonLinesWriter,
    ParquetWriter,
    RawWriter,
    Writer,
)

WRITERS: dict[str, Callable[[IO[bytes]], Writer]] = {
    "raw": RawWriter,
    "jsonl": JsonLinesWriter,
    "csv": lambda file: CsvWriter(file, COLUMNS),
    "parquet": lambda file: ParquetWriter(file, COLUMNS),
}

raws = st.builds(
    lambda text, gap: f'{{{gap}"name":{gap}{json.dumps(text, ensure_ascii=False)}{gap}}}'.encode(),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    st.sampled_from(["", " ", "\n", "\r\n", "\r"]),
)


def make_contact(number: int, raw: bytes) -> Contact:
    return Contact("v", "1", str(number), name=f"N{number}", raw=msgspec.Raw(raw))


def write(name: str, batches: list[list[Contact]]) -> bytes:
    file = io.BytesIO()
    writer = WRITERS[name](file)
    for batch in batches:
        writer.write(batch)
    writer.finish()
    writer.close()
    return file.getvalue()


@pytest.mark.parametrize("name", ["raw", "jsonl", "csv"])
@given(st.lists(raws, max_size=6))
def test_batches_make_no_difference(name: str, records: list[bytes]) -> None:
    contacts = [make_contact(number, raw) for number, raw in enumerate(records)]
    together = write(name, [contacts])
    assert together == write(name, [[contact] for contact in contacts])
    if name != "csv":
        lines = together.splitlines()
        assert [json.loads(line) for line in lines] == [
            json.loads(raw) if name == "raw" else {**contact.to_dict(), "raw": json.loads(raw)}
            for contact, raw in zip(contacts, records, strict=True)
        ]


@given(st.lists(st.lists(raws, max_size=4), max_size=3))
def test_parquet_has_the_rows_of_all_batches(batches: list[list[bytes]]) -> None:
    contacts = [[make_contact(number, raw) for number, raw in enumerate(batch)] for batch in batches]
    table = pyarrow.parquet.read_table(io.BytesIO(write("parquet", [batch for batch in contacts if batch])))
    assert table.column("raw").to_pylist() == [raw.decode() for batch in batches for raw in batch]
    assert table.column("name").to_pylist() == [contact.name for batch in contacts for contact in batch]


@pytest.mark.parametrize("name", ["jsonl", "csv", "parquet"])
@pytest.mark.parametrize("position", [0, 2])
def test_one_record_that_is_not_utf8_in_a_batch(name: str, position: int) -> None:
    records = [b'{"name":"M\xc3\xb6glich"}'] * 3
    records[position] = b'{"name":"M\xf6glich"}'
    contacts = [make_contact(number, raw) for number, raw in enumerate(records)]
    with pytest.raises(MalformedRecord, match="not UTF-8") as caught:
        write(name, [contacts])
    assert "glich" not in str(caught.value)


def test_raw_records_that_are_not_utf8_are_written_byte_for_byte() -> None:
    raw = b'{"name":"M\xf6glich"}'
    assert write("raw", [[make_contact(1, raw)]]) == raw + b"\n"
