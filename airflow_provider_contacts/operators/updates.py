"""Operators that write contacts."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_contacts.arguments import flag, whole_number
from airflow_provider_contacts.core.bulk import (
    Progress,
    Store,
    Target,
    Updater,
    reference,
    targets_of,
    update_all,
)
from airflow_provider_contacts.core.changes import Change, notes_change, stage_change, tag_change
from airflow_provider_contacts.errors import ContactsError, InvalidRequest
from airflow_provider_contacts.hooks.base import ContactsHook
from airflow_provider_contacts.links import ContactLink, leave_url
from airflow_provider_contacts.operators.base import ContactsBaseOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

_REPORT_EVERY = 10.0
_NAMED = 20


class _UpdateContactsOperator(ContactsBaseOperator):
    """Make one change to many contacts.

    Contacts that are known to be as wanted already cost no request; duplicates are updated once. Each update
    is a set and not a count, so that sending one again does no harm. On Airflow 3.3 a retry goes on where the
    try before it ended; once the task has succeeded, clearing it does everything again.

    :param contacts_conn_id: connection of the vendor that the contacts belong to. Templated.
    :param contacts: what a list, a filter or a sensor returned, or ids. Templated.
    :param preview: say what would be done, and write nothing. Templated.
    :param max_updates: refuse to write more contacts than this, before the first. Templated.
    :param on_failure: ``fail`` tries all contacts and then fails, ``continue`` tries all and returns. Wrong
        credentials, missing rights, used-up credits and a long wait that the vendor asks for end the task at once
        in both. Templated.
    :return: ``{"updated", "unchanged", "failed"}``, each a list of references; those in ``failed`` have an
        ``error`` too. With ``preview`` the first is empty, and ``would_update`` has what it would hold.
    """

    template_fields: Sequence[str] = ("contacts_conn_id", "contacts", "preview", "max_updates", "on_failure")
    ui_color = "#f1e4e4"
    operator_extra_links = (ContactLink(),)

    def __init__(
        self,
        *,
        contacts_conn_id: str,
        contacts: Any,
        preview: bool | str = False,
        max_updates: int | str = 1000,
        on_failure: str = "fail",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.contacts_conn_id = contacts_conn_id
        self.contacts = contacts
        self.preview = preview
        self.max_updates = max_updates
        self.on_failure = on_failure

    def change(self) -> Change:
        """Return the change to make, checked."""
        raise NotImplementedError

    def execute(self, context: Context) -> dict[str, Any]:
        """Update the contacts."""
        change, preview = self.change(), flag("preview", self.preview)
        most = whole_number("max_updates", self.max_updates)
        if most is None:
            raise InvalidRequest("`max_updates` must be a whole number of at least 1, and is empty")
        if self.on_failure not in ("fail", "continue"):
            raise InvalidRequest("`on_failure` must be `fail` or `continue`")
        hook = ContactsHook.for_connection(self.contacts_conn_id)
        vendor = hook.vendor
        targets, again = targets_of(self.contacts, vendor.name, vendor.title, vendor.writes.check_ids)
        unchanged: list[Target] = []
        todo: list[Target] = []
        for target in targets:
            (unchanged if change.made(target.known) else todo).append(target)
        self.log.info(
            "%s: %d contact(s) to update (%s), %d as wanted already, %d named more than once.",
            vendor.title, len(todo), change, len(unchanged), again,
        )  # fmt: skip
        if len(todo) > most:
            raise InvalidRequest(
                f"{len(todo)} contacts are to be updated, more than max_updates ({most}); nothing is written. Raise "
                "max_updates if so many are meant"
            )
        updater = hook.updater(change, len(todo))
        leave_url(context, next((one.known.get("url") for one in targets), None))
        result: dict[str, Any] = {
            "updated": [],
            "unchanged": [reference(vendor.name, one) for one in unchanged],
        }
        if preview:
            self.log.info("This is a preview; nothing is written.")
            return {**result, "failed": [], "would_update": [reference(vendor.name, one) for one in todo]}
        return {**result, **self._update(hook, change, todo, updater, context)}

    def _update(
        self, hook: ContactsHook, change: Change, todo: list[Target], updater: Updater, context: Context
    ) -> dict[str, Any]:
        store: Store | None = dict(context).get("task_state_store")  # type: ignore[assignment]
        settings = hook.settings
        progress = Progress(store, f"{hook.vendor.name} {settings.conn_id} {settings.base_url}", todo, change)
        if progress.done:
            self.log.info("%d contact(s) were updated by the try before this one.", len(progress.done))
        started = reported = time.monotonic()

        def report(count: int) -> None:
            nonlocal reported
            now = time.monotonic()
            if now - reported >= _REPORT_EVERY:
                reported = now
                rate = (count - len(progress.done)) / (now - started)
                self.log.info("%d of %d contact(s), %.1f per second.", count, len(todo), rate)

        outcome = update_all(todo, updater, progress, settings.max_concurrency, report)
        name = hook.vendor.name
        result: dict[str, list[dict[str, Any]]] = {
            "updated": [dict(reference(name, todo[index])) for index in outcome.updated],
            "failed": [
                {**reference(name, todo[index]), "error": f"{type(error).__name__}: {error}"}
                for index, error in sorted(outcome.failed.items())
            ],
        }
        self.log.info("%d contact(s) updated, %d failed.", len(outcome.updated), len(outcome.failed))
        for failed in result["failed"][:_NAMED]:
            self.log.warning("Not updated: contact %s. %s", failed["contact_id"], failed["error"])
        if outcome.failed and self.on_failure == "fail":
            raise ContactsError(
                f"{len(outcome.failed)} of {len(todo)} contacts could not be updated, "
                f"{len(outcome.updated)} were. The log names the first {_NAMED}. "
                f"{outcome.causes(todo)}",
                transient=any(error.transient for error in outcome.failed.values()),
            )
        progress.forget()
        return result


class UpdateContactTagsOperator(_UpdateContactsOperator):
    """Add, remove or replace tags of many contacts.

    :param add: names, or mappings of ``name`` and ``color``. Templated.
    :param remove: names. Templated.
    :param replace: the tags to have and no others, in the form of ``add``. Templated.
    :param contacts_conn_id: connection of the vendor that the contacts belong to. Templated.
    :param contacts: what a list, a filter or a sensor returned, or ids. Templated.
    :param preview: say what would be done, and write nothing. Templated.
    :param max_updates: refuse to write more contacts than this, before the first. Templated.
    :param on_failure: ``fail`` or ``continue``, after all contacts have been tried. Templated.
    :return: ``{"updated", "unchanged", "failed"}``, lists of references.
    :raises UnsupportedByVendor: if the vendor's API has no such call; it names the vendors that have.
    """

    template_fields: Sequence[str] = (*_UpdateContactsOperator.template_fields, "add", "remove", "replace")

    def __init__(self, *, add: Any = (), remove: Any = (), replace: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.add = add
        self.remove = remove
        self.replace = replace

    def change(self) -> Change:
        """Return the change to make, checked."""
        return tag_change(self.add, self.remove, self.replace)


class UpdateContactNotesOperator(_UpdateContactsOperator):
    """Replace the notes of many contacts.

    :param notes: JSON text, or an object or array; None or empty text clears the notes. Templated.
    :param contacts_conn_id: connection of the vendor that the contacts belong to. Templated.
    :param contacts: what a list, a filter or a sensor returned, or ids. Templated.
    :param preview: say what would be done, and write nothing. Templated.
    :param max_updates: refuse to write more contacts than this, before the first. Templated.
    :param on_failure: ``fail`` or ``continue``, after all contacts have been tried. Templated.
    :return: ``{"updated", "unchanged", "failed"}``, lists of references.
    :raises UnsupportedByVendor: if the vendor's API has no such call; it names the vendors that have.
    """

    template_fields: Sequence[str] = (*_UpdateContactsOperator.template_fields, "notes")
    template_fields_renderers: ClassVar[dict[str, str]] = {"notes": "json"}

    def __init__(self, *, notes: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.notes = notes

    def change(self) -> Change:
        """Return the change to make, checked."""
        return notes_change(self.notes)


class UpdateContactStageOperator(_UpdateContactsOperator):
    """Move many contacts to a stage.

    :param stage: by the name that the vendor shows, such as ``Do Not Contact``. Templated.
    :param campaign: Mailstand keeps a stage per campaign: a campaign's id, or ``all``. Templated.
    :param contacts_conn_id: connection of the vendor that the contacts belong to. Templated.
    :param contacts: what a list, a filter or a sensor returned, or ids. Templated.
    :param preview: say what would be done, and write nothing. Templated.
    :param max_updates: refuse to write more contacts than this, before the first. Templated.
    :param on_failure: ``fail`` or ``continue``, after all contacts have been tried. Templated.
    :return: ``{"updated", "unchanged", "failed"}``, lists of references.
    :raises UnsupportedByVendor: if the vendor's API has no such call; it names the vendors that have.
    """

    template_fields: Sequence[str] = (*_UpdateContactsOperator.template_fields, "stage", "campaign")

    def __init__(self, *, stage: str, campaign: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.stage = stage
        self.campaign = campaign

    def change(self) -> Change:
        """Return the change to make, checked."""
        return stage_change(self.stage, self.campaign)
