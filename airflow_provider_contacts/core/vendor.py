"""What a vendor's file declares."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.core.changes import Writes
from airflow_provider_contacts.core.filters import Answer
from airflow_provider_contacts.core.paging import CursorPaging, Page, PageNumberPaging
from airflow_provider_contacts.core.request import Request
from airflow_provider_contacts.core.settings import Credentials, Settings
from airflow_provider_contacts.errors import ContactsError


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactList:
    """How a vendor lists contacts: with ``GET``, and pages that are numbered or follow a cursor.

    :param path: path of the list below the base URL.
    :param filters: the ``TypedDict`` of the API page's parameters, without those that paging sets.
    :param paging: which request comes next.
    :param envelope: struct of an answer, generic in the record, derived from ``decoding.Envelope``.
    :param record: struct of one contact as the vendor sends it.
    :param unpack: gives the page of an envelope.
    :param to_contact: makes a contact of a record, the listing's account id, and the record's bytes or UNSET.
    :param answers: which conditions the vendor can answer, by their names, and how.
    :param complete: adds what the vendor needs beside the author's filters, such as a default scope.
    :param account_id: gives the account id of a listing whose records do not carry one.
    """

    path: str
    filters: type
    paging: CursorPaging | PageNumberPaging
    envelope: Any
    record: Any
    unpack: Callable[[Any], Page[Any]]
    to_contact: Callable[[Any, str, Any], Contact]
    answers: Mapping[str, Answer] = field(default_factory=dict)
    complete: Callable[[dict[str, Any], Settings], dict[str, Any]] = lambda filters, _settings: filters
    account_id: Callable[[dict[str, Any], Settings], str] = lambda _filters, _settings: ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """What a vendor's API pages say, and nothing that is done with it.

    :param name: the connection type.
    :param title: the name as people write it.
    :param base_url: where the API is, or None where every customer has an address of their own.
    :param credentials: gives the headers, or the login, of a connection.
    :param credential_field: the form field that a rejected credential is in.
    :param contacts: how contacts are listed.
    :param writes: what can be written.
    :param options: fields of the connection's extra that are the vendor's own.
    :param rates: requests allowed, as pairs of a number and the seconds it holds for.
    :param check: the cheapest request that needs the credentials; by default a list of one contact.
    :param error_labels: the error class of those labels of the vendor whose HTTP status does not tell it.
    """

    name: str
    title: str
    base_url: str | None
    credentials: Callable[[Settings], Credentials]
    credential_field: str
    contacts: ContactList
    writes: Writes
    options: tuple[str, ...] = ()
    rates: tuple[tuple[int, float], ...] = ()
    check: Callable[[Settings], Request | None] = lambda _settings: None
    error_labels: Mapping[str, type[ContactsError]] = field(default_factory=dict)
