"""Write contacts to an open file as JSON lines, CSV or Parquet."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from typing import IO, Any, Protocol

import msgspec

from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.transfers.columns import Column
from airflow_provider_contacts.transfers.files.packages import require_library
from airflow_provider_contacts.transfers.raw_records import raw_bytes, raw_text, remove_line_breaks

_ENCODER = msgspec.json.Encoder()
_ROWS_PER_GROUP = 10_000
_BYTES_PER_GROUP = 32 << 20
# Columns whose values hardly repeat: a dictionary of them costs time and saves no space.
_COLUMNS_OF_UNIQUE_VALUES = ("contact_id", "name", "email", "phone", "linkedin_url", "url", "raw")
# A spreadsheet runs a cell as a formula if it starts with one of these.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
# Spreadsheets in many countries separate cells at other characters, so a formula may start inside a
# cell.
_FORMULA_INSIDE = re.compile(r"([;\t\r\n])(?=[=+\-@＝＋－＠])")
# In JSON, the other separators are escaped.
_FORMULA_IN_JSON = re.compile(r";([=+\-@＝＋－＠])")


class Writer(Protocol):
    """Writes contacts to an open file."""

    def write(self, contacts: Sequence[Contact]) -> None:
        """Write some contacts."""

    def finish(self) -> None:
        """Write what is still buffered. It is not called if reading or writing failed."""

    def close(self) -> None:
        """Release resources."""


class _LineWriter:
    """Writes one line per contact; nothing stays buffered between calls."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, contacts: Sequence[Contact]) -> None:
        raise NotImplementedError

    def finish(self) -> None:
        """Do nothing: every line is written immediately."""

    def close(self) -> None:
        """Do nothing: the file belongs to the caller."""


class RawWriter(_LineWriter):
    """Writes the vendor's objects as JSON lines. Only line breaks between tokens are changed."""

    def write(self, contacts: Sequence[Contact]) -> None:
        """Write some contacts."""
        lines = [contact.raw for contact in remove_line_breaks(contacts, require_utf8=False)]
        self._file.write(_ENCODER.encode_lines(lines))


class JsonLinesWriter(_LineWriter):
    """Writes JSON lines in which ``raw`` is the vendor's object."""

    def write(self, contacts: Sequence[Contact]) -> None:
        """Write some contacts.

        :raises MalformedRecord: if ``raw`` is not UTF-8, which no JSON reader accepts.
        """
        self._file.write(_ENCODER.encode_lines(remove_line_breaks(contacts, require_utf8=True)))


class CsvWriter(_LineWriter):
    """Writes CSV (RFC 4180) in UTF-8 with a header. Null is an empty cell, a list is JSON."""

    def __init__(self, file: IO[bytes], columns: Sequence[Column]) -> None:
        super().__init__(file)
        self._columns = columns
        self._buffer = io.StringIO(newline="")
        self._csv = csv.writer(self._buffer, lineterminator="\r\n")
        self._csv.writerow([column.name for column in columns])

    def write(self, contacts: Sequence[Contact]) -> None:
        """Write some contacts."""
        for contact in contacts:
            self._csv.writerow([_cell(column, contact) for column in self._columns])
        self.finish()

    def finish(self) -> None:
        """Write the buffered text."""
        self._file.write(self._buffer.getvalue().encode())
        self._buffer.seek(0)
        self._buffer.truncate()


class ParquetWriter:
    """Writes Parquet, with zoned times and real lists, in groups of bounded size."""

    def __init__(self, file: IO[bytes], columns: Sequence[Column]) -> None:
        parquet = require_library("pyarrow.parquet", "parquet")
        self._arrow = require_library("pyarrow", "parquet")
        self._columns = columns
        self._schema = self._make_schema()
        self._writer = parquet.ParquetWriter(
            file,
            self._schema,
            compression="zstd",
            use_dictionary=[
                column.name for column in columns if column.name not in _COLUMNS_OF_UNIQUE_VALUES
            ],
        )
        self._batches: list[Any] = []
        self._row_count = 0
        self._bytes = 0

    def _make_schema(self) -> Any:
        arrow = self._arrow
        types = {
            "text": arrow.string(),
            "texts": arrow.list_(arrow.string()),
            "time": arrow.timestamp("us", tz="UTC"),
            "flag": arrow.bool_(),
        }
        return arrow.schema(
            [
                arrow.field(column.name, types[column.kind], nullable=column.nullable)
                for column in self._columns
            ]
        )

    def write(self, contacts: Sequence[Contact]) -> None:
        """Write some contacts.

        :raises MalformedRecord: if ``raw`` is not UTF-8.
        """
        values = dict(
            zip(
                Contact.__struct_fields__,
                zip(*map(msgspec.structs.astuple, contacts), strict=True),
                strict=True,
            )
        )
        arrays = [
            self._raw_array(contacts)
            if column.name == "raw"
            else self._arrow.array(values[column.name], self._schema.field(column.name).type)
            for column in self._columns
        ]
        batch = self._arrow.record_batch(arrays, schema=self._schema)
        self._batches.append(batch)
        self._row_count += batch.num_rows
        self._bytes += batch.nbytes
        if self._row_count >= _ROWS_PER_GROUP or self._bytes >= _BYTES_PER_GROUP:
            self.finish()

    def _raw_array(self, contacts: Sequence[Contact]) -> Any:
        raws = [raw_bytes(contact) for contact in contacts]
        try:
            return self._arrow.array(raws, self._arrow.binary()).cast(self._arrow.string())
        except self._arrow.ArrowInvalid:
            pass
        # Outside of `except`, because an error of Arrow may contain the record. This raises for the
        # invalid one.
        return self._arrow.array([raw_text(contact) for contact in contacts])

    def finish(self) -> None:
        """Write the buffered rows as one group."""
        if self._batches:
            self._writer.write_table(self._arrow.Table.from_batches(self._batches))
        self._batches = []
        self._row_count = 0
        self._bytes = 0

    def close(self) -> None:
        """Write the end of the file."""
        self._writer.close()


def _cell(column: Column, contact: Contact) -> str:
    value = raw_text(contact) if column.name == "raw" else getattr(contact, column.name)
    if value is None:
        return ""
    if column.kind == "flag":
        return "true" if value else "false"
    if column.kind == "time":
        return msgspec.json.encode(value).decode().strip('"')
    if column.name == "raw":
        # Not guarded, because it would no longer be the vendor's JSON. It starts with a brace, so
        # it is not a formula.
        return str(value)
    if column.kind == "texts":
        # JSON has an escape for every character, so that the values stay the same.
        text = msgspec.json.encode(value).decode()
        return _FORMULA_IN_JSON.sub(lambda found: f";\\u{ord(found[1]):04x}", text)
    text = str(value)
    is_phone_number = text[:1] == "+" and text[1:].isascii() and text[1:].isdigit()
    if is_phone_number:
        return text
    return _FORMULA_INSIDE.sub(r"\1'", f"'{text}" if text.startswith(_FORMULA_STARTS) else text)
