from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_contacts.core.coerce import from_unix, utc
from airflow_provider_contacts.core.decoding import PageDecoder
from airflow_provider_contacts.core.error_bodies import ErrorFormat, ReportedError, decode_json
from airflow_provider_contacts.core.paging import Page
from airflow_provider_contacts.core.request import Response
from airflow_provider_contacts.errors import MalformedResponse
from airflow_provider_contacts.hooks.mailstand import MAILSTAND
from airflow_provider_contacts.hooks.talktohumans import TALKTOHUMANS
from airflow_provider_contacts.hooks.tether import TETHER
from airflow_provider_contacts.hooks.thoughtly import THOUGHTLY
from tests.vendors import CASES

DECLARED = {vendor.name: vendor.contacts for vendor in (TALKTOHUMANS, THOUGHTLY, MAILSTAND, TETHER)}
FORMAT = ErrorFormat(status_key="statusCode")
anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def decode(vendor: str, page: Any, keep_raw: bool) -> Page[Any]:
    contacts = DECLARED[vendor]
    decoder = PageDecoder(contacts, ErrorFormat(), account_id="account", keep_raw=keep_raw)
    return decoder(Response(200, {}, json.dumps(page).encode()))


@pytest.mark.parametrize("vendor", list(CASES))
@settings(deadline=None, max_examples=120)
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
    for contact in without:
        json.dumps(contact.to_dict())
        contact.identity_keys()


def test_only_the_mistyped_field_is_lost() -> None:
    case = CASES["mailstand"]
    record = {**case.record(1), "email": "a@b.example", "stage": 5, "city": ["x"], "created": 1654714807}
    [contact] = decode("mailstand", case.page(record), False).items
    assert (contact.email, contact.stage, contact.city) == ("a@b.example", "5", None)
    assert contact.created_at == datetime(2022, 6, 8, 19, 0, 7, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("body", "failure"),
    [
        ({"error": {"code": "x", "message": "y"}}, ReportedError("x", "y")),
        ({"error": "x", "message": "y", "statusCode": 400}, ReportedError("x", "y", 400)),
        ({"message": "y", "code": "x"}, ReportedError("x", "y")),
        ({"success": False, "message": "y"}, ReportedError("", "y")),
        ([{"error": "x", "message": "y"}], ReportedError("x", "y")),
        ({"errors": [{"error": "x", "message": "y"}]}, ReportedError("x", "y")),
        ({"error": {"code": 401, "message": "y"}}, ReportedError("401", "y", 401)),
        ({"error": ["x"]}, ReportedError("x", "")),
        ({"error": {}, "data": {}}, None),
        ({"error": None, "data": {}}, None),
        ({"status": "ok"}, None),
        ([], None),
        (5, None),
    ],
)
def test_find_error(body: Any, failure: ReportedError | None) -> None:
    assert FORMAT.find_error(json.dumps(body).encode()) == failure


@given(anything)
def test_any_json_is_an_error_or_none(body: Any) -> None:
    found = FORMAT.find_error(json.dumps(body).encode())
    assert found is None or isinstance(found.label + found.message, str)


@pytest.mark.parametrize(
    ("body", "again"), [(b'{"a": ', True), (b"[1,", True), (b"<html>", False), (b"", False)]
)
def test_only_cut_json_is_transient(body: bytes, again: bool) -> None:
    with pytest.raises(MalformedResponse) as caught:
        decode_json(body)
    assert caught.value.transient is again


@pytest.mark.parametrize(
    "value", ["47 minutes ago", "01/01/2022", "", None, True, -5, 0, "1e9", "²", 1e30, [], {}]
)
def test_values_that_are_not_unix_times(value: Any) -> None:
    assert from_unix(value) is None


@pytest.mark.parametrize("value", [1654714807, 1654714807.0, "1654714807"])
def test_unix_time(value: Any) -> None:
    assert from_unix(value) == datetime(2022, 6, 8, 19, 0, 7, tzinfo=timezone.utc)


def test_times_are_in_utc() -> None:
    there = timezone(timedelta(hours=2))
    assert utc(datetime(2026, 1, 1, 2, tzinfo=there)) == datetime(2026, 1, 1, tzinfo=timezone.utc)
    assert utc(datetime(2026, 1, 1)) == datetime(2026, 1, 1, tzinfo=timezone.utc)
    assert utc(None) is None
