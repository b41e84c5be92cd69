from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any, Generic, TypeVar

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.core.error_bodies import ErrorFormat
from airflow_provider_contacts.core.paging.styles import LinkPaging, Page
from airflow_provider_contacts.core.reading.decoding import Envelope, PageDecoder
from airflow_provider_contacts.core.request import Response
from airflow_provider_contacts.core.vendor import ListEndpoint, ListingScope
from airflow_provider_contacts.errors import (
    ContactsError,
    MalformedRecord,
    MalformedResponse,
)
from airflow_provider_contacts.hooks.mailstand import MAILSTAND
from airflow_provider_contacts.hooks.talktohumans import TALKTOHUMANS
from airflow_provider_contacts.hooks.tether import TETHER
from airflow_provider_contacts.hooks.thoughtly import THOUGHTLY
from tests.conftest import Read
from tests.scripted import Reply, ScriptedServer
from tests.strategies import anything
from tests.tether import page
from tests.vendors import CASES

R = TypeVar("R")
DECLARED = {vendor.name: vendor.contacts for vendor in (TALKTOHUMANS, THOUGHTLY, MAILSTAND, TETHER)}


def decode(vendor: str, page: Any, keep_raw: bool, *, keys_only: bool = False) -> Page[Any]:
    contacts = DECLARED[vendor]
    decoder = PageDecoder(
        contacts,
        ErrorFormat(),
        vendor=vendor,
        scope=ListingScope("account"),
        keep_raw=keep_raw,
        keys_only=keys_only,
    )
    return decoder(Response(200, {}, json.dumps(page).encode()))


@pytest.mark.parametrize("vendor", list(CASES))
@settings(max_examples=120)
@given(data=st.data())
def test_no_optional_field_fails_a_record(vendor: str, data: st.DataObject) -> None:
    case = CASES[vendor]
    names = [
        field.encode_name for field in msgspec.structs.fields(DECLARED[vendor].record) if not field.required
    ]
    record = {**data.draw(st.dictionaries(st.sampled_from(names), anything)), case.samples.id_key: "7"}
    page = case.page(case.record(1), record, case.record(3))
    with_raw, without = decode(vendor, page, True).items, decode(vendor, page, False).items
    assert [contact.contact_id for contact in without] == ["1", "7", "3"]
    assert [contact.to_dict() for contact in with_raw] == [contact.to_dict() for contact in without]
    assert json.loads(bytes(with_raw[1].raw)) == record
    keys = decode(vendor, page, True, keys_only=True).items
    assert [(one.reference(), bytes(one.raw)) for one in keys] == [
        (one.reference(), bytes(one.raw)) for one in with_raw
    ]
    for contact in without:
        json.dumps(contact.to_dict())
        contact.identity_keys()


def test_only_the_mistyped_field_is_lost() -> None:
    case = CASES["mailstand"]
    record = {**case.record(1), "email": "a@b.example", "stage": 5, "city": ["x"], "created": 1654714807}
    [contact] = decode("mailstand", case.page(record), False).items
    assert (contact.email, contact.stage, contact.city) == ("a@b.example", "5", None)
    assert contact.created_at == datetime(2022, 6, 8, 19, 0, 7, tzinfo=timezone.utc)


DEEP = b"[" * 100_000 + b"]" * 100_000


@pytest.mark.parametrize(
    "reply",
    [
        Reply(body=DEEP),
        Reply(status=400, body=DEEP),
        Reply(body=b'{"success": true, "data": {"contacts": [{"_id": "1", "meta": ' + DEEP + b"}]}}"),
    ],
    ids=["body", "error", "record"],
)
def test_json_nested_too_deeply(
    reply: Reply, tether: Callable[..., str], scripted: ScriptedServer, read: Read
) -> None:
    scripted.replies = [reply]
    with pytest.raises(ContactsError):
        read(tether(scripted.url))


@pytest.mark.parametrize(
    "record",
    [
        {"_id": "1", "createdAt": "0001-01-01T00:00:00+05:00"},
        {"_id": "1", "createdAt": "9999-12-31T23:59:59-05:00"},
        {"_id": "1", "email": [[[]]]},
    ],
)
def test_mistyped_values_lose_only_the_field(
    record: Any, tether: Callable[..., str], scripted: ScriptedServer, read: Read
) -> None:
    scripted.replies = [Reply(body=page(record, total=1))]
    [contact] = read(tether(scripted.url))
    assert contact.created_at is None


@pytest.mark.parametrize("value", ["1e400", "9" * 5000, '"' + "9" * 5000 + '"'])
def test_numbers_of_any_size(
    value: str, connect: Callable[..., str], scripted: ScriptedServer, read: Read
) -> None:
    body = '{"status": "ok", "total_found": 1, "data": [{"id": "contact_1", "email": "a@b.example", "created": %s}]}'
    scripted.replies = [Reply(body=(body % value).encode())]
    [contact] = read(connect("m", **{**CASES["mailstand"].parts, "host": scripted.url}), raw=False)
    assert (contact.contact_id, contact.email) == ("contact_1", "a@b.example")


class _LinkedPage(Envelope, Generic[R], kw_only=True):
    results: list[R]


class _LinkedRecord(msgspec.Struct):
    id: str


LINKED = ListEndpoint(
    path="/x",
    filters=dict,
    paging=LinkPaging(size_param="size", max_size=50, page_param="page"),
    envelope=_LinkedPage,
    record=_LinkedRecord,
    unpack=lambda envelope: Page(envelope.results),
    to_contact=lambda record, scope, raw: Contact("v", scope.account_id, record.id, raw=raw),
)


def next_link(header: str | None) -> str | None:
    decoder = PageDecoder(LINKED, ErrorFormat(), vendor="test", scope=ListingScope(), keep_raw=False)
    headers = {} if header is None else {"link": header}
    return decoder(Response(200, headers, b'{"results": [{"id": "1"}]}')).next_link


@pytest.mark.parametrize(
    ("header", "link"),
    [
        (None, None),
        ("", None),
        ('<https://a.example/?page=2>; rel="next"', "https://a.example/?page=2"),
        ("<?page=2>; rel=next", "?page=2"),
        ('<?page=1>; rel="prev", <?page=2>; rel="next"', "?page=2"),
        ('<?page=2>; rel="last next"', "?page=2"),
        ('<?page=2>; rel="start\tnext"', "?page=2"),
        ('<?page=2>; REL = "Next"', "?page=2"),
        ('<?page=2>; title="a, b; \\"c\\""; rel="next"', "?page=2"),
        ("<?page=2>; rel='next'", "?page=2"),
        ('<?page=2>; title="<b>"; rel=next', "?page=2"),
        ("<?a=1,2&page=2>;rel=next , <?page=9>;rel=last", "?a=1,2&page=2"),
        ('<?page=1>; rel="prev"', None),
        ('<?page=2>; rel="nextish"', None),
        ('<?page=2>; rel="prev"; rel="next"', None),
    ],
)
def test_next_link_in_a_header(header: str | None, link: str | None) -> None:
    assert next_link(header) == link


@pytest.mark.parametrize(
    "header", ["nonsense", "?page=2; rel=next", 'x; <?page=2>; rel="next"', '<?page=2>; rel="next']
)
def test_link_header_that_cannot_be_parsed(header: str) -> None:
    with pytest.raises(MalformedResponse, match="The header `Link` cannot be parsed"):
        next_link(header)


@pytest.mark.parametrize("number", ["9" * 150, "1e999"])
def test_number_without_an_exact_value_is_not_an_id(number: str) -> None:
    """Two such ids would look the same."""
    page = json.dumps(CASES["mailstand"].page({"id": "ID"})).replace('"ID"', number)
    with pytest.raises(MalformedRecord, match="no usable id"):
        PageDecoder(MAILSTAND.contacts, ErrorFormat(), vendor="test", scope=ListingScope(), keep_raw=False)(
            Response(200, {}, page.encode())
        )


def test_kept_contact_does_not_keep_its_page() -> None:
    """Each page has 1 MB. What is kept of 30 pages must not keep 30 MB."""
    endpoint = MAILSTAND.contacts
    decoder = PageDecoder(
        endpoint, ErrorFormat(), vendor="test", scope=ListingScope("space_x"), keep_raw=True
    )
    records = [{"id": "contact_1"}, {"id": "contact_2", "x": "x" * 1_000_000}]
    body = json.dumps({"status": "ok", "data": records, "total_found": 2}).encode()
    tracemalloc.start()
    try:
        kept = [decoder(Response(200, {}, bytes(bytearray(body)))).items[0] for _ in range(30)]
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert bytes(kept[0].raw) == b'{"id": "contact_1"}'
    assert size < 3_000_000
