"""File formats for contacts: JSON lines, CSV and Parquet, optionally compressed."""

from __future__ import annotations

import contextlib
import gzip
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Literal

from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.core.batches import batched
from airflow_provider_contacts.errors import InvalidRequest, MalformedRecord
from airflow_provider_contacts.transfers.columns import COLUMNS, Column
from airflow_provider_contacts.transfers.files.packages import require_library

if TYPE_CHECKING:
    from airflow_provider_contacts.transfers.files.writers import Writer

Content = Literal["normalized", "raw"]

_BATCH_SIZE = 1000


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
                for batch in batched(contacts, _BATCH_SIZE):
                    writer.write(batch)
                    count += len(batch)
                    del batch  # so that memory holds one page
                writer.finish()
        except UnicodeEncodeError:
            raise MalformedRecord(
                'A record contains characters that cannot be encoded as UTF-8. content="raw" keeps them.'
            ) from None
        return count

    def require_libraries(self) -> None:
        """Raise InvalidRequest if a library is missing, naming the extra that installs it."""
        if self.name == "parquet":
            require_library("pyarrow.parquet", "parquet")
        if self.compression == "zst":
            require_library("zstandard", "zstd")

    def _writer(self, file: IO[bytes]) -> Writer:
        from airflow_provider_contacts.transfers.files.writers import (
            CsvWriter,
            JsonLinesWriter,
            ParquetWriter,
            RawWriter,
        )

        if self.content == "raw":
            return RawWriter(file)
        if self.name == "jsonl":
            return JsonLinesWriter(file)
        writers: dict[str, type[CsvWriter | ParquetWriter]] = {"csv": CsvWriter, "parquet": ParquetWriter}
        return writers[self.name](file, self.columns)

    @contextlib.contextmanager
    def _compressed(self, plain: IO[bytes]) -> Iterator[IO[bytes]]:
        if self.compression == "gz":
            # No name and no time, so that equal contacts give equal files.
            with gzip.GzipFile("", "wb", fileobj=plain, mtime=0, compresslevel=6) as file:
                yield file  # type: ignore[misc]
        elif self.compression == "zst":
            zstandard = require_library("zstandard", "zstd")
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
    """Return the format for the extension of a path, or with a name, if it can be written.

    :param name: an extension such as ``csv.gz``; by default the extension of ``path``.
    :param include_raw: whether normalized contacts have the column ``raw``.
    :raises InvalidRequest: if the format is unknown, cannot store ``content``, or needs a missing
        library.
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
