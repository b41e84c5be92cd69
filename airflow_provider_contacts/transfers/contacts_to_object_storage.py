"""Land contacts as a file, on a local path or in an object store."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_contacts.conditions import Condition, template_form
from airflow_provider_contacts.hooks.base import ContactsHook
from airflow_provider_contacts.lineage import collect_write
from airflow_provider_contacts.operators.base import ContactsBaseOperator
from airflow_provider_contacts.transfers.files import check_target, format_of, land
from airflow_provider_contacts.transfers.outcome import facets, tell_outlets

if TYPE_CHECKING:
    from airflow.sdk import Context


class ContactsToObjectStorageOperator(ContactsBaseOperator):
    """Write all contacts of one connection to one file.

    The whole listing is read to a local temporary file first, and published in one step: nothing is visible
    at ``path`` until it is complete, and after a failed read whatever was there before is still there.
    Memory does not grow with the number of contacts, but for one key each.

    The columns are the fields of :class:`~airflow_provider_contacts.contact.Contact` in their order, and ``raw``,
    the vendor's own JSON as text. In ``.jsonl`` times are ISO 8601 text in UTC; in ``.csv`` lists are JSON, and a
    cell that a spreadsheet would run as a formula begins with an apostrophe; in ``.parquet`` times have their
    zone, and lists are lists.

    :param contacts_conn_id: connection of any of the vendors. Templated.
    :param path: a local path, or any URL that ``airflow.sdk.ObjectStoragePath`` takes, such as
        ``s3://aws_default@bucket/contacts/mailstand.jsonl``. Missing folders are made. Templated.
    :param filters: the vendor's own parameters. Templated.
    :param condition: a condition, or its JSON form, that contacts have to meet as well. Templated.
    :param format: ``jsonl``, ``csv``, each also with ``.gz`` or ``.zst``, or ``parquet``; by default the ending of
        ``path`` tells. Templated.
    :param content: ``normalized``, or ``raw`` for the vendor's own objects, byte for byte, as lines of JSON. Templated.
    :return: ``{"vendor", "path", "seen", "size", "requests", "seconds"}``, where ``seen`` is the number of contacts and
        ``size`` that of the file in bytes.
    :raises InvalidRequest: for an unknown format, a missing library or a bad filter, before any request.
    :raises ContactsError: for a path that cannot be written, before any request, and for anything else between here and
        the vendor.
    """

    template_fields: Sequence[str] = (
        "contacts_conn_id",
        "path",
        "filters",
        "condition",
        "format",
        "content",
    )
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
        content: str = "normalized",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.contacts_conn_id = contacts_conn_id
        self.path = path
        self.filters = filters
        self.condition = template_form(condition)
        self.format = format
        self.content = content
        self._landed: tuple[str, str, dict[str, Any]] | None = None

    def execute(self, context: Context) -> dict[str, Any]:
        """Read the contacts and publish them."""
        format = format_of(self.path, self.format, self.content)
        started = time.monotonic()
        hook = ContactsHook.for_connection(self.contacts_conn_id)
        contacts = hook.list_contacts(self.filters, condition=self.condition)
        check_target(self.path)
        seen, size = land(contacts, self.path, format)
        summary = {
            "vendor": hook.vendor.name,
            "path": self.path,
            "seen": seen,
            "size": size,
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
        self._landed = (hook.vendor.name, hook.settings.base_url, summary)
        namespace, name = self._dataset()
        collect_write(
            hook, f"file://{os.path.abspath(name)}" if namespace == "file" else f"{namespace}/{name}"
        )
        tell_outlets(self, context, summary)
        return summary

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """Return what OpenLineage learns of this run."""
        return None if self._landed is None else facets(*self._landed, *self._dataset())

    def _dataset(self) -> tuple[str, str]:
        """Return namespace and name of the file, as OpenLineage's naming rules have them."""
        scheme, _, rest = self.path.rpartition("://")
        if scheme in ("", "file"):
            return "file", rest
        bucket, _, key = rest.partition("/")
        return f"{scheme}://{bucket.rpartition('@')[2]}", key
