"""The methods of hooks for one contact."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from airflow_provider_contacts.contact import Contact, Reference
from airflow_provider_contacts.core.changes import (
    Change,
    TagsLike,
    parse_notes_change,
    parse_stage_change,
    parse_tag_change,
)
from airflow_provider_contacts.core.updates.targets import Target, parse_target
from airflow_provider_contacts.errors import UnsupportedByVendor
from airflow_provider_contacts.hooks import registry

if TYPE_CHECKING:
    from airflow_provider_contacts.core.http.client import Transport
    from airflow_provider_contacts.core.reading.single import ContactReading
    from airflow_provider_contacts.core.settings import Settings
    from airflow_provider_contacts.core.updates.run import Updater
    from airflow_provider_contacts.core.vendor import Vendor


class SingleContacts:
    """The methods of a hook for one contact."""

    vendor: ClassVar[Vendor]

    @property
    def settings(self) -> Settings:
        """The connection's settings."""
        raise NotImplementedError

    async def asettings(self) -> Settings:
        """Return :attr:`settings`, without blocking the event loop."""
        raise NotImplementedError

    def _get_transport(self, settings: Settings) -> Transport:
        raise NotImplementedError

    def get_contact(self, reference: str | Reference) -> Contact:
        """Return one contact as it is now.

        :param reference: the contact's id, or its reference.
        :return: the contact. Its account is the connection's, if records do not report one.
        :raises UnsupportedByVendor: if the vendor's API has no call for one contact; names the
            vendors that have.
        :raises InvalidRequest: if the id is malformed, or belongs to another vendor.
        :raises NotFound: if the vendor does not know it.
        :raises ContactsError: if the request fails.
        """
        return self._read_one(reference, self.settings).get()

    async def aget_contact(self, reference: str | Reference) -> Contact:
        """Async version of :meth:`get_contact`."""
        return await self._read_one(reference, await self.asettings()).aget()

    def _read_one(self, reference: str | Reference, settings: Settings) -> ContactReading:
        from airflow_provider_contacts.core.reading.single import ContactReading

        if self.vendor.contact is None:
            raise UnsupportedByVendor(
                f"{self.vendor.title}'s API has no call that returns one contact. Vendors whose API has one: "
                f"{registry.format_reading_vendors()}."
            )
        target = parse_target(reference, "`reference`", self.vendor)
        return ContactReading(self._get_transport(settings), target.contact_id)

    def create_updater(self, change: Change, count: int = 1, *, keeps_opt_out: bool = True) -> Updater:
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

    def update_stage(
        self, contact_id: str, stage: str, *, campaign: str | None = None, leave_opt_out: bool = False
    ) -> None:
        """Move one contact to a stage.

        :param stage: by the name that the vendor displays, such as ``Do Not Contact``.
        :param campaign: a campaign's id, or ``all``, for Mailstand, which has one stage per
            campaign.
        :param leave_opt_out: move it even if it has opted out, such as to Do Not Contact.
        :raises OptedOut: if it has opted out.
        :raises InvalidRequest: if the id is invalid, or the vendor does not allow setting the
            stage.
        :raises UnsupportedByVendor: if the vendor's API cannot change stages.
        """
        updater = self.create_updater(parse_stage_change(stage, campaign), keeps_opt_out=not leave_opt_out)
        updater.update(Target("", str(contact_id)))
