"""Land contacts as a file, on a local path or in an object store."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any, ClassVar

import msgspec

from airflow_provider_contacts.conditions import Condition
from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.errors import InvalidRequest
from airflow_provider_contacts.hooks.base import ContactsHook
from airflow_provider_contacts.operators.base import ContactsBaseOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

FORMATS = ("jsonl",)
_BATCH = 500


class ContactsToObjectStorageOperator(ContactsBaseOperator):
    """Write all contacts of one connection to one file.

    The whole listing is read to a local temporary file first, and published in one step: nothing is visible
    at ``path`` until it is complete, and after a failed read whatever was there before is still there.
    Memory does not grow with the number of contacts, but for one key each.

    Each line of a ``.jsonl`` file is one contact with the fields of
    :class:`~airflow_provider_contacts.contact.Contact` without ``raw``; times are ISO 8601 text in UTC.

    :param contacts_conn_id: connection of any of the vendors. Templated.
    :param path: a local path, or any URL that ``airflow.sdk.ObjectStoragePath`` takes, such as
        ``s3://aws_default@bucket/contacts/mailstand.jsonl``. Missing folders are made. Templated.
    :param filters: the vendor's own parameters. Templated.
    :param condition: a condition, or its JSON form, that contacts have to meet as well. Templated.
    :param format: ``jsonl``; by default the ending of ``path`` tells. Templated.
    :return: ``{"vendor", "path", "seen", "requests", "seconds"}``, where ``seen`` is the number of contacts.
    :raises InvalidRequest: for an unknown format or a bad filter, before any request.
    :raises ContactsError: for anything else between here and the vendor.
    """

    template_fields: Sequence[str] = ("contacts_conn_id", "path", "filters", "condition", "format")
    template_fields_renderers: ClassVar[dict[str, str]] = {"filters": "json", "condition": "json"}
    ui_color = "#e4edf1"

    def __init__(
        self,
        *,
        contacts_conn_id: str,
        path: str,
        filters: Mapping[str, Any] | None = None,
        condition: Condition | Mapping[str, Any] | None = None,
        format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.contacts_conn_id = contacts_conn_id
        self.path = path
        self.filters = filters
        # Templates reach into a dict, and not into a struct.
        self.condition = condition.to_dict() if isinstance(condition, Condition) else condition
        self.format = format

    def execute(self, context: Context) -> dict[str, Any]:
        """Read the contacts and publish them."""
        check_format(self.path, self.format)
        started = time.monotonic()
        hook = ContactsHook.for_connection(self.contacts_conn_id)
        contacts = hook.list_contacts(self.filters, condition=self.condition, raw=False)
        with tempfile.TemporaryDirectory(prefix="contacts-") as folder:
            local = os.path.join(folder, "contacts")
            with open(local, "wb") as file:
                seen = write_jsonl(contacts, file)
            publish(local, self.path)
        summary = {
            "vendor": hook.vendor.name,
            "path": self.path,
            "seen": seen,
            "requests": hook.requests_sent,
            "seconds": round(time.monotonic() - started, 3),
        }
        self.log.info(
            "%s: landed %d contacts with %d request(s) in %.1f s.",
            hook.vendor.title,
            seen,
            summary["requests"],
            summary["seconds"],
        )
        return summary


def check_format(path: str, format: str | None) -> str:
    """Return the format to write.

    :raises InvalidRequest: listing the known ones.
    """
    name = format or os.path.basename(path).rpartition(".")[2]
    if name not in FORMATS:
        where = "format" if format else "the ending of path"
        raise InvalidRequest(f"{where} must be one of: {', '.join(FORMATS)}")
    return name


def write_jsonl(contacts: Iterable[Contact], file: IO[bytes]) -> int:
    """Write contacts one per line and return how many they were."""
    encoder = msgspec.json.Encoder()
    count = 0
    batch: list[Contact] = []
    for contact in contacts:
        batch.append(contact)
        if len(batch) == _BATCH:
            file.write(encoder.encode_lines(batch))
            count += len(batch)
            batch.clear()
    file.write(encoder.encode_lines(batch))
    return count + len(batch)


def publish(local: str, path: str) -> None:
    """Put the finished file ``local`` at ``path`` in one step.

    On a local path: a copy beside it, flushed to disk, that takes its place. On an object store: one upload.
    """
    from airflow.sdk import ObjectStoragePath

    target = ObjectStoragePath(path)
    if target.protocol not in ("", "file", "local"):
        target.fs.put_file(local, target.path)
        return
    final = os.path.realpath(target.path)  # a link stays one
    folder, name = os.path.split(final)
    os.makedirs(folder, exist_ok=True)
    sibling = os.path.join(folder, f".{name}.{secrets.token_hex(8)}")
    # Not mkstemp: the file shall have the mode of the one it replaces, or the one that the umask gives.
    descriptor = os.open(sibling, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    try:
        shutil.copyfile(local, sibling)
        with contextlib.suppress(FileNotFoundError):
            os.fchmod(descriptor, os.stat(final).st_mode & 0o777)
        os.fsync(descriptor)
        os.replace(sibling, final)
    except BaseException:
        os.unlink(sibling)
        raise
    finally:
        os.close(descriptor)
