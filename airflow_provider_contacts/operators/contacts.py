"""Operators that list and filter contacts."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.core.matching.parsing import ConditionLike, parse_condition, to_templatable
from airflow_provider_contacts.core.validation import parse_bool, parse_int, parse_optional_int
from airflow_provider_contacts.errors import InvalidRequest, UnansweredCondition
from airflow_provider_contacts.hooks import registry
from airflow_provider_contacts.hooks.base import ContactsHook
from airflow_provider_contacts.links import ContactLink, push_contact_url
from airflow_provider_contacts.operators.arguments import check_literals
from airflow_provider_contacts.operators.base import BaseContactsOperator, ContactsLike
from airflow_provider_contacts.retry import RetryPolicyOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

__all__ = ["FilterContactsOperator", "ListContactsOperator"]


class ListContactsOperator(BaseContactsOperator):
    """Return the contacts of one connection as XCom.

    For more than a few hundred contacts use
    :class:`~airflow_provider_contacts.transfers.contacts_to_object_storage.ContactsToObjectStorageOperator`,
    because an XCom is a row in Airflow's database.

    All arguments are templated.

    :param contacts_conn_id: connection of any vendor.
    :param filters: the vendor's own parameters.
    :param condition: a condition, or its JSON, that contacts have to match as well.
    :param limit: stop after this many contacts.
    :param max_xcom_contacts: fail if there are more contacts than this; nothing is pushed to XCom
        then.
    :param references_only: return references only, so that no personal data is in XCom. They can be
        updated and waited for, but not filtered.
    :return: a list of dicts with the fields of :class:`~airflow_provider_contacts.contact.Contact`
        except ``raw``, or of references; times are ISO 8601 text.
    :raises InvalidRequest: if a filter is invalid, or there are more contacts than
        ``max_xcom_contacts``.
    :raises ContactsError: for every other failure.
    """

    template_fields: Sequence[str] = (
        *BaseContactsOperator.template_fields,
        "limit",
        "max_xcom_contacts",
        "references_only",
    )
    ui_color = "#e8f1e4"
    operator_extra_links = (ContactLink(),)

    def __init__(
        self,
        *,
        limit: int | str | None = None,
        max_xcom_contacts: int | str = 1000,
        references_only: bool | str = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.limit = limit
        self.references_only = references_only
        self.max_xcom_contacts = max_xcom_contacts
        check_literals(self, partial(parse_optional_int, "limit"), limit)
        check_literals(self, partial(parse_int, "max_xcom_contacts"), max_xcom_contacts)
        check_literals(self, partial(parse_bool, "references_only"), references_only)

    def execute(self, context: Context) -> list[dict[str, object]]:
        """List the contacts."""
        # If the task fails and nothing was pushed, Airflow logs an error about the missing link.
        push_contact_url(context, None)
        limit = parse_optional_int("limit", self.limit)
        max_contacts = parse_int("max_xcom_contacts", self.max_xcom_contacts)
        references_only = parse_bool("references_only", self.references_only)
        hook = ContactsHook.for_connection(self.contacts_conn_id)
        contacts: list[dict[str, object]] = []
        url = None
        for contact in hook.list_contacts(self.filters, condition=self.condition, limit=limit, raw=False):
            if len(contacts) == max_contacts:
                raise InvalidRequest(
                    f"There are more than {max_contacts} contacts (max_xcom_contacts), too many for XCom. "
                    "Write them with ContactsToObjectStorageOperator, or set `limit` or `filters`."
                )
            contacts.append({**contact.reference()} if references_only else contact.to_dict())
            url = url or contact.url
        self.log.info(
            "%s: Listed %d contacts with %d requests.",
            hook.vendor.title,
            len(contacts),
            hook.requests_sent,
        )
        push_contact_url(context, url)
        return contacts


class FilterContactsOperator(RetryPolicyOperator):
    """Return the contacts of an upstream task that match a condition.

    All arguments are templated.

    :param contacts: what :class:`ListContactsOperator` returned, usually ``list_task.output``.
    :param condition: a condition, or its JSON.
    :param skip_if_empty: skip this task and its downstream tasks if no contact matches.
    :return: the dicts that match, unchanged. A contact whose record does not report the condition
        does not match; the log reports how many. If no record reports it, that is an error.
    :raises InvalidRequest: if ``contacts`` is not a list of complete contacts, or the condition is
        invalid.
    :raises UnsupportedByVendor: if the records of a vendor, or all of these contacts, do not report
        the condition.
    """

    template_fields: Sequence[str] = ("contacts", "condition", "skip_if_empty")
    template_fields_renderers: ClassVar[dict[str, str]] = {"condition": "json"}
    ui_color = "#f1ede4"

    def __init__(
        self,
        *,
        contacts: ContactsLike,
        condition: ConditionLike,
        skip_if_empty: bool | str = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.contacts = contacts
        self.condition: Any = to_templatable(condition)
        self.skip_if_empty = skip_if_empty
        check_literals(self, parse_condition, self.condition)
        check_literals(self, partial(parse_bool, "skip_if_empty"), skip_if_empty)

    def execute(self, context: Context) -> list[dict[str, object]]:
        """Filter the contacts."""
        skip_if_empty = parse_bool("skip_if_empty", self.skip_if_empty)
        condition = parse_condition(self.condition)
        if condition is None:
            raise InvalidRequest("`condition` is empty, so there is nothing to filter by.")
        contacts = _whole_contacts(self.contacts)
        registry.require_record_support(condition, {contact.vendor for _, contact in contacts})
        values = [(fields, condition.evaluate(contact)) for fields, contact in contacts]
        matching = [fields for fields, value in values if value is True]
        unknown = sum(value is None for _, value in values)
        self.log.log(
            logging.WARNING if unknown else logging.INFO,
            "%d of %d contacts match; %d could not be evaluated and were excluded.",
            len(matching),
            len(values),
            unknown,
        )
        if values and unknown == len(values):
            vendors = {contact.vendor for _, contact in contacts}
            raise UnansweredCondition(
                f"None of the {len(values)} contacts reports what the condition asks, so it is unknown "
                f"whether any of them matches.{registry.explain_record_filters(condition, vendors)}"
            )
        if not matching and skip_if_empty:
            from airflow.sdk.exceptions import AirflowSkipException

            raise AirflowSkipException("No contact matches the condition (skip_if_empty).")
        return matching


def _whole_contacts(contacts: object) -> list[tuple[dict[str, object], Contact]]:
    if isinstance(contacts, str):
        raise InvalidRequest(
            "`contacts` is text. Pass `task.output`, or set render_template_as_native_obj=True on the DAG."
        )
    if isinstance(contacts, Mapping) or not isinstance(contacts, Iterable):
        raise InvalidRequest("`contacts` must be a list of contacts, such as ListContactsOperator returns.")
    found = []
    for number, fields in enumerate(contacts, start=1):
        if not isinstance(fields, Mapping):
            raise InvalidRequest(f"Item {number} of `contacts` is not a contact.")
        try:
            found.append((dict(fields), Contact.from_dict(fields)))
        except ValueError as error:
            raise InvalidRequest(
                f"Item {number} of `contacts` is not a complete contact, such as ListContactsOperator "
                f"returns: {error}."
            ) from None
    return found
