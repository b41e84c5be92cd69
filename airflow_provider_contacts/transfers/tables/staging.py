"""Keep listed contacts in a temporary file until the merge decides which of them to write."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import IO

import msgspec

from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.core.batches import batched
from airflow_provider_contacts.errors import MalformedRecord
from airflow_provider_contacts.transfers.columns import COLUMNS
from airflow_provider_contacts.transfers.raw_records import remove_line_breaks
from airflow_provider_contacts.transfers.tables.digests import DIGEST_BYTES, digest_contact, format_digest

# A digest and the position in the file, in one object, because memory holds one for every contact.
StagedEntry = bytes
# The values of VALUE_COLUMNS and the digest, and the vendor's JSON. Times are ISO 8601 text in UTC,
# lists are JSON.
StagedRow = tuple[list["str | bool | None"], bytes]

VALUE_COLUMNS = tuple(column for column in COLUMNS if column.name != "raw")

_BATCH_SIZE = 1000
_POSITION_BYTES = 8
_ENCODER = msgspec.json.Encoder()
_LIST_INDEXES = tuple(index for index, column in enumerate(VALUE_COLUMNS) if column.kind == "texts")
_TYPES = {"text": str | None, "texts": msgspec.Raw, "time": str | None, "flag": bool | None}
# A line of the file as a database needs it: nothing is parsed that would be formatted again.
_Line = msgspec.defstruct(
    "_Line",
    [*((column.name, _TYPES[column.kind]) for column in VALUE_COLUMNS), ("raw", msgspec.Raw)],
    gc=False,
)
_LINE_DECODER = msgspec.json.Decoder(_Line)


class Staging:
    """The contacts of a listing: entries by account and contact id in memory, contacts in a file.

    :param file: an empty file that is open for reading and writing.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.accounts: dict[str, dict[str, StagedEntry]] = {}

    def add_all(self, contacts: Iterable[Contact]) -> None:
        """Add contacts.

        :raises MalformedRecord: if a contact contains text that cannot be stored.
        """
        position = self._file.seek(0, os.SEEK_END)
        for batch in batched(contacts, _BATCH_SIZE):
            lines = []
            for contact in remove_line_breaks(batch, require_utf8=True):
                line = _encode(contact)
                lines.append(line)
                entry = digest_contact(contact, line) + position.to_bytes(_POSITION_BYTES, "big")
                self.accounts.setdefault(contact.account_id, {})[contact.contact_id] = entry
                position += len(line) + 1
            self._file.write(b"\n".join([*lines, b""]))

    def is_unchanged(self, entry: StagedEntry, stored: str) -> bool:
        """Return whether a contact has the digest that a row stores."""
        return stored == format_digest(entry[:DIGEST_BYTES])

    def read_rows(self, entries: Iterable[StagedEntry]) -> Iterator[StagedRow]:
        """Yield the values of contacts."""
        for entry in entries:
            *values, raw = msgspec.structs.astuple(_LINE_DECODER.decode(self._read(entry)))
            for index in _LIST_INDEXES:
                values[index] = bytes(values[index]).decode()
            values.append(format_digest(entry[:DIGEST_BYTES]))
            yield values, bytes(raw)

    def _read(self, entry: StagedEntry) -> bytes:
        self._file.seek(int.from_bytes(entry[DIGEST_BYTES:], "big"))
        return self._file.readline()


def _encode(contact: Contact) -> bytes:
    try:
        return _ENCODER.encode(contact)
    except UnicodeEncodeError:
        raise MalformedRecord("A contact contains characters that cannot be encoded as UTF-8.") from None
