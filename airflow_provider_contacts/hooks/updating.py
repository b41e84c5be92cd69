"""How hooks update one contact."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.core.changes import (
    Change,
    TagsLike,
    parse_notes_change,
    parse_stage_change,
    parse_tag_change,
)
from airflow_provider_contacts.core.updates.targets import Target

if TYPE_CHECKING:
    from airflow_provider_contacts.core.updates.run import Updater


class ContactUpdates:
    """The methods of a hook that update one contact."""

    def create_updater(self, change: Change, count: int = 1) -> Updater:
        """Return an updater for a change to many contacts."""
        raise NotImplementedError

    def update_tags(
        self,
        contact_id: str,
        *,
        account_id: str | None = None,
        add: TagsLike = (),
        remove: TagsLike = (),
        replace: TagsLike | None = None,
    ) -> Contact | None:
        """Change the tags of one contact.

        :param account_id: required only if the contact exists in several accounts.
        :param add: names, or mappings of ``name`` and ``color``.
        :param remove: names.
        :param replace: the complete new set of tags, like ``add``; an empty list clears the tags.
        :return: the contact after the change, or None if the vendor does not return it.
        :raises InvalidRequest: if the id or the change is invalid, before any request.
        :raises UnsupportedByVendor: if the vendor's API cannot change tags.
        """
        target = Target(account_id or "", str(contact_id))
        return self.create_updater(parse_tag_change(add, remove, replace)).update(target)

    def update_notes(
        self, contact_id: str, notes: object, *, account_id: str | None = None
    ) -> Contact | None:
        """Replace the notes of one contact.

        :param notes: JSON text, an object or an array; None or an empty string clears the notes.
        :return: the contact after the change, or None if the vendor does not return it.
        :raises InvalidRequest: if the id is invalid or text is not JSON, before any request.
        :raises UnsupportedByVendor: if the vendor's API cannot change notes.
        """
        target = Target(account_id or "", str(contact_id))
        return self.create_updater(parse_notes_change(notes)).update(target)

    def update_stage(self, contact_id: str, stage: str, *, campaign: str | None = None) -> None:
        """Move one contact to a stage.

        :param stage: by the name that the vendor displays, such as ``Do Not Contact``.
        :param campaign: a campaign's id, or ``all``, for Mailstand, which has one stage per
            campaign.
        :raises InvalidRequest: if the id is invalid, or the vendor does not allow setting the
            stage.
        :raises UnsupportedByVendor: if the vendor's API cannot change stages.
        """
        self.create_updater(parse_stage_change(stage, campaign)).update(Target("", str(contact_id)))
