"""Everything that a vendor file declares."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_contacts.conditions import Condition, InStage, Tagged
from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.core.changes import (
    VENDOR_CHANGE_KINDS,
    Change,
    ChangeKind,
    NotesChange,
    StageChange,
    TagChange,
)
from airflow_provider_contacts.core.connection_form import ConnectionForm
from airflow_provider_contacts.core.error_bodies import ErrorFormat
from airflow_provider_contacts.core.filters import Filters
from airflow_provider_contacts.core.paging.styles import Page, Paging
from airflow_provider_contacts.core.request import Flow, Request
from airflow_provider_contacts.core.settings import Credentials, Settings
from airflow_provider_contacts.errors import ContactsError, InvalidRequest


def _no_filters(_condition: Condition, _wanted: bool) -> Filters | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionSupport:
    """How a vendor supports one kind of condition.

    :param to_filters: returns the filters that express the condition (or, with False, for its
        negation), or None if its filters cannot express it.
    :param is_on_record: whether records report it.
    :param record_filter: the filter that the user must set for records to report it, or an empty
        string.
    :param required_filter: the filter that the user must set for the vendor to answer, or an empty
        string.
    :param is_exact: returns whether the vendor's filter expresses the condition fully. If so,
        contacts whose record does not report it are kept, otherwise they are dropped.
    :param explain_unsupported: returns why the vendor cannot answer this particular condition as a
        sentence, or an empty string.
    """

    to_filters: Callable[[Condition, bool], Filters | None] = _no_filters
    is_on_record: bool = True
    record_filter: str = ""
    required_filter: str = ""
    is_exact: Callable[[Condition], bool] = lambda _condition: True
    explain_unsupported: Callable[[Condition], str] = lambda _condition: ""

    @classmethod
    def from_filters(
        cls,
        filters: Filters,
        *,
        negated: Filters | None = None,
        is_on_record: bool = True,
        record_filter: str = "",
    ) -> ConditionSupport:
        """Support a condition with fixed filters.

        :param filters: select contacts for which the condition holds.
        :param negated: select contacts for which it does not hold, or None if the vendor has no
            such filters.
        """
        return cls(
            to_filters=lambda _condition, wanted: filters if wanted else negated,
            is_on_record=is_on_record,
            record_filter=record_filter,
        )

    @classmethod
    def from_name(
        cls, filters: Callable[[str], Filters], *, negated: Callable[[str], Filters | None] | None = None
    ) -> ConditionSupport:
        """Support ``Tagged(name)`` or ``InStage(name)`` by filters made from one name."""

        def to_filters(condition: Condition, wanted: bool) -> Filters | None:
            assert isinstance(condition, Tagged | InStage)
            names = condition.names if isinstance(condition, InStage) else (condition.name,)
            make = filters if wanted else negated
            found = [None if make is None else make(name) for name in names]
            return found[0] if len(found) == 1 else None

        return cls(to_filters=to_filters)


@dataclass(frozen=True, slots=True, repr=False)
class ListingScope:
    """What all records of a listing have in common, without a repr of the filters.

    :param account_id: the account id, if records do not contain it, or an empty string.
    :param filters: the filters that are sent, defaults included.
    """

    account_id: str = ""
    filters: Filters = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListEndpoint:
    """How a vendor lists contacts: with ``GET``, page by page.

    The structs are the vendor's own, so their types are not known here.

    :param path: path below the base URL.
    :param filters: a ``TypedDict`` of the documented query parameters, without those that paging
        sets.
    :param paging: how the listing is divided into pages.
    :param envelope: struct of a response, generic in the record, derived from
        ``decoding.Envelope``.
    :param record: struct of one contact as the vendor sends it.
    :param unpack: returns the page in an envelope.
    :param to_contact: makes a contact from a record, the listing's scope, and the record's bytes or
        UNSET.
    :param key_record: struct of the fields that identify a contact, or None. With it, listings that
        need nothing else are faster.
    :param to_key: returns account id and contact id of a ``key_record``, as ``to_contact`` does.
    :param conditions: the conditions that the vendor supports, by their JSON names.
    :param default_filters: returns what to send in addition to the user's filters, such as a
        default scope.
    :param account_id: returns the account id of a listing whose records do not contain one.
    :param explain_gap: returns why a listing with some filters may leave contacts out as a
        sentence, or an empty string.
    """

    path: str
    filters: type
    paging: Paging
    envelope: Any
    record: Any
    unpack: Callable[[Any], Page[Any]]
    to_contact: Callable[[Any, ListingScope, Any], Contact]
    key_record: Any = None
    to_key: Callable[[Any, ListingScope], tuple[str, str]] = lambda record, scope: (
        scope.account_id,
        record.id,
    )
    conditions: Mapping[str, ConditionSupport] = field(default_factory=dict)
    default_filters: Callable[[Filters, Settings], Filters] = lambda _filters, _settings: {}
    account_id: Callable[[Filters, Settings], str] = lambda _filters, _settings: ""
    explain_gap: Callable[[Filters], str] = lambda _filters: ""


def require_id_format(pattern: str, problem: str, *, account_problem: str = "") -> Callable[[str, str], None]:
    """Return a check of contact ids.

    :param pattern: a regular expression, for ASCII, that a contact id matches as a whole.
    :param problem: what is wrong with an id that does not match, as a sentence.
    :param account_problem: the same for account ids, if they have the format too, or an empty
        string.
    """
    is_valid = re.compile(pattern, re.ASCII).fullmatch

    def check_ids(contact_id: str, account_id: str) -> None:
        if not is_valid(contact_id):
            raise InvalidRequest(problem)
        if account_problem and account_id and not is_valid(account_id):
            raise InvalidRequest(account_problem)

    return check_ids


def _contains(stages: Collection[str], stage: str) -> bool:
    return stage.strip().casefold() in {name.casefold() for name in stages}


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactEndpoint:
    """How a vendor returns one contact: with ``GET``.

    :param path: path below the base URL, with ``{contact_id}``.
    :param unwrap: returns the contact in the body of a response, with the names that records of a
        listing have, or None if it is not there.
    """

    path: str
    unwrap: Callable[[object], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateSupport:
    """Which changes a vendor's API can make.

    ``tags``, ``notes`` and ``stage`` take a contact id, an account id and a change. They yield
    requests, receive the responses, and return the contact after the change, or None if the vendor
    does not send it.

    :param check_ids: raises InvalidRequest for a malformed contact id or account id.
    :param resolve_stage: takes a change of stage, the number of contacts to change and the
        connection's settings, and returns the change as the vendor needs it. It runs once, before
        the first contact.
    :param bulk_stage: takes contact ids and a resolved change; raises unless all of them were
        changed.
    :param bulk_limit: how many ids ``bulk_stage`` takes.
    :param default_stop: the change that the action ``default`` makes, or None if an author has to
        choose one.
    :param stopping_stages: the stages that stop outreach according to the vendor's docs, or None if
        stages are the user's own.
    :param opt_out_stages: the stages of contacts who have opted out.
    :param read_stages: yields requests, and returns the present stages of a contact, which may have
        one in every campaign; or None if the API reports no opt-outs.
    """

    check_ids: Callable[[str, str], None] = lambda _contact_id, _account_id: None
    tags: Callable[[str, str, TagChange], Flow[Contact | None]] | None = None
    notes: Callable[[str, str, NotesChange], Flow[Contact | None]] | None = None
    stage: Callable[[str, str, StageChange], Flow[Contact | None]] | None = None
    resolve_stage: Callable[[StageChange, int, Settings], Flow[StageChange]] | None = None
    bulk_stage: Callable[[list[str], StageChange], Flow[None]] | None = None
    bulk_limit: int = 1
    default_stop: Change | None = None
    stopping_stages: Collection[str] | None = None
    opt_out_stages: Collection[str] = ()
    read_stages: Callable[[str], Flow[list[str]]] | None = None

    def records_opt_out(self, change: Change) -> bool:
        """Return whether a change is to an opt-out stage, which is never held back."""
        return isinstance(change, StageChange) and self.is_opt_out(change.stage)

    def is_opt_out(self, stage: object) -> bool:
        """Return whether contacts in a stage have opted out."""
        return isinstance(stage, str) and _contains(self.opt_out_stages, stage)

    def would_leave_opt_out(self, change: Change) -> bool:
        """Return whether a change would take a contact out of an opt-out stage, if it is in one."""
        return (
            bool(self.opt_out_stages)
            and isinstance(change, StageChange)
            and not self.is_opt_out(change.stage)
        )

    def is_documented_stop(self, change: Change) -> bool:
        """Return whether the API docs say that a change stops outreach."""
        return isinstance(change, StageChange) and _contains(self.stopping_stages or (), change.stage)

    @property
    def kinds(self) -> list[ChangeKind]:
        """The kinds of changes that can be made."""
        return [kind for kind in VENDOR_CHANGE_KINDS if self.supports(kind)]

    def supports(self, kind: ChangeKind) -> bool:
        """Return whether contacts can be changed in this way."""
        return {"tags": self.tags, "notes": self.notes, "stage": self.stage}.get(kind) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """A vendor, as its API docs describe it.

    :param name: the connection type.
    :param title: display name.
    :param base_url: URL of the API, or None if every customer has its own.
    :param docs_url: URL of the API docs.
    :param form: the connection form.
    :param credentials: returns the headers, or the login, of a connection.
    :param contacts: how contacts are listed.
    :param contact: how one contact is returned, or None if the API has no call for it.
    :param updates: which changes can be made.
    :param rates: published rate limits, as pairs of a number of requests and a window in seconds.
    :param probe: returns the cheapest request that needs the credentials; by default the first
        contact is listed.
    :param error_format: how response bodies report errors.
    :param error_labels: error classes by the vendor's label, where the HTTP status alone is
        misleading.
    :param credential_fields: the form fields to check after a 401; by default the password field.
    :param scope_field: the form field to check if a listing is not found, or an empty string.
    :param list_account_ids: yields requests, and returns the ids of all accounts that the
        connection reads, or None if a listing has the accounts of its own filters.
    :param list_scopes: yields requests, and returns the ids that ``scope_field`` may contain.
    """

    name: str
    title: str
    base_url: str | None
    docs_url: str
    form: ConnectionForm
    credentials: Callable[[Settings], Credentials]
    contacts: ListEndpoint
    contact: ContactEndpoint | None = None
    updates: UpdateSupport = field(default_factory=UpdateSupport)
    rates: tuple[tuple[int, float], ...] = ()
    probe: Callable[[Settings], Request | None] = lambda _settings: None
    error_format: ErrorFormat = field(default_factory=ErrorFormat)
    error_labels: Mapping[str, type[ContactsError]] = field(default_factory=dict)
    credential_fields: str = ""
    scope_field: str = ""
    list_account_ids: Callable[[], Flow[list[str]]] | None = None
    list_scopes: Callable[[], Flow[list[str]]] | None = None

    @property
    def fields_to_check(self) -> str:
        """The form fields to check after a rejected credential, for messages."""
        return self.credential_fields or f"field {self.form.password_label} (password)"
