"""How hooks update contacts."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.core.changes import (
    Change,
    ChangeKind,
    TagsLike,
    parse_notes_change,
    parse_stage_change,
    parse_tag_change,
)
from airflow_provider_contacts.core.updates.targets import Target
from airflow_provider_contacts.errors import UnsupportedByVendor
from airflow_provider_contacts.hooks import registry

if TYPE_CHECKING:
    from airflow_provider_contacts.core.http.client import Transport
    from airflow_provider_contacts.core.updates.run import Updater
    from airflow_provider_contacts.core.vendor import Vendor


class ContactUpdates:
    """The methods of a hook that update contacts."""

    vendor: ClassVar[Vendor]

    def _open_transport(self) -> Transport:
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
        :param campaign: a campaign's id, or ``all``, for Mailstand, which has one stage per campaign.
        :raises InvalidRequest: if the id is invalid, or the vendor does not allow setting the stage.
        :raises UnsupportedByVendor: if the vendor's API cannot change stages.
        """
        self.create_updater(parse_stage_change(stage, campaign)).update(Target("", str(contact_id)))

    def create_updater(self, change: Change, count: int = 1) -> Updater:
        """Return an updater for a change to many contacts.

        It looks up once what all updates share, such as the id of a stage.

        :param count: how many contacts will be changed.
        :raises UnsupportedByVendor: if the vendor's API cannot make the change; names the vendors that can.
        """
        self.require_update_support(change.kind)
        from airflow_provider_contacts.core.updates.run import Updater

        return Updater.create(self._open_transport(), change, count)

    def require_update_support(self, kind: ChangeKind) -> None:
        """Check, without a request, that the vendor's API can make a kind of change.

        :param kind: ``tags``, ``notes`` or ``stage``.
        :raises UnsupportedByVendor: if it cannot; names the vendors that can.
        """
        if not self.vendor.updates.supports(kind):
            raise UnsupportedByVendor(
                f"{self.vendor.title}'s API cannot change the {kind} of contacts. Vendors that can: "
                f"{registry.format_updating_vendors(kind)}."
            )
