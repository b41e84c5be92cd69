"""Page bytes to records: the fast path, and the tolerant one that a page with an odd field takes.

A vendor declares an envelope, generic in the record, and a record. The fast path decodes a whole page
straight into them. If one field of one record has another type than declared, the page is read again
record by record, and only that field is lost; ``raw`` still has it. A record declares UNSET as the default of
fields whose absence must not pass for a known "nothing".
"""

from __future__ import annotations

import json
import math
import types
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any, Generic, TypeVar, Union, cast, get_args, get_origin

import msgspec

from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.core.paging import Page
from airflow_provider_contacts.errors import MalformedRecord, MalformedResponse

Record = TypeVar("Record")
ToContact = Callable[[Any, str, Any], Contact]

# The keys under which an answer reports a failure, whatever its HTTP status.
_FAILURE_KEYS = ("error", "errors")
_BOM = b"\xef\xbb\xbf"
# UnicodeDecodeError would carry the record's text.
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Failure(msgspec.Struct, frozen=True):
    """What a vendor's error body says.

    :param label: the vendor's name or code for the failure, empty where it gives none.
    :param message: its explanation, empty where it gives none.
    :param status: the HTTP status that the body names, or None.
    """

    label: str = ""
    message: str = ""
    status: int | None = None


class ReportedFailure(Exception):
    """An answer with a good HTTP status whose body reports a failure.

    :param failure: what the body says.
    """

    def __init__(self, failure: Failure) -> None:
        super().__init__("the answer reports a failure")
        self.failure = failure


class Envelope(msgspec.Struct):
    """What an answer may say of a failure, at every vendor; vendors' envelopes add where the records are."""

    error: Any = None
    errors: Any = None
    success: Any = None


class PageDecoder(Generic[Record]):
    """Decodes the pages of one listing.

    :param envelope: the vendor's generic envelope struct.
    :param record: the vendor's record struct.
    :param unpack: gives the page of an envelope.
    :param to_contact: makes a contact of a record, the listing's account id and the raw bytes or UNSET.
    :param account_id: the listing's account id, for vendors whose records do not carry it.
    :param keep_raw: whether contacts keep the vendor's own bytes.
    """

    def __init__(
        self,
        *,
        envelope: Any,
        record: type[Record],
        unpack: Callable[[Any], Page[Any]],
        to_contact: ToContact,
        account_id: str,
        keep_raw: bool,
    ) -> None:
        self._whole = msgspec.json.Decoder(envelope[record])
        self._split = msgspec.json.Decoder(envelope[msgspec.Raw], strict=False)
        self._one = msgspec.json.Decoder(record)
        self._record = record
        self._unpack = unpack
        self._to_contact = to_contact
        self._account_id = account_id
        self._keep_raw = keep_raw

    def __call__(self, body: bytes) -> Page[Contact]:
        """Decode one page.

        :param body: the bytes of an answer with a good HTTP status.
        :raises ReportedFailure: if the body reports a failure in place of a page.
        :raises MalformedResponse: if the body is not a page of contacts.
        :raises MalformedRecord: if a record has no id.
        """
        body = body.removeprefix(_BOM)
        if not self._keep_raw:
            try:
                page = self._page(self._whole.decode(body), body)
            except _UNREADABLE:
                pass
            else:
                to_contact, account_id = self._to_contact, self._account_id
                contacts = [to_contact(record, account_id, msgspec.UNSET) for record in page.items]
                if all(contact.contact_id for contact in contacts):
                    return _with_items(page, contacts)
        try:
            page = self._page(self._split.decode(body), body)
        except _UNREADABLE as error:
            if failure := failure_in(body):
                raise ReportedFailure(failure) from None
            if not isinstance(error, msgspec.ValidationError):
                raise MalformedResponse("the answer's JSON is nested too deeply, or is no UTF-8") from None
            raise MalformedResponse(
                f"the answer has no list of contacts where it should be: {error}"
            ) from None
        return _with_items(page, [self._contact(index, raw) for index, raw in enumerate(page.items)])

    def _page(self, envelope: Any, body: bytes) -> Page[Any]:
        failed = envelope.error or envelope.errors or envelope.success is False
        if failed and (failure := failure_in(body)):
            raise ReportedFailure(failure)
        return self._unpack(envelope)

    def _contact(self, index: int, raw: msgspec.Raw) -> Contact:
        try:
            record = self._one.decode(raw)
        except _UNREADABLE:
            try:
                # The standard library's reader takes numbers of any size.
                record = lenient(
                    json.loads(bytes(raw).decode(errors="replace"), parse_int=_whole_number), self._record
                )
            except (msgspec.ValidationError, ValueError, RecursionError) as error:
                detail = f": {error}" if isinstance(error, msgspec.ValidationError) else ""
                raise MalformedRecord(
                    f"record {index + 1} of a page cannot be told from others{detail}", bytes(raw)
                ) from None
        contact = self._to_contact(record, self._account_id, raw if self._keep_raw else msgspec.UNSET)
        if not contact.contact_id:
            raise MalformedRecord(f"record {index + 1} of a page has an empty id", bytes(raw))
        return contact


def _with_items(page: Page[Any], contacts: list[Contact]) -> Page[Contact]:
    return Page(contacts, page.total, page.has_more, page.next_cursor)


def lenient(value: Any, type_: type[Record]) -> Record:
    """Return ``value`` as the struct ``type_``, without the optional fields that do not fit.

    :raises msgspec.ValidationError: if a field without a default is missing or does not fit.
    """
    if not isinstance(value, dict):
        return msgspec.convert(value, type_)
    values: dict[str, Any] = {}
    for field in msgspec.structs.fields(cast("Any", type_)):
        if field.encode_name in value:
            try:
                values[field.name] = _lenient_field(value[field.encode_name], field.type)
            except msgspec.ValidationError:
                if field.required:
                    raise
        elif field.required:
            raise msgspec.ValidationError(f"Object missing required field `{field.encode_name}`")
    return type_(**values)


def _lenient_field(value: Any, type_: Any) -> Any:
    options = get_args(type_) if get_origin(type_) in (Union, types.UnionType) else (type_,)
    for option in options:
        if isinstance(option, type) and issubclass(option, msgspec.Struct) and isinstance(value, dict):
            return lenient(value, option)
        if get_origin(option) is list and isinstance(value, list):
            # A list with an item that cannot be read is lost whole: what is left would pass for all there is.
            return [_lenient_field(item, get_args(option)[0]) for item in value]
    if str in options and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return msgspec.convert(value, type_, strict=False)


def failure_in(body: bytes) -> Failure | None:
    """Return what an answer says went wrong, or None if it does not speak of a failure.

    Understood are ``{"error": {"code", "message"}}``, ``{"error": "label", "message"}``,
    ``{"success": false, "message"}``, ``{"statusCode", "message"}``, ``{"code", "message"}`` without data,
    and a list of any of these. A null, empty or missing ``error`` is none.

    :raises MalformedResponse: if the body is not JSON.
    """
    answer = json_of(body)
    if isinstance(answer, list) and answer and isinstance(answer[0], dict):
        answer = answer[0] if any(answer[0].get(key) for key in _FAILURE_KEYS) else {}
    if not isinstance(answer, dict):
        return None
    for key in _FAILURE_KEYS:
        if answer.get(key):
            return _failure(answer[key], answer)
    status = answer.get("statusCode")
    failed = answer.get("success") is False or (isinstance(status, int) and status >= 400)
    if failed or ("message" in answer and not answer.keys() - {"message", "code"}):
        return _failure(answer, answer)
    return None


def _failure(error: Any, answer: Mapping[str, Any]) -> Failure:
    if isinstance(error, list):
        error = error[0] if error else {}
    if isinstance(error, dict):
        label = error.get("code") or error.get("error") or error.get("type") or ""
        message = error.get("message") or error.get("detail") or answer.get("message") or ""
        named = [error.get("statusCode"), answer.get("statusCode"), label]
    else:
        label, message = error, answer.get("message") or ""
        named = [answer.get("statusCode")]
    status = next((value for value in named if type(value) is int and 300 <= value < 600), None)
    return Failure(
        str(label) if isinstance(label, str | int) else "",
        message if isinstance(message, str) else "",
        status,
    )


def json_of(body: bytes) -> Any:
    """Return the JSON value of an answer.

    :raises MalformedResponse: if it is not JSON; transient if it starts like JSON, and so was cut or garbled.
    """
    try:
        return msgspec.json.decode(body.removeprefix(_BOM))
    except (UnicodeDecodeError, RecursionError):
        raise MalformedResponse("the answer's JSON is nested too deeply, or is no UTF-8") from None
    except msgspec.DecodeError:
        pass
    start = body.removeprefix(_BOM).lstrip()[:1]
    if start in (b"{", b"["):
        raise MalformedResponse("the answer's JSON is cut short or garbled", transient=True)
    if start == b"<":
        raise MalformedResponse(
            "the answer is a web page and not JSON; check that Host is the address of the API"
        )
    raise MalformedResponse("the answer is not JSON; check that Host is the address of the API")


def _whole_number(digits: str) -> int | float:
    return int(digits) if len(digits) < 100 else math.inf


def utc(moment: datetime | None) -> datetime | None:
    """Return ``moment`` in UTC; one without a zone is taken to be in UTC."""
    if moment is None or moment.tzinfo is timezone.utc:
        return moment
    if moment.tzinfo is None:
        return moment.replace(tzinfo=timezone.utc)
    try:
        return moment.astimezone(timezone.utc)
    except OverflowError:
        return None


def from_unix(value: Any) -> datetime | None:
    """Return the time of a number of seconds since 1970, or None if ``value`` is none such.

    Text is taken only if it is digits: "47 minutes ago" is not a time.
    """
    if isinstance(value, str) and len(value) < 20 and value.isascii() and value.isdigit():
        value = int(value)
    if not isinstance(value, int | float) or isinstance(value, bool) or value <= 0:
        return None
    try:
        return datetime.fromtimestamp(value, timezone.utc)
    except (OverflowError, OSError, ValueError):
        return None
