"""Operators that read contacts."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_contacts.arguments import flag, whole_number
from airflow_provider_contacts.conditions import Condition, as_condition, template_form
from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.errors import InvalidRequest
from airflow_provider_contacts.hooks.base import ContactsHook, require_on_record
from airflow_provider_contacts.links import ContactLink, leave_url
from airflow_provider_contacts.operators.base import ContactsBaseOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class ListContactsOperator(ContactsBaseOperator):
    """Return the contacts of one connection as XCom.

    For more than a few hundred contacts use
    :class:`~airflow_provider_contacts.transfers.contacts_to_object_storage.ContactsToObjectStorageOperator`:
    XCom is a row of Airflow's database.

    :param contacts_conn_id: connection of any of the vendors. Templated.
    :param filters: the vendor's own parameters. Templated.
    :param condition: a condition, or its JSON form, that contacts have to meet as well. Templated.
    :param limit: stop after this many contacts. Templated.
    :param max_xcom_contacts: fail, before XCom is touched, if there are more contacts than this. Templated.
    :return: a list of dicts with the fields of :class:`~airflow_provider_contacts.contact.Contact` without
        ``raw``; times are ISO 8601 text.
    :raises InvalidRequest: for a bad filter, or for more contacts than ``max_xcom_contacts``.
    :raises ContactsError: for anything else between here and the vendor.
    """

    template_fields: Sequence[str] = (
        "contacts_conn_id",
        "filters",
        "condition",
        "limit",
        "max_xcom_contacts",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {"filters": "json", "condition": "json"}
    ui_color = "#e8f1e4"
    operator_extra_links = (ContactLink(),)

    def __init__(
        self,
        *,
        contacts_conn_id: str,
        filters: Mapping[str, Any] | None = None,
        condition: Condition | Mapping[str, Any] | None = None,
        limit: int | str | None = None,
        max_xcom_contacts: int | str = 1000,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.contacts_conn_id = contacts_conn_id
        self.filters = filters
        # Templates reach into a dict, and not into a struct.
        self.condition = template_form(condition)
        self.limit = limit
        self.max_xcom_contacts = max_xcom_contacts

    def execute(self, context: Context) -> list[dict[str, Any]]:
        """List the contacts."""
        limit = whole_number("limit", self.limit)
        most = whole_number("max_xcom_contacts", self.max_xcom_contacts)
        if most is None:
            raise InvalidRequest("`max_xcom_contacts` must be a whole number of at least 1, and is empty")
        hook = ContactsHook.for_connection(self.contacts_conn_id)
        contacts: list[dict[str, Any]] = []
        for contact in hook.list_contacts(self.filters, condition=self.condition, limit=limit, raw=False):
            if len(contacts) == most:
                raise InvalidRequest(
                    f"there are more than {most} contacts (max_xcom_contacts), too many for XCom; land them with "
                    "ContactsToObjectStorageOperator, or set `limit` or `filters`"
                )
            contacts.append(contact.to_dict())
        self.log.info(
            "%s: %d contacts with %d request(s).", hook.vendor.title, len(contacts), hook.requests_sent
        )
        leave_url(context, next((contact["url"] for contact in contacts), None))
        return contacts


class FilterContactsOperator(ContactsBaseOperator):
    """Return those contacts of an upstream task that meet a condition.

    :param contacts: what :class:`ListContactsOperator` returned, usually ``list_task.output``. Templated.
    :param condition: a condition, or its JSON form. Templated.
    :param skip_if_empty: skip this task, and so what follows it, if no contact meets the condition. Templated.
    :return: the dicts that meet it, unchanged. Where a record cannot tell, the contact does not meet it; the log
        says how many those are.
    :raises InvalidRequest: for something that is not a list of whole contacts, or a bad condition.
    :raises UnsupportedByVendor: for a condition that no record of a vendor shows.
    """

    template_fields: Sequence[str] = ("contacts", "condition", "skip_if_empty")
    template_fields_renderers: ClassVar[dict[str, str]] = {"condition": "json"}
    ui_color = "#f1ede4"

    def __init__(
        self,
        *,
        contacts: Any,
        condition: Condition | Mapping[str, Any],
        skip_if_empty: bool | str = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.contacts = contacts
        self.condition = template_form(condition)
        self.skip_if_empty = skip_if_empty

    def execute(self, context: Context) -> list[dict[str, Any]]:
        """Filter the contacts."""
        skip = flag("skip_if_empty", self.skip_if_empty)
        condition = as_condition(self.condition)
        if condition is None:
            raise InvalidRequest("`condition` is empty; without one there is nothing to filter by")
        contacts = _whole_contacts(self.contacts)
        require_on_record(condition, {contact.vendor for _, contact in contacts})
        values = [(fields, condition.holds(contact)) for fields, contact in contacts]
        kept = [fields for fields, value in values if value is True]
        unknown = sum(value is None for _, value in values)
        self.log.log(
            logging.WARNING if unknown else logging.INFO,
            "%d of %d contact(s) meet the condition; of %d their records do not tell, and they are left out.",
            len(kept), len(values), unknown,
        )  # fmt: skip
        if not kept and skip:
            from airflow.sdk.exceptions import AirflowSkipException

            raise AirflowSkipException("no contact meets the condition (skip_if_empty)")
        return kept


def _whole_contacts(contacts: Any) -> list[tuple[dict[str, Any], Contact]]:
    if isinstance(contacts, str):
        raise InvalidRequest(
            "`contacts` is text; give `task.output`, or set render_template_as_native_obj=True on the DAG"
        )
    if isinstance(contacts, Mapping) or not isinstance(contacts, Iterable):
        raise InvalidRequest("`contacts` must be a list of contacts, such as ListContactsOperator returns")
    found = []
    for number, fields in enumerate(contacts, start=1):
        if not isinstance(fields, Mapping):
            raise InvalidRequest(f"item {number} of `contacts` is no contact")
        try:
            found.append((dict(fields), Contact.from_dict(fields)))
        except ValueError as error:
            raise InvalidRequest(
                f"item {number} of `contacts` is no whole contact, such as ListContactsOperator returns: {error}"
            ) from None
    return found
