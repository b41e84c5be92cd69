"""Decode page bytes into contacts: a fast path, and a tolerant one for unexpected fields.

A vendor declares an envelope, generic in the record, and a record. The fast path decodes a whole
page straight into them. If contacts keep ``raw``, the page is decoded a second time, into the bytes
of each record. If a field has an unexpected type, the page is decoded record by record. Only that
field is lost, and ``raw`` keeps it. UNSET marks fields whose absence means unknown, not empty.
"""

from __future__ import annotations

import json
import math
import re
import types
from typing import Any, TypeVar, Union, cast, get_args, get_origin

import msgspec

from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.core.error_bodies import ErrorFormat, ErrorInBody, strip_byte_order_mark
from airflow_provider_contacts.core.paging.styles import LinkPaging, Page
from airflow_provider_contacts.core.request import Response
from airflow_provider_contacts.core.vendor import ListEndpoint, ListingScope
from airflow_provider_contacts.errors import MalformedRecord, MalformedResponse

Record = TypeVar("Record")
# A record as the vendor sends it, unless the listing does not keep it.
RawJson = msgspec.Raw | msgspec.UnsetType

# UnicodeDecodeError is never chained, because it contains the record.
_DECODE_ERRORS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_MAX_DIGITS = 100
# One link of a `Link` header (RFC 8288): a URL in angle brackets, then parameters with or without
# quotes.
_PARAMETER = r"\s*;\s*([\w!#$&+.^`|~*-]+)\s*(?:=\s*(\"(?:[^\"\\]|\\.)*\"|[^\s\",;]+))?"
_LINK = re.compile(rf"[\s,]*<([^>]*)>((?:{_PARAMETER})*)\s*(?=,|$)")


class Envelope(msgspec.Struct):
    """The keys by which a page may report an error. Vendors' envelopes add the records."""

    error: object = None
    errors: object = None
    success: object = None


class PageDecoder:
    """Decodes the pages of one listing.

    :param endpoint: the vendor's structs.
    :param error_format: how the vendor's bodies report errors.
    :param scope: what all records of the listing have in common.
    :param vendor: connection type of the vendor.
    :param keep_raw: whether contacts keep the vendor's bytes.
    :param keys_only: whether contacts need only their key and ``raw``. Requires ``keep_raw``.
    """

    def __init__(
        self,
        endpoint: ListEndpoint,
        error_format: ErrorFormat,
        *,
        vendor: str,
        scope: ListingScope,
        keep_raw: bool,
        keys_only: bool = False,
    ) -> None:
        # Generic aliases such as `list[Raw]` are envelopes too, so these types exist at run time
        # only.
        self._keys_only = keys_only and keep_raw and endpoint.key_record is not None
        record = endpoint.key_record if self._keys_only else endpoint.record
        self._page_decoder = msgspec.json.Decoder(endpoint.envelope[record])
        self._split_decoder = msgspec.json.Decoder(endpoint.envelope[msgspec.Raw], strict=False)
        self._record_decoder = msgspec.json.Decoder(endpoint.record)
        self._vendor = vendor
        self._endpoint = endpoint
        self._error_format = error_format
        self._scope = scope
        self._keep_raw = keep_raw

    def __call__(self, response: Response) -> Page[Contact]:
        """Decode one page.

        :param response: a response with a successful HTTP status.
        :raises ErrorInBody: if the body reports an error instead of a page.
        :raises MalformedResponse: if the body is not a page of contacts.
        :raises MalformedRecord: if a record has no id.
        """
        body = strip_byte_order_mark(response.body)
        page = self._decode_whole(body) or self._decode_records(body)
        if isinstance(self._endpoint.paging, LinkPaging) and page.next_link is None:
            return _with_items(page, page.items, _next_link(response.headers.get("link", "")))
        return page

    def decode_record(self, record: bytes) -> Contact:
        """Decode one record.

        :raises MalformedRecord: if it has no id.
        """
        return self._decode_record(0, msgspec.Raw(record))

    def _decode_whole(self, body: bytes) -> Page[Contact] | None:
        """Decode a page in one go, or return None if one of its records needs the tolerant path."""
        # Decoding a page twice saves 0.6 of 10 µs per contact, compared with decoding its records
        # one by one.
        try:
            page = self._unpack(self._page_decoder.decode(body), body)
            raws = self._unpack(self._split_decoder.decode(body), body).items if self._keep_raw else None
        except _DECODE_ERRORS:
            return None
        contacts = self._to_contacts(page.items, raws)
        return _with_items(page, contacts) if all(contact.contact_id for contact in contacts) else None

    def _to_contacts(self, records: list[Any], raws: list[msgspec.Raw] | None) -> list[Contact]:
        # Local names: these loops run once per contact and take most of the time of a listing.
        endpoint, scope = self._endpoint, self._scope
        to_contact = endpoint.to_contact
        if raws is None:
            return [to_contact(record, scope, msgspec.UNSET) for record in records]
        # `raw` is copied, because it is a view of the whole page, which a single kept contact would
        # keep in memory.
        pairs = zip(records, raws, strict=True)
        if not self._keys_only:
            return [to_contact(record, scope, raw.copy()) for record, raw in pairs]
        vendor, to_key = self._vendor, endpoint.to_key
        return [Contact(vendor, *to_key(record, scope), raw=raw.copy()) for record, raw in pairs]

    def _decode_records(self, body: bytes) -> Page[Contact]:
        """Decode a page record by record, so that each loses only its unreadable fields."""
        try:
            page = self._unpack(self._split_decoder.decode(body), body)
        except _DECODE_ERRORS as error:
            if reported := self._error_format.find_error(body):
                raise ErrorInBody(reported) from None
            if not isinstance(error, msgspec.ValidationError):
                raise MalformedResponse("The response's JSON is nested too deeply or is not UTF-8.") from None
            raise MalformedResponse(
                f"The response has no list of contacts where expected: {error}."
            ) from None
        return _with_items(page, [self._decode_record(index, raw) for index, raw in enumerate(page.items)])

    def _unpack(self, envelope: Any, body: bytes) -> Page[Any]:
        if isinstance(envelope, Envelope):
            failed = envelope.error or envelope.errors or envelope.success is False
            if failed and (reported := self._error_format.find_error(body)):
                raise ErrorInBody(reported)
        return self._endpoint.unpack(envelope)

    def _decode_record(self, index: int, raw: msgspec.Raw) -> Contact:
        try:
            record = self._record_decoder.decode(raw)
        except _DECODE_ERRORS:
            record = self._decode_leniently(index, raw)
        contact = self._endpoint.to_contact(
            record, self._scope, raw.copy() if self._keep_raw else msgspec.UNSET
        )
        if not contact.contact_id:
            raise MalformedRecord(f"Record {index + 1} of a page has an empty id.", bytes(raw))
        return contact

    def _decode_leniently(self, index: int, raw: msgspec.Raw) -> object:
        try:
            # Unlike msgspec, the standard library accepts numbers of any size.
            value = json.loads(bytes(raw).decode(errors="replace"), parse_int=_parse_digits)
            return convert_leniently(value, self._endpoint.record)
        except (msgspec.ValidationError, ValueError, RecursionError) as error:
            detail = f": {error}" if isinstance(error, msgspec.ValidationError) else ""
            raise MalformedRecord(
                f"Record {index + 1} of a page has no usable id{detail}.", bytes(raw)
            ) from None


def convert_leniently(value: object, type_: type[Record]) -> Record:
    """Return ``value`` as the struct ``type_``, without the optional fields that do not fit.

    :raises msgspec.ValidationError: if a required field is missing or does not fit.
    """
    if not isinstance(value, dict):
        return msgspec.convert(value, type_)
    values: dict[str, object] = {}
    for field in msgspec.structs.fields(cast("Any", type_)):
        if field.encode_name in value:
            try:
                values[field.name] = _convert_field(value[field.encode_name], field.type)
            except msgspec.ValidationError:
                if field.required:
                    raise
        elif field.required:
            raise msgspec.ValidationError(f"Object missing required field `{field.encode_name}`")
    return type_(**values)


def _convert_field(value: object, type_: Any) -> object:
    options = get_args(type_) if get_origin(type_) in (Union, types.UnionType) else (type_,)
    for option in options:
        if isinstance(option, type) and issubclass(option, msgspec.Struct) and isinstance(value, dict):
            return convert_leniently(value, option)
        if get_origin(option) is list and isinstance(value, list):
            # If one item is unreadable, the whole list is lost: the rest would look like a complete
            # list.
            return [_convert_field(item, get_args(option)[0]) for item in value]
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if str in options and is_number:
        return str(value)
    converted: object = msgspec.convert(value, type_, strict=False)
    return converted


def _with_items(page: Page[Any], contacts: list[Contact], next_link: str | None = None) -> Page[Contact]:
    return Page(
        contacts, page.total, page.has_more, page.next_cursor, next_link or page.next_link, page.page_count
    )


def _next_link(header: str) -> str | None:
    """Return the URL of the next page in a ``Link`` header, or None.

    :raises MalformedResponse: if the header cannot be parsed. A link that is not understood must
        not end a listing.
    """
    position = 0
    found: str | None = None
    while header[position:].strip(" \t,"):
        link = _LINK.match(header, position)
        if link is None:
            raise MalformedResponse("The header `Link` cannot be parsed.")
        position = link.end()
        parameters = re.findall(_PARAMETER, link.group(2))
        relations = next((value for name, value in parameters if name.lower() == "rel"), "")
        if found is None and "next" in relations.strip("\"'").lower().split():
            found = link.group(1)
    return found


def _parse_digits(digits: str) -> int | float:
    return int(digits) if len(digits) < _MAX_DIGITS else math.inf
