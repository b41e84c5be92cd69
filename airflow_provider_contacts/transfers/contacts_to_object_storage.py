"""Write contacts to a file, on a local path or in an object store."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.core.logs import Log
from airflow_provider_contacts.core.matching.parsing import ConditionLike
from airflow_provider_contacts.core.validation import parse_bool
from airflow_provider_contacts.hooks.base import ContactsHook
from airflow_provider_contacts.lineage import collect_write
from airflow_provider_contacts.operators.arguments import check_literals
from airflow_provider_contacts.operators.base import BaseContactsOperator
from airflow_provider_contacts.transfers.answers import add_replies, answers_replies
from airflow_provider_contacts.transfers.files.formats import FileFormat, choose_format, parse_format
from airflow_provider_contacts.transfers.files.publishing import check_path, make_absolute, write_file
from airflow_provider_contacts.transfers.openlineage import ExportLineage

if TYPE_CHECKING:
    from airflow.sdk import Context

__all__ = ["ContactsToObjectStorageOperator"]


class ContactsToObjectStorageOperator(BaseContactsOperator):
    """Write all contacts of one connection to one file.

    The listing is first read into a local temporary file, which is then published in one step. If
    reading fails, the previous file remains. Contacts are streamed; memory use stays flat except
    for one small key per contact.

    The columns are the fields of :class:`~airflow_provider_contacts.contact.Contact` in their
    order, then ``raw``, the vendor's JSON. In ``.jsonl``, times are ISO 8601 text in UTC, and
    ``raw`` is an object. In ``.csv`` and ``.parquet``, ``raw`` is text. In ``.csv``, lists are
    JSON, and a cell that a spreadsheet would run as a formula is prefixed with an apostrophe. In
    ``.parquet``, times have a zone, and lists are lists.

    All arguments are templated.

    :param contacts_conn_id: connection of any vendor.
    :param path: a local path, or a URL that ``airflow.sdk.ObjectStoragePath`` supports, such as
        ``s3://aws_default@bucket/contacts/mailstand.jsonl``. Missing folders are created.
    :param filters: the vendor's own parameters.
    :param condition: a condition, or its JSON, that contacts have to match as well.
    :param format: ``jsonl`` or ``csv``, each also with ``.gz`` or ``.zst``, or ``parquet``; by
        default the ending of ``path``.
    :param content: ``normalized``, or ``raw`` for the vendor's own objects, byte for byte, as JSON
        lines.
    :param include_raw: whether normalized contacts have the column ``raw``, usually most of the
        file.
    :return: ``{"vendor", "path", "seen", "size", "requests", "seconds"}``, where ``seen`` is the
        number of contacts and ``size`` the size of the file in bytes.
    :raises InvalidRequest: if the format or a filter is invalid, or a library is missing, before
        any request.
    :raises ContactsError: if the path cannot be written, before any request; and for every other
        failure.
    """

    template_fields: Sequence[str] = (
        *BaseContactsOperator.template_fields,
        "path",
        "format",
        "content",
        "include_raw",
    )
    ui_color = "#e4edf1"

    def __init__(
        self,
        *,
        path: str,
        format: str | None = None,
        content: str = "normalized",
        include_raw: bool | str | None = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.path = path
        self.format = format
        self.content = content
        self.include_raw = include_raw
        check_literals(self, parse_format, path, format, content)
        check_literals(self, partial(parse_bool, "include_raw"), include_raw)
        self._export: ExportLineage | None = None

    def execute(self, context: Context) -> dict[str, Any]:
        """Read the contacts and publish the file."""
        include_raw = self.include_raw is None or parse_bool("include_raw", self.include_raw)
        file_format = choose_format(self.path, self.format, self.content, include_raw=include_raw)
        path = make_absolute(self.path)
        if path != self.path:
            self.log.warning(
                "`path` is relative, so it depends on the folder in which the worker runs. Here it is %s.",
                path,
            )
        started = time.monotonic()
        hook = ContactsHook.for_connection(self.contacts_conn_id)
        contacts = list_for_file(hook, file_format, self.filters, self.condition, self.log)
        check_path(path)
        seen, size = write_file(contacts, path, file_format)
        summary = {
            "vendor": hook.vendor.name,
            "path": path,
            "seen": seen,
            "size": size,
            "requests": hook.requests_sent,
            "seconds": round(time.monotonic() - started, 3),
        }
        self.log.info(
            "%s: Wrote %d contacts to %s with %d requests in %.1f s.",
            hook.vendor.title,
            seen,
            path,
            summary["requests"],
            summary["seconds"],
        )
        namespace, name = _dataset(path)
        uri = f"file://{name}" if namespace == "file" else f"{namespace}/{name}"
        collect_write(hook, uri)
        self._export = ExportLineage(hook.vendor.name, hook.settings.base_url, namespace, name, summary)
        self._export.emit_asset_metadata(self, context)
        return summary

    def get_openlineage_facets_on_complete(self, task_instance: object) -> Any:
        """Return the OpenLineage events of this run."""
        return None if self._export is None else self._export.openlineage_facets()


def list_for_file(
    hook: ContactsHook[Any],
    file_format: FileFormat,
    filters: Any,
    condition: ConditionLike | None,
    log: Log,
) -> Iterator[Contact]:
    """Iterate over the contacts with what a file format needs of them."""
    if file_format.content == "raw":
        return hook.list_raw_contacts(filters, condition=condition)
    contacts = hook.list_contacts(filters, condition=condition, raw=file_format.needs_raw)
    return _add_replies(contacts, hook, filters, condition, log)


def _add_replies(
    contacts: Iterator[Contact],
    hook: ContactsHook[Any],
    filters: Any,
    condition: ConditionLike | None,
    log: Log,
) -> Iterator[Contact]:
    # Requests are sent when the first contact is asked for, after the path is checked.
    yield from add_replies(contacts) if answers_replies(hook, filters, condition, log) else contacts


def _dataset(path: str) -> tuple[str, str]:
    """Return namespace and name of a file, by OpenLineage's naming rules."""
    scheme, _, rest = path.rpartition("://")
    if scheme in ("", "file"):
        return "file", rest
    bucket, _, key = rest.partition("/")
    return f"{scheme}://{bucket.rpartition('@')[2]}", key
