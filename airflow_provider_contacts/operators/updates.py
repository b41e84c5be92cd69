"""Operators that update contacts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_contacts.core.changes import (
    Change,
    parse_notes_change,
    parse_stage_change,
    parse_tag_change,
)
from airflow_provider_contacts.core.logs import ProgressLog
from airflow_provider_contacts.core.updates.targets import Target, parse_targets
from airflow_provider_contacts.core.validation import parse_bool, parse_int
from airflow_provider_contacts.errors import ContactsError, InvalidRequest
from airflow_provider_contacts.hooks.base import ContactsHook
from airflow_provider_contacts.links import ContactLink, push_contact_url
from airflow_provider_contacts.operators.base import ContactsLike, TagsLike
from airflow_provider_contacts.operators.literals import check_literals
from airflow_provider_contacts.retry import RetryPolicyOperator

if TYPE_CHECKING:
    from airflow.sdk import Context, XComArg

    from airflow_provider_contacts.core.updates.progress import Store
    from airflow_provider_contacts.core.updates.run import Outcome, Updater

__all__ = ["UpdateContactNotesOperator", "UpdateContactStageOperator", "UpdateContactTagsOperator"]

_MAX_CONTACTS_IN_LOG = 20


class _UpdateContactsOperator(RetryPolicyOperator):
    """Make one change to many contacts.

    Contacts that are already up to date cost no request, and duplicates are updated once. Updates are idempotent, so
    sending one twice is harmless. On Airflow 3.3 a retry continues where the previous attempt ended. After the task has
    succeeded, clearing it repeats everything.

    :param contacts_conn_id: connection of the vendor that the contacts belong to. Templated.
    :param contacts: what a listing, a filter or a sensor returned, or ids. Templated.
    :param preview: report what would change, and write nothing. Templated.
    :param max_updates: fail before the first write if more contacts than this would change. Templated.
    :param on_failure: ``fail`` tries all contacts and then fails, ``continue`` tries all and returns. Authentication,
        permission, quota and long rate-limit errors abort immediately in either mode, as do ten
        contacts in a row that fail with an error that a retry may fix. Templated.
    :return: ``{"updated", "unchanged", "failed"}``, each a list of references; those in ``failed`` have an ``error``
        too. With ``preview``, ``updated`` is empty and ``would_update`` lists what it would contain.
    """

    template_fields: Sequence[str] = ("contacts_conn_id", "contacts", "preview", "max_updates", "on_failure")
    ui_color = "#f1e4e4"
    operator_extra_links = (ContactLink(),)

    def __init__(
        self,
        *,
        contacts_conn_id: str,
        contacts: ContactsLike,
        preview: bool | str = False,
        max_updates: int | str = 1000,
        on_failure: str = "fail",
        **kwargs: Any,
    ) -> None:
        # A downstream task can then use `task.output["updated"]`.
        super().__init__(**{"multiple_outputs": True, **kwargs})
        self.contacts_conn_id = contacts_conn_id
        self.contacts = contacts
        self.preview = preview
        self.max_updates = max_updates
        self.on_failure = on_failure
        check_literals(self, partial(parse_bool, "preview"), preview)
        check_literals(self, partial(parse_int, "max_updates"), max_updates)
        check_literals(self, _check_on_failure, on_failure)

    def parse_change(self) -> Change:
        """Validate the arguments and return the change."""
        raise NotImplementedError

    def execute(self, context: Context) -> dict[str, list[dict[str, object]]]:
        """Update the contacts."""
        push_contact_url(
            context, None
        )  # if the task fails, Airflow would log an error about the missing link
        change = self.parse_change()
        preview = parse_bool("preview", self.preview)
        max_updates = parse_int("max_updates", self.max_updates)
        _check_on_failure(self.on_failure)
        hook = ContactsHook.for_connection(self.contacts_conn_id)
        hook.require_update_support(change.kind)
        targets, duplicates = parse_targets(self.contacts, hook.vendor)
        unchanged = [target for target in targets if change.is_satisfied_by(target.fields)]
        to_update = [target for target in targets if not change.is_satisfied_by(target.fields)]
        if len(to_update) > max_updates:
            raise InvalidRequest(
                f"{len(to_update)} contacts would be updated, more than max_updates ({max_updates}). Nothing was "
                "written. Raise max_updates if this is intended."
            )
        updater = hook.create_updater(change, len(to_update))
        self.log.info(
            "%s: %d contacts to update (%s), %d already up to date, %d duplicates.",
            hook.vendor.title,
            len(to_update),
            change,
            len(unchanged),
            duplicates,
        )
        push_contact_url(context, next((target.fields.get("url") for target in targets), None))
        result = {
            "updated": _references(hook, []),
            "unchanged": _references(hook, unchanged),
            "failed": _references(hook, []),
        }
        if preview:
            self.log.info("This is a preview; nothing is written.")
            return {**result, "would_update": _references(hook, to_update)}
        return {**result, **self._update(hook, change, to_update, updater, context)}

    def _update(
        self,
        hook: ContactsHook[Any],
        change: Change,
        targets: list[Target],
        updater: Updater,
        context: Context,
    ) -> dict[str, list[dict[str, object]]]:
        from airflow_provider_contacts.core.updates.progress import Progress
        from airflow_provider_contacts.core.updates.run import update_all

        store: Store | None = dict(context).get("task_state_store")  # type: ignore[assignment]
        settings = hook.settings
        scope = f"{hook.vendor.name} {settings.conn_id} {settings.base_url}"
        progress = Progress(store, scope, targets, change, self.log)
        already_done = len(progress.done)
        if already_done:
            self.log.info("%d contacts were updated by the previous attempt.", already_done)
        lines = ProgressLog(self.log, "Processed %d%s contacts, %.1f per second.")
        outcome = update_all(
            targets,
            updater,
            progress,
            settings.max_concurrency,
            lambda count: lines.update(count - already_done, len(targets) - already_done),
        )
        result = {
            "updated": _references(hook, [targets[index] for index in outcome.updated]),
            "failed": [
                {**targets[index].reference(hook.vendor.name), "error": f"{type(error).__name__}: {error}"}
                for index, error in sorted(outcome.failed.items())
            ],
        }
        self.log.info("%d contacts updated, %d failed.", len(outcome.updated), len(outcome.failed))
        for failed in result["failed"][:_MAX_CONTACTS_IN_LOG]:
            self.log.warning("Contact %s was not updated. %s", failed["contact_id"], failed["error"])
        if outcome.failed and self.on_failure == "fail":
            raise _failure(outcome, targets)
        progress.clear()
        return result


def _check_on_failure(value: object) -> None:
    if value not in ("fail", "continue"):
        raise InvalidRequest("`on_failure` must be `fail` or `continue`.")


def _references(hook: ContactsHook[Any], targets: list[Target]) -> list[dict[str, object]]:
    return [{**target.reference(hook.vendor.name)} for target in targets]


def _failure(outcome: Outcome, targets: list[Target]) -> ContactsError:
    return ContactsError(
        f"{len(outcome.failed)} of {len(targets)} contacts could not be updated; {len(outcome.updated)} were. The log "
        f"names the first {_MAX_CONTACTS_IN_LOG}. {outcome.causes(targets)}",
        transient=any(not error.permanent for error in outcome.failed.values()),
    )


class UpdateContactTagsOperator(_UpdateContactsOperator):
    """Add, remove or replace tags of many contacts.

    :param add: names, or mappings of ``name`` and ``color``. Templated.
    :param remove: names. Templated.
    :param replace: the complete new set of tags, like ``add``; an empty list clears the tags. Templated.
    :param contacts_conn_id: connection of the vendor that the contacts belong to. Templated.
    :param contacts: what a listing, a filter or a sensor returned, or ids. Templated.
    :param preview: report what would change, and write nothing. Templated.
    :param max_updates: fail before the first write if more contacts than this would change. Templated.
    :param on_failure: ``fail`` or ``continue``, after all contacts have been tried. Templated.
    :return: ``{"updated", "unchanged", "failed"}``, lists of references.
    :raises UnsupportedByVendor: if the vendor's API cannot change tags; names the vendors that can.
    """

    template_fields: Sequence[str] = (*_UpdateContactsOperator.template_fields, "add", "remove", "replace")

    def __init__(
        self,
        *,
        add: TagsLike | XComArg = (),
        remove: TagsLike | XComArg = (),
        replace: TagsLike | XComArg | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.add = add
        self.remove = remove
        self.replace = replace
        check_literals(self, parse_tag_change, add, remove, replace)

    def parse_change(self) -> Change:
        """Validate the arguments and return the change."""
        return parse_tag_change(self.add, self.remove, self.replace)


class UpdateContactNotesOperator(_UpdateContactsOperator):
    """Replace the notes of many contacts.

    :param notes: JSON text, an object or an array; None or an empty string clears the notes. Templated.
    :param contacts_conn_id: connection of the vendor that the contacts belong to. Templated.
    :param contacts: what a listing, a filter or a sensor returned, or ids. Templated.
    :param preview: report what would change, and write nothing. Templated.
    :param max_updates: fail before the first write if more contacts than this would change. Templated.
    :param on_failure: ``fail`` or ``continue``, after all contacts have been tried. Templated.
    :return: ``{"updated", "unchanged", "failed"}``, lists of references.
    :raises UnsupportedByVendor: if the vendor's API cannot change notes; names the vendors that can.
    """

    template_fields: Sequence[str] = (*_UpdateContactsOperator.template_fields, "notes")
    template_fields_renderers: ClassVar[dict[str, str]] = {"notes": "json"}

    def __init__(self, *, notes: object, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.notes = notes
        check_literals(self, parse_notes_change, notes)

    def parse_change(self) -> Change:
        """Validate the arguments and return the change."""
        return parse_notes_change(self.notes)


class UpdateContactStageOperator(_UpdateContactsOperator):
    """Move many contacts to a stage.

    :param stage: by the name that the vendor displays, such as ``Do Not Contact``. Templated.
    :param campaign: a campaign's id, or ``all``, in Mailstand, which has one stage per campaign. Templated.
    :param contacts_conn_id: connection of the vendor that the contacts belong to. Templated.
    :param contacts: what a listing, a filter or a sensor returned, or ids. Templated.
    :param preview: report what would change, and write nothing. Templated.
    :param max_updates: fail before the first write if more contacts than this would change. Templated.
    :param on_failure: ``fail`` or ``continue``, after all contacts have been tried. Templated.
    :return: ``{"updated", "unchanged", "failed"}``, lists of references.
    :raises UnsupportedByVendor: if the vendor's API cannot change stages; names the vendors that can.
    """

    template_fields: Sequence[str] = (*_UpdateContactsOperator.template_fields, "stage", "campaign")

    def __init__(self, *, stage: str, campaign: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.stage = stage
        self.campaign = campaign
        check_literals(self, parse_stage_change, stage, campaign)

    def parse_change(self) -> Change:
        """Validate the arguments and return the change."""
        return parse_stage_change(self.stage, self.campaign)
