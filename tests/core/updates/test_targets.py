"""Parsing the contacts to update."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_contacts.core.changes import Change, parse_tag_change
from airflow_provider_contacts.core.updates.targets import (
    Target,
    describe_changes,
    digest_targets,
    parse_targets,
)
from airflow_provider_contacts.errors import InvalidRequest
from airflow_provider_contacts.hooks.talktohumans import TALKTOHUMANS
from tests.strategies import anything

items = st.one_of(
    st.integers(1, 5),
    st.integers(1, 5).map(str),
    st.builds(
        lambda account, contact: {"vendor": "talktohumans", "account_id": account, "contact_id": contact},
        st.sampled_from(["", "1", "2"]),
        st.integers(1, 5).map(str),
    ),
)


@given(st.lists(items))
def test_every_contact_is_named_once(given_items: list[Any]) -> None:
    targets, duplicates = parse_targets(given_items, TALKTOHUMANS)
    keys = [(target.account_id, target.contact_id) for target in targets]
    assert len(keys) == len(set(keys))
    assert len(targets) + duplicates == len(given_items)
    ids = {str(item["contact_id"] if isinstance(item, dict) else item) for item in given_items}
    assert {contact_id for _, contact_id in keys} == ids


def test_bare_id_that_could_be_several_contacts_stays() -> None:
    reference = {"vendor": "talktohumans", "contact_id": "7"}
    one = [{**reference, "account_id": "1"}, "7"]
    two = [{**reference, "account_id": "1"}, {**reference, "account_id": "2"}, "7"]
    assert len(parse_targets(one, TALKTOHUMANS)[0]) == 1
    assert len(parse_targets(two, TALKTOHUMANS)[0]) == 3


@given(anything)
def test_anything_is_a_list_of_targets_or_an_invalid_request(value: Any) -> None:
    try:
        targets, _ = parse_targets(value, TALKTOHUMANS)
    except InvalidRequest:
        return
    assert all(target.contact_id.isdigit() for target in targets)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("[1, 2]", "list rendered as text"),
        ("1,2", "text with commas"),
        (None, "must be a list"),
        ([None], "Item 1 of `contacts` is not a contact"),
        (["None"], "Item 1 .* is empty"),
        (["1", ""], "Item 2 .* is empty"),
        (["ada@secret.test"], "an e-mail address or other text"),
        ([{"contact_id": "1", "vendor": "tether"}], "a different vendor"),
        ([{"name": "secret"}], "no `contact_id`"),
        ({"updated": [], "unchanged": [], "failed": []}, "result of an update.*output..updated"),
        ([{"contact_id": "1", "account_id": [5]}], "an `account_id` that is not an id"),
        (["0"], "Item 1 .*decimal id"),
    ],
)
def test_invalid_item_is_named_by_its_number(value: Any, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message) as caught:
        parse_targets(value, TALKTOHUMANS)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("account_id", [0, False, "0", "x"])
def test_bad_account_is_never_dropped(account_id: Any) -> None:
    with pytest.raises(InvalidRequest, match="account"):
        parse_targets([{"contact_id": "1", "account_id": account_id}], TALKTOHUMANS)


def split_change(fields: Mapping[str, object], where: str) -> tuple[Change, Mapping[str, object]]:
    return parse_tag_change(fields.get("add", "VIP")), {"tags": fields.get("tags", ())}


def test_changes_of_items() -> None:
    items = [{"contact_id": "1", "account_id": "9", "add": "A"}, {"contact_id": "2", "add": ["B"]}, "3", "1"]
    with pytest.raises(
        InvalidRequest, match="An item of `contacts` repeats contact 1 with a different change"
    ):
        parse_targets(items, TALKTOHUMANS, split_change=split_change)
    targets, duplicates = parse_targets([*items[:-1], items[1]], TALKTOHUMANS, split_change=split_change)
    assert duplicates == 1
    assert [str(target.change) for target in targets] == ["add 'A'", "add 'B'", "add 'VIP'"]


def test_contact_with_two_changes_is_rejected() -> None:
    items = [{"contact_id": "1"}, {"contact_id": "2"}, {"contact_id": "1", "add": "Other"}]
    with pytest.raises(
        InvalidRequest, match="Item 3 of `contacts` repeats contact 1 with a different change"
    ):
        parse_targets(items, TALKTOHUMANS, split_change=split_change)


def test_digest_is_of_connection_contacts_and_changes() -> None:
    def digest(scope: str, *items: Mapping[str, object]) -> str:
        return digest_targets(scope, parse_targets(list(items), TALKTOHUMANS, split_change=split_change)[0])

    one: dict[str, object] = {"contact_id": "1"}
    two: dict[str, object] = {"contact_id": "2"}
    same = digest("c", one, two)
    assert same == digest("c", two, one) == digest("c", {"contact_id": 1, "name": "Ada"}, two)
    others = [
        digest("d", one, two),
        digest("c", one),
        digest("c", one, {**two, "add": "Other"}),
        digest("c", one, {**two, "account_id": "1"}),
    ]
    assert len({same, *others}) == 5


def test_several_changes() -> None:
    found = [Target("", str(number), {}, parse_tag_change([f"Tag {number % 12}"])) for number in range(13)]
    assert describe_changes(found)[0] == "add 'Tag 0' (2)"
    assert describe_changes(found)[-1] == "and 2 other changes"
    assert describe_changes(found[:1]) == ["add 'Tag 0'"]
    assert describe_changes([]) == []
