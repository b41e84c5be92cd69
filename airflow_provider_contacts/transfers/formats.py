"""File formats for contacts: JSON lines, CSV and Parquet, optionally compressed."""

from __future__ import annotations

import contextlib
import csv
import gzip
import importlib
import io
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any, Literal, Protocol

import msgspec

from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.errors import InvalidRequest, MalformedRecord
from airflow_provider_contacts.transfers.columns import COLUMNS, Column, raw_text

Content = Literal["normalized", "raw"]

_BATCH_SIZE = 500
_ROWS_PER_GROUP = 10_000
_BYTES_PER_GROUP = 32 << 20
# A spreadsheet runs a cell as a formula if it starts with one of these.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
# Spreadsheets in many countries separate cells at other characters, so a formula may start inside a cell.
_FORMULA_INSIDE = re.compile(r"([;\t\r\n])(?=[=+\-@＝＋－＠])")


class Writer(Protocol):
    """Writes contacts to an open file."""

    def write(self, contacts: Sequence[Contact]) -> None:
        """Write some contacts."""

    def finish(self) -> None:
        """Write what is still buffered. It is not called if reading or writing failed."""

    def close(self) -> None:
        """Release resources."""


class _LineWriter:
    """Writes one line per contact, without a buffer."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, contacts: Sequence[Contact]) -> None:
        raise NotImplementedError

    def finish(self) -> None:
        """Do nothing: every line is written immediately."""

    def close(self) -> None:
        """Do nothing: the file belongs to the caller."""


class _RawWriter(_LineWriter):
    """Writes the vendor's objects as JSON lines. Only line breaks between tokens are changed."""

    def write(self, contacts: Sequence[Contact]) -> None:
        self._file.write(b"".join([_raw_line(contact) + b"\n" for contact in contacts]))


class _JsonLinesWriter(_LineWriter):
    """Writes JSON lines in which ``raw`` is the vendor's object."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file)
        self._encoder = msgspec.json.Encoder()

    def write(self, contacts: Sequence[Contact]) -> None:
        self._file.write(self._encoder.encode_lines([_on_one_line(contact) for contact in contacts]))


class _CsvWriter(_LineWriter):
    """Writes CSV (RFC 4180) in UTF-8 with a header. Null is an empty cell, a list is JSON."""

    def __init__(self, file: IO[bytes], columns: Sequence[Column]) -> None:
        super().__init__(file)
        self._columns = columns
        self._text = io.StringIO(newline="")
        self._rows = csv.writer(self._text, lineterminator="\r\n")
        self._rows.writerow([column.name for column in columns])

    def write(self, contacts: Sequence[Contact]) -> None:
        for contact in contacts:
            self._rows.writerow([_cell(column, contact) for column in self._columns])
        self.finish()

    def finish(self) -> None:
        self._file.write(self._text.getvalue().encode())
        self._text.seek(0)
        self._text.truncate()


class _ParquetWriter:
    """Writes Parquet, with times that have a zone and lists that are lists, in groups of bounded size."""

    def __init__(self, file: IO[bytes], columns: Sequence[Column]) -> None:
        self._columns = columns
        parquet = _require_library("pyarrow.parquet", "parquet")
        self._arrow = _require_library("pyarrow", "parquet")
        self._schema = self._make_schema()
        self._writer = parquet.ParquetWriter(file, self._schema, compression="zstd")
        self._contacts: list[Contact] = []
        self._raws: list[str] = []
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
        raws = [raw_text(contact) for contact in contacts]
        self._contacts += contacts
        self._raws += raws
        self._bytes += sum(map(len, raws))
        if len(self._contacts) >= _ROWS_PER_GROUP or self._bytes >= _BYTES_PER_GROUP:
            self._write_group()

    def _write_group(self) -> None:
        columns = [
            self._raws
            if column.name == "raw"
            else [getattr(contact, column.name) for contact in self._contacts]
            for column in self._columns
        ]
        arrays = [
            self._arrow.array(values, field.type) for values, field in zip(columns, self._schema, strict=True)
        ]
        self._writer.write_table(self._arrow.table(arrays, schema=self._schema))
        self._contacts = []
        self._raws = []
        self._bytes = 0

    def finish(self) -> None:
        if self._contacts:
            self._write_group()

    def close(self) -> None:
        self._writer.close()


@dataclass(frozen=True, slots=True)
class FileFormat:
    """A file format.

    :param name: ``jsonl``, ``csv`` or ``parquet``.
    :param compression: ``gz``, ``zst`` or empty.
    :param content: ``normalized`` or ``raw``.
    :param include_raw: whether normalized contacts have the column ``raw``.
    """

    name: str
    compression: str = ""
    content: Content = "normalized"
    include_raw: bool = True

    @property
    def needs_raw(self) -> bool:
        """Whether contacts need the vendor's JSON."""
        return self.content == "raw" or self.include_raw

    @property
    def columns(self) -> list[Column]:
        """The columns of normalized contacts."""
        return [column for column in COLUMNS if self.include_raw or column.name != "raw"]

    def write(self, contacts: Iterable[Contact], file: IO[bytes]) -> int:
        """Write contacts to an open local file and return how many there were.

        :raises MalformedRecord: if a record has a value that the format cannot store.
        """
        count = 0
        try:
            with self._compressed(file) as output, contextlib.closing(self._writer(output)) as writer:
                for batch in _batches(contacts):
                    writer.write(batch)
                    count += len(batch)
                writer.finish()
        except UnicodeEncodeError:
            raise MalformedRecord(
                'A record contains characters that cannot be encoded as UTF-8. content="raw" keeps them.'
            ) from None
        return count

    def require_libraries(self) -> None:
        """Raise InvalidRequest if a library is missing, naming the extra that installs it."""
        if self.name == "parquet":
            _require_library("pyarrow.parquet", "parquet")
        if self.compression == "zst":
            _require_library("zstandard", "zstd")

    def _writer(self, file: IO[bytes]) -> Writer:
        if self.content == "raw":
            return _RawWriter(file)
        if self.name == "jsonl":
            return _JsonLinesWriter(file)
        writers: dict[str, type[_CsvWriter | _ParquetWriter]] = {"csv": _CsvWriter, "parquet": _ParquetWriter}
        return writers[self.name](file, self.columns)

    @contextlib.contextmanager
    def _compressed(self, plain: IO[bytes]) -> Iterator[IO[bytes]]:
        if self.compression == "gz":
            # No name and no time, so that equal contacts give equal files.
            with gzip.GzipFile("", "wb", fileobj=plain, mtime=0, compresslevel=6) as file:
                yield file  # type: ignore[misc]
        elif self.compression == "zst":
            zstandard = _require_library("zstandard", "zstd")
            with zstandard.ZstdCompressor().stream_writer(plain, closefd=False) as file:
                yield file
        else:
            yield plain


# Formats by the extension of a path. Parquet is always compressed.
FORMATS = {
    "jsonl": FileFormat("jsonl"),
    "jsonl.gz": FileFormat("jsonl", "gz"),
    "jsonl.zst": FileFormat("jsonl", "zst"),
    "csv": FileFormat("csv"),
    "csv.gz": FileFormat("csv", "gz"),
    "csv.zst": FileFormat("csv", "zst"),
    "parquet": FileFormat("parquet"),
}


def choose_format(
    path: str, name: str | None = None, content: str = "normalized", *, include_raw: bool = True
) -> FileFormat:
    """Return the format for the extension of a path, or the one with a name, and check that it can be written here.

    :param name: an extension such as ``csv.gz``; by default the extension of ``path``.
    :param include_raw: whether normalized contacts have the column ``raw``.
    :raises InvalidRequest: if the format is unknown, cannot store ``content``, or needs a missing library.
    """
    chosen = parse_format(path, name, content, include_raw=include_raw)
    chosen.require_libraries()
    return chosen


def parse_format(
    path: str, name: str | None = None, content: str = "normalized", *, include_raw: bool = True
) -> FileFormat:
    """Return the format for the extension of a path, or the one with a name.

    :param name: an extension such as ``csv.gz``; by default the extension of ``path``.
    :param include_raw: whether normalized contacts have the column ``raw``.
    :raises InvalidRequest: if the format is unknown, or cannot store ``content``.
    """
    texts: tuple[object, ...] = (path, name or "")
    if not all(isinstance(text, str) for text in texts):
        raise InvalidRequest("`path` and `format` must be text.")
    extension = (name or "").lower().lstrip(".")
    if not extension:
        file_name = os.path.basename(path).lower()
        extension = max(
            (extension for extension in FORMATS if file_name.endswith(f".{extension}")), key=len, default=""
        )
    found = FORMATS.get(extension)
    if found is None:
        argument = "`format`" if name else "The extension of `path`"
        raise InvalidRequest(
            f"{argument} must be one of: {', '.join(FORMATS)}. Parquet needs no `.gz` or `.zst`."
        )
    if content not in ("normalized", "raw"):
        raise InvalidRequest("`content` must be `normalized` or `raw`.")
    if content == "raw" and found.name != "jsonl":
        raise InvalidRequest("The vendor's objects (content=raw) can be written as jsonl only.")
    if content == "raw" and not include_raw:
        raise InvalidRequest(
            "`content=raw` without `raw` (include_raw) would write an empty file. Remove one of them."
        )
    return FileFormat(found.name, found.compression, content, include_raw)  # type: ignore[arg-type]


def _raw_line(contact: Contact) -> bytes:
    """Return the vendor's JSON without line breaks."""
    raw = bytes(contact.raw) if isinstance(contact.raw, msgspec.Raw) else b""
    if b"\n" in raw or b"\r" in raw:
        # Between the parts of JSON, line breaks have no meaning; inside text they are escaped.
        return raw.replace(b"\r", b" ").replace(b"\n", b" ")
    return raw


def _on_one_line(contact: Contact) -> Contact:
    """Return a contact whose ``raw`` has no line breaks.

    :raises MalformedRecord: if ``raw`` is not UTF-8, which no JSON reader accepts.
    """
    raw = bytes(contact.raw) if isinstance(contact.raw, msgspec.Raw) else b""
    if not raw.isascii():
        raw_text(contact)
    if b"\n" not in raw and b"\r" not in raw:
        return contact
    return msgspec.structs.replace(contact, raw=msgspec.Raw(_raw_line(contact)))


def _cell(column: Column, contact: Contact) -> str:
    value = raw_text(contact) if column.name == "raw" else getattr(contact, column.name)
    if value is None:
        return ""
    if column.kind == "flag":
        return "true" if value else "false"
    if column.kind == "time":
        return msgspec.json.encode(value).decode().strip('"')
    if column.name == "raw":
        # Not guarded, because it would no longer be the vendor's JSON. It starts with a brace, so it is not a formula.
        return str(value)
    text = msgspec.json.encode(value).decode() if column.kind == "texts" else str(value)
    is_phone_number = text[:1] == "+" and text[1:].isascii() and text[1:].isdigit()
    if is_phone_number:
        return text
    return _FORMULA_INSIDE.sub(r"\1'", f"'{text}" if text.startswith(_FORMULA_STARTS) else text)


def _require_library(name: str, extra: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        package = name.partition(".")[0]
        raise InvalidRequest(
            f"This format needs {package}. Install it: pip install 'airflow-provider-contacts[{extra}]'."
        ) from None


def _batches(contacts: Iterable[Contact]) -> Iterator[list[Contact]]:
    batch: list[Contact] = []
    for contact in contacts:
        batch.append(contact)
        if len(batch) == _BATCH_SIZE:
            yield batch
            batch = []
    if batch:
        yield batch
