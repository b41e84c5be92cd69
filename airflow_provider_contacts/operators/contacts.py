"""Operators that read contacts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator

from airflow_provider_contacts.arguments import whole_number
from airflow_provider_contacts.errors import InvalidRequest
from airflow_provider_contacts.hooks.base import ContactsHook

if TYPE_CHECKING:
    from airflow.sdk import Context


class ListContactsOperator(BaseOperator):
    """Return the contacts of one connection as XCom.

    For more than a few hundred contacts use
    :class:`~airflow_provider_contacts.transfers.contacts_to_object_storage.ContactsToObjectStorageOperator`:
    XCom is a row of Airflow's database.

    :param contacts_conn_id: connection of any of the vendors. Templated.
    :param filters: the vendor's own parameters. Templated.
    :param limit: stop after this many contacts. Templated.
    :param max_xcom_contacts: fail, before XCom is touched, if there are more contacts than this. Templated.
    :return: a list of dicts with the fields of :class:`~airflow_provider_contacts.contact.Contact` without
        ``raw``; times are ISO 8601 text.
    :raises InvalidRequest: for a bad filter, or for more contacts than ``max_xcom_contacts``.
    :raises ContactsError: for anything else between here and the vendor.
    """

    template_fields: Sequence[str] = ("contacts_conn_id", "filters", "limit", "max_xcom_contacts")
    template_fields_renderers: ClassVar[dict[str, str]] = {"filters": "json"}
    ui_color = "#e8f1e4"

    def __init__(
        self,
        *,
        contacts_conn_id: str,
        filters: Mapping[str, Any] | None = None,
        limit: int | str | None = None,
        max_xcom_contacts: int | str = 1000,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.contacts_conn_id = contacts_conn_id
        self.filters = filters
        self.limit = limit
        self.max_xcom_contacts = max_xcom_contacts

    def execute(self, context: Context) -> list[dict[str, Any]]:
        """List the contacts."""
        limit = whole_number("limit", self.limit)
        most = whole_number("max_xcom_contacts", self.max_xcom_contacts)
        hook = ContactsHook.for_connection(self.contacts_conn_id)
        contacts: list[dict[str, Any]] = []
        for contact in hook.list_contacts(self.filters, limit=limit, raw=False):
            if most is not None and len(contacts) == most:
                raise InvalidRequest(
                    f"there are more than {most} contacts (max_xcom_contacts), too many for XCom; land them with "
                    "ContactsToObjectStorageOperator, or set `limit` or `filters`"
                )
            contacts.append(contact.to_dict())
        self.log.info(
            "%s: %d contacts with %d request(s).", hook.vendor.title, len(contacts), hook.requests_sent
        )
        return contacts
