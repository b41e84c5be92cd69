"""File formats for contacts, and publishing a finished file in one step.

One schema holds in every format: the fields of :class:`~airflow_provider_contacts.contact.Contact` in their order, and
``raw``, the vendor's own JSON as text.
"""

from __future__ import annotations

import contextlib
import csv
import gzip
import hashlib
import io
import os
import re
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any, Literal, get_type_hints

import msgspec

from airflow_provider_contacts.contact import FIELDS, Contact
from airflow_provider_contacts.errors import ContactsError, InvalidRequest, MalformedRecord

Kind = Literal["text", "texts", "time", "flag"]

_BATCH = 500
_ROW_GROUP = 10_000
_ROW_GROUP_BYTES = 32 * 1024 * 1024
# Seconds after which a copy that nobody has finished is a killed task's.
_STALE = 86_400
# What a spreadsheet runs when a cell begins with it.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
# Where a spreadsheet divides cells at other characters, as in many countries, one may begin in the middle.
_FORMULA_INSIDE = re.compile(r"([;\t\r\n])(?=[=+\-@＝＋－＠])")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a landed table.

    :param name: the field's name.
    :param kind: text, texts (a list of text), time (in UTC) or flag (true, false or null).
    :param nullable: whether it may hold nothing.
    """

    name: str
    kind: Kind
    nullable: bool


def _columns() -> tuple[Column, ...]:
    kinds: dict[Any, tuple[Kind, bool]] = {
        str: ("text", False),
        str | None: ("text", True),
        tuple[str, ...]: ("texts", False),
        bool | None: ("flag", True),
        datetime | None: ("time", True),
    }
    hints = get_type_hints(Contact)
    return (*(Column(name, *kinds[hints[name]]) for name in FIELDS), Column("raw", "text", False))


COLUMNS = _columns()


def raw_text(contact: Contact) -> str:
    """Return the vendor's own JSON of a contact as text.

    :raises MalformedRecord: if it is not UTF-8, and so no text; ``content="raw"`` keeps it byte for byte.
    """
    raw = bytes(contact.raw) if isinstance(contact.raw, msgspec.Raw) else b""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise MalformedRecord(
            'a record is not UTF-8, so it cannot be text in the column `raw`; content="raw" keeps it', raw
        ) from None


Write = Callable[[Sequence[Contact], IO[bytes]], None]


def _write_raw(contacts: Sequence[Contact], file: IO[bytes]) -> None:
    for contact in contacts:
        raw = bytes(contact.raw) if isinstance(contact.raw, msgspec.Raw) else b""
        if b"\n" in raw or b"\r" in raw:
            # Line breaks between the parts of JSON mean nothing; inside text they are escaped.
            raw = raw.replace(b"\r", b" ").replace(b"\n", b" ")
        file.write(raw + b"\n")


def _write_jsonl(contacts: Sequence[Contact], file: IO[bytes]) -> None:
    encode = msgspec.json.encode
    for contact in contacts:
        fields = encode(msgspec.structs.replace(contact, raw=msgspec.UNSET))
        file.write(b'%b,"raw":%b}\n' % (fields[:-1], encode(raw_text(contact))))


class _Csv:
    """Writes CSV as RFC 4180 has it, in UTF-8, with a header. Null is an empty cell, a list is JSON."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._text = io.StringIO(newline="")
        self._writer = csv.writer(self._text, lineterminator="\r\n")
        self._writer.writerow([column.name for column in COLUMNS])

    def write(self, contacts: Sequence[Contact]) -> None:
        for contact in contacts:
            self._writer.writerow([_cell(column, contact) for column in COLUMNS])
        self._flush()

    def _flush(self) -> None:
        self._file.write(self._text.getvalue().encode())
        self._text.seek(0)
        self._text.truncate()

    def finish(self) -> None:
        self._flush()

    def close(self) -> None:
        pass


def _cell(column: Column, contact: Contact) -> str:
    value = raw_text(contact) if column.name == "raw" else getattr(contact, column.name)
    if value is None:
        return ""
    if column.kind == "flag":
        return "true" if value else "false"
    if column.kind == "time":
        return msgspec.json.encode(value).decode().strip('"')
    text = msgspec.json.encode(value).decode() if column.kind == "texts" else str(value)
    if text[:1] == "+" and text[1:].isascii() and text[1:].isdigit():
        return text  # a phone number
    return _FORMULA_INSIDE.sub(r"\1'", f"'{text}" if text.startswith(_FORMULA) else text)


class _Parquet:
    """Writes Parquet; times have their zone, lists are lists."""

    def __init__(self, file: IO[bytes]) -> None:
        arrow = _library("pyarrow", "parquet")
        parquet = _library("pyarrow.parquet", "parquet")
        kinds = {
            "text": arrow.string(),
            "texts": arrow.list_(arrow.string()),
            "time": arrow.timestamp("us", tz="UTC"),
            "flag": arrow.bool_(),
        }
        fields = [arrow.field(one.name, kinds[one.kind], nullable=one.nullable) for one in COLUMNS]
        self._arrow = arrow
        self._schema = arrow.schema(fields)
        self._writer = parquet.ParquetWriter(file, self._schema, compression="zstd")
        self._rows: list[Contact] = []
        self._raws: list[str] = []
        self._bytes = 0

    def write(self, contacts: Sequence[Contact]) -> None:
        self._rows += contacts
        raws = [raw_text(one) for one in contacts]
        self._raws += raws
        self._bytes += sum(map(len, raws))
        if len(self._rows) >= _ROW_GROUP or self._bytes >= _ROW_GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        columns = [
            self._raws if column.name == "raw" else [getattr(one, column.name) for one in self._rows]
            for column in COLUMNS
        ]
        arrays = [
            self._arrow.array(values, field.type) for values, field in zip(columns, self._schema, strict=True)
        ]
        self._writer.write_table(self._arrow.table(arrays, schema=self._schema))
        self._rows, self._raws, self._bytes = [], [], 0

    def finish(self) -> None:
        if self._rows:
            self._flush()

    def close(self) -> None:
        self._writer.close()


class _Lines:
    """Writes a line per contact."""

    def __init__(self, file: IO[bytes], write: Write) -> None:
        self._file = file
        self._write = write

    def write(self, contacts: Sequence[Contact]) -> None:
        self._write(contacts, self._file)

    def finish(self) -> None:
        pass

    def close(self) -> None:
        pass


@dataclass(frozen=True, slots=True)
class Format:
    """How contacts become a file.

    :param name: ``jsonl``, ``csv`` or ``parquet``.
    :param compression: ``gz``, ``zst`` or empty.
    :param content: ``normalized`` or ``raw``.
    """

    name: str
    compression: str = ""
    content: str = "normalized"

    def write(self, contacts: Iterable[Contact], plain: IO[bytes]) -> int:
        """Write contacts to an open local file and return how many they were.

        :raises MalformedRecord: if a record holds what the format cannot hold.
        """
        count = 0
        try:
            with self._compressed(plain) as file, contextlib.closing(self._writer(file)) as writer:
                for batch in _batches(contacts):
                    writer.write(batch)
                    count += len(batch)
                writer.finish()
        except UnicodeEncodeError:
            raise MalformedRecord(
                'a record holds characters that are no text; content="raw" keeps them'
            ) from None
        return count

    def check(self) -> None:
        """Raise InvalidRequest if a library is missing, naming the extra that has it."""
        if self.name == "parquet":
            _library("pyarrow.parquet", "parquet")
        if self.compression == "zst":
            _library("zstandard", "zstd")

    def _writer(self, file: IO[bytes]) -> Any:
        if self.content == "raw":
            return _Lines(file, _write_raw)
        if self.name == "jsonl":
            return _Lines(file, _write_jsonl)
        return _Csv(file) if self.name == "csv" else _Parquet(file)

    @contextlib.contextmanager
    def _compressed(self, plain: IO[bytes]) -> Iterator[Any]:
        if self.compression == "gz":
            # Without a name and a time, equal contacts give equal files.
            with gzip.GzipFile("", "wb", fileobj=plain, mtime=0, compresslevel=6) as file:
                yield file
        elif self.compression == "zst":
            with _library("zstandard", "zstd").ZstdCompressor().stream_writer(plain, closefd=False) as file:
                yield file
        else:
            yield plain


ENDINGS = {
    "jsonl": Format("jsonl"),
    "jsonl.gz": Format("jsonl", "gz"),
    "jsonl.zst": Format("jsonl", "zst"),
    "csv": Format("csv"),
    "csv.gz": Format("csv", "gz"),
    "csv.zst": Format("csv", "zst"),
    "parquet": Format("parquet"),
}


def format_of(path: str, format: str | None = None, content: str = "normalized") -> Format:
    """Return the format of a path's ending, or the one that is named like an ending.

    :raises InvalidRequest: listing those known, or for a format that cannot hold ``content``.
    """
    name = format
    if not name:
        base = os.path.basename(path).lower()
        endings = [ending for ending in ENDINGS if base.endswith(f".{ending}")]
        name = max(endings, key=len) if endings else ""
    found = ENDINGS.get(name.lower().lstrip("."))
    if found is None:
        where = "format" if format else "the ending of path"
        raise InvalidRequest(f"{where} must be one of: {', '.join(ENDINGS)} (Parquet compresses itself)")
    if content not in ("normalized", "raw"):
        raise InvalidRequest("`content` must be `normalized` or `raw`")
    if content == "raw" and found.name != "jsonl":
        raise InvalidRequest("the vendor's own objects (content=raw) can be landed as jsonl alone")
    chosen = Format(found.name, found.compression, content)
    chosen.check()
    return chosen


def _library(name: str, extra: str) -> Any:
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError:
        raise InvalidRequest(
            f"this format needs {name.partition('.')[0]}: pip install 'airflow-provider-contacts[{extra}]'"
        ) from None


def _batches(contacts: Iterable[Contact]) -> Iterator[list[Contact]]:
    batch: list[Contact] = []
    for contact in contacts:
        batch.append(contact)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _target(path: str) -> tuple[str, Any]:
    """Return the local path, or empty text and the object store's path.

    :raises InvalidRequest: if it names no file.
    """
    from airflow.sdk import ObjectStoragePath

    try:
        target = ObjectStoragePath(path)
        local = target.protocol in ("", "file", "local")
    except (ValueError, TypeError, ImportError):
        raise InvalidRequest("`path` is no local path, nor a URL of a store that Airflow knows") from None
    if path.endswith("/") or not target.path.strip("/"):
        raise InvalidRequest("`path` names a folder; name a file in it")
    # A link stays one.
    return (os.path.realpath(target.path), None) if local else ("", target)


def check_target(path: str) -> None:
    """Check, before anything is read, that a file can be put at ``path``.

    :raises ContactsError: if it cannot.
    """
    final, target = _target(path)
    if target is not None:
        _check_store(target)
        return
    folder = os.path.dirname(final)
    try:
        os.makedirs(folder, exist_ok=True)
        sibling = _sibling(final)
        os.close(os.open(sibling, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        os.unlink(sibling)
        with contextlib.suppress(FileNotFoundError):
            if not stat.S_ISREG(os.stat(final).st_mode):
                raise InvalidRequest("at `path` is a folder, or something else that is no file")
    except OSError as error:
        raise ContactsError(f"no file can be written at `path`: {error.strerror}", transient=True) from None


def _check_store(target: Any) -> None:
    bucket, _, key = target.path.lstrip("/").partition("/")
    has_buckets = target.protocol in ("s3", "s3a", "gs", "gcs")
    if has_buckets and not key:
        raise InvalidRequest("`path` names a bucket; name a file in it")
    try:
        here = not has_buckets or target.fs.exists(bucket)
        target.fs.exists(target.path)
    except PermissionError:
        return  # who may write need not be allowed to look
    except Exception as error:
        raise ContactsError(
            f"the object store of `path` cannot be reached ({type(error).__name__}); check its connection",
            transient=True,
        ) from None
    if not here:
        raise InvalidRequest("the bucket of `path` does not exist")


def land(contacts: Iterable[Contact], path: str, format: Format) -> tuple[int, int]:
    """Write contacts to a local temporary file and publish it; return how many they were, and its bytes."""
    # Without a name, nothing is left of it whatever ends the task; an upload needs one.
    final, _ = _target(path)
    with tempfile.TemporaryFile() if final else tempfile.NamedTemporaryFile() as staged:
        seen = format.write(contacts, staged)
        staged.flush()
        size = staged.tell()
        publish(staged, path)
    return seen, size


def publish(staged: IO[bytes], path: str) -> None:
    """Put a finished temporary file at ``path`` in one step.

    On a local path: a copy beside it, flushed to disk, that takes its place. On an object store: one upload.

    :raises ContactsError: if that fails; what was there before still is.
    """
    final, target = _target(path)
    try:
        if target is None:
            _publish_here(staged, final)
        else:
            target.fs.put_file(staged.name, target.path)
    except OSError as error:
        raise ContactsError(
            f"the file cannot be published at `path`: {error.strerror or type(error).__name__}",
            transient=True,
        ) from None


def _sibling(final: str) -> str:
    folder, name = os.path.split(final)
    return os.path.join(folder, f"{_sibling_prefix(name)}{secrets.token_hex(8)}")


def _sibling_prefix(name: str) -> str:
    return f".contacts-{hashlib.sha256(name.encode(errors='surrogateescape')).hexdigest()[:12]}-"


def _publish_here(staged: IO[bytes], final: str) -> None:
    folder, name = os.path.split(final)
    os.makedirs(folder, exist_ok=True)
    for other in os.listdir(folder):
        left = os.path.join(folder, other)
        with contextlib.suppress(OSError):
            if other.startswith(_sibling_prefix(name)) and time.time() - os.stat(left).st_mtime > _STALE:
                os.unlink(left)
    sibling = _sibling(final)
    # Not mkstemp: the file shall have the mode of the one it replaces, or the one that the umask gives.
    descriptor = os.open(sibling, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    try:
        mode = os.fstat(descriptor).st_mode & 0o777
        with contextlib.suppress(FileNotFoundError):
            mode = os.stat(final).st_mode & 0o777
        os.fchmod(descriptor, 0o600)
        staged.seek(0)
        with open(descriptor, "wb", closefd=False) as copy:
            shutil.copyfileobj(staged, copy, 1024 * 1024)
        os.fchmod(descriptor, mode)
        os.fsync(descriptor)
        os.replace(sibling, final)
    except BaseException:
        os.unlink(sibling)
        raise
    finally:
        os.close(descriptor)
