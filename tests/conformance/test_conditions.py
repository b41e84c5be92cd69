"""Every condition at every vendor: asked of it, tested on its records, or refused before a request."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_contacts.conditions import (
    Bounced,
    Clicked,
    Condition,
    Connected,
    HasPhone,
    InStage,
    InvitationPending,
    Opened,
    Replied,
    Tagged,
    tag_of,
)
from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.errors import InvalidRequest, UnsupportedByVendor
from airflow_provider_contacts.hooks.base import ContactsHook, known_vendors
from tests.conftest import Read, Sandbox
from tests.vendors import CASES, VENDORS

SINCE = datetime(2026, 3, 1, tzinfo=timezone.utc)
# Per vendor: the condition, filters that go with it, and what is true of a sandbox row.
TRUTHS: dict[str, list[tuple[Condition, dict[str, Any], Any]]] = {
    "talktohumans": [
        (Replied(), {}, lambda row: row.sequence == "replied"),
        (
            Replied(SINCE),
            {},
            lambda row: row.sequence == "replied" and row.interacted > SINCE.timestamp(),
        ),
        (InvitationPending(), {}, lambda row: row.pending),
        (Connected(), {}, lambda row: row.relationship == "connected"),
        (Tagged("VIP"), {}, lambda row: "VIP" in row.tags),
        (Tagged("tag, with comma"), {}, lambda row: "tag, with comma" in row.tags),
        (Tagged("vip"), {}, lambda row: False),
    ],
    "thoughtly": [
        (Tagged("naïve lead"), {}, lambda row: "naïve lead" in row.tags),
        (HasPhone(), {}, lambda row: row.has_phone),
    ],
    "mailstand": [
        (Replied(), {}, lambda row: row.last["reply"] is not None),
        (
            Replied(SINCE),
            {"campaign": "camp_spring"},
            lambda row: row.campaign == "camp_spring" and (row.last["reply"] or 0) > SINCE.timestamp(),
        ),
        (InStage("do not contact"), {}, lambda row: row.stage == "Do Not Contact"),
        (Opened(), {}, lambda row: row.last["open"] is not None),
        (Clicked(), {}, lambda row: row.last["click"] is not None),
        (Bounced(), {}, lambda row: row.last["bounce"] is not None),
        (HasPhone(), {}, lambda row: row.phone_field is not None),
    ],
    "tether": [
        (Replied(), {"messageStatus": "replied"}, lambda row: row.message_status == "replied"),
        (InStage("new LEAD"), {}, lambda row: row.status == "New Lead"),
        (HasPhone(), {}, lambda row: row.phone is not None),
    ],
}
ALL = (
    Replied(),
    InvitationPending(),
    Connected(),
    Tagged("VIP"),
    InStage("Interested"),
    Opened(),
    Clicked(),
    Bounced(),
    HasPhone(),
)
each = pytest.mark.parametrize(
    ("vendor", "number"), [(vendor, number) for vendor in VENDORS for number in range(len(TRUTHS[vendor]))]
)


def keys(contacts: list[Contact]) -> set[tuple[str, str]]:
    return {(contact.account_id, contact.contact_id) for contact in contacts}


@each
def test_condition_is_true_of_who_it_gives(vendor: str, number: int, sandbox: Sandbox, read: Read) -> None:
    condition, filters, truth = TRUTHS[vendor][number]
    expected = {(row.account_id, row.contact_id) for row in sandbox.world.tables[vendor].rows if truth(row)}
    found = read(CASES[vendor].conn_id, filters, condition=condition)
    assert keys(found) == expected
    assert keys(read(CASES[vendor].conn_id, filters, condition=condition.to_dict())) == expected
    if len(expected) > 1:
        assert (
            len(read(CASES[vendor].conn_id, filters, condition=condition, limit=len(expected) - 1))
            == len(expected) - 1
        )


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("condition", ALL, ids=tag_of)
def test_what_a_vendor_cannot_tell_is_refused_before_a_request(
    vendor: str, condition: Condition, sandbox: Sandbox, read: Read
) -> None:
    able = {one.title for one in known_vendors() if tag_of(condition) in one.contacts.answers}
    title = CASES[vendor].title
    if title in able and (vendor, tag_of(condition)) not in (("tether", "replied"), ("tether", "in_stage")):
        read(CASES[vendor].conn_id, condition=condition)
        return
    if title in able and tag_of(condition) == "in_stage":
        return
    for asked in (condition, ~condition, condition | HasPhone(), condition & condition):
        with pytest.raises(UnsupportedByVendor) as caught:
            read(CASES[vendor].conn_id, condition=asked)
        assert title in str(caught.value)
    if title not in able:
        with pytest.raises(UnsupportedByVendor, match="It can be told by") as caught:
            read(CASES[vendor].conn_id, condition=condition)
        assert all(name in str(caught.value) for name in able)
    assert not [entry for entry in sandbox.requests(vendor) if entry["method"] == "GET"]


@pytest.mark.parametrize("vendor", VENDORS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_asking_the_vendor_changes_nothing(vendor: str, data: st.DataObject, sandbox: Sandbox) -> None:
    """What is pushed and tested again equals plain evaluation over all contacts, but for what is known less."""
    leaves = [condition for condition, filters, _ in TRUTHS[vendor] if not filters]
    # Under `not` and `any` a condition has to be on the record.
    answers = next(one for one in known_vendors() if one.name == vendor).contacts.answers
    shown = [leaf for leaf in leaves if answers[tag_of(leaf)].on_record]
    inner = st.recursive(
        st.sampled_from(shown),
        lambda some: st.one_of(
            st.builds(lambda a, b: a & b, some, some),
            st.builds(lambda a, b: a | b, some, some),
            st.builds(lambda a: ~a, some),
        ),
        max_leaves=4,
    )
    condition = data.draw(inner)
    if vendor == "mailstand":
        filters: dict[str, Any] = {"campaign": data.draw(st.sampled_from(["camp_spring", "camp_autumn"]))}
    elif data.draw(st.booleans()):
        filters = CASES[vendor].narrow
    else:
        filters = {}
    sandbox.world.forget()
    hook = ContactsHook.for_connection(CASES[vendor].conn_id)
    plain = [contact for contact in hook.list_contacts(filters) if condition.matches(contact)]
    assert keys(list(hook.list_contacts(filters, condition=condition))) == keys(plain)


class TestPushing:
    @pytest.mark.parametrize(
        ("vendor", "condition", "param"),
        [
            ("talktohumans", InvitationPending(), "invitation_status"),
            ("talktohumans", Connected() & Replied(), "relationship_status"),
            ("talktohumans", Tagged("VIP") & Tagged("Old tag"), "tag"),
            ("thoughtly", Tagged("VIP"), "tags"),
            ("thoughtly", ~Tagged("VIP"), "excluded_tags"),
            ("thoughtly", HasPhone(), "phone_numbers_only"),
            ("mailstand", Opened() & ~Clicked(), "has_clicked"),
            ("mailstand", InStage("interested"), "stage"),
        ],
    )
    def test_what_the_vendor_can_say_is_asked_of_it(
        self, vendor: str, condition: Condition, param: str, sandbox: Sandbox, read: Read
    ) -> None:
        read(CASES[vendor].conn_id, condition=condition)
        assert all(param in entry["params"] for entry in sandbox.requests(vendor))

    def test_an_authors_filter_on_the_same_parameter_holds_too(self, sandbox: Sandbox, read: Read) -> None:
        found = read("talktohumans_default", {"tag": "VIP"}, condition=Tagged("Old tag"))
        rows = sandbox.world.tables["talktohumans"].rows
        assert keys(found) == {
            (row.account_id, row.contact_id) for row in rows if {"VIP", "Old tag"} <= set(row.tags)
        }
        assert not read("mailstand_default", {"stage": "Interested"}, condition=InStage("Nurture"))
        assert read("mailstand_default", {"stage": "Interested"}, condition=InStage("Interested"))

    def test_what_no_record_shows_cannot_stand_beside_another_filter(
        self, sandbox: Sandbox, read: Read
    ) -> None:
        with pytest.raises(UnsupportedByVendor, match="`connected` in no record"):
            read("talktohumans_default", {"relationship_status": "unknown"}, condition=Connected())
        assert read("talktohumans_default", {"relationship_status": "connected"}, condition=Connected())

    def test_a_vendor_that_ignores_the_filter_is_not_believed(
        self, connect: Any, scripted: Any, read: Read
    ) -> None:
        from tests.scripted import Reply

        case = CASES["talktohumans"]
        records = [
            {
                "contact_id": "1",
                "connection_invitation": {"invite_state": "pending"},
                "tags": [{"name": "VIP"}],
            },
            {"contact_id": "2", "connection_invitation": {"invite_state": "accepted"}},
            {"contact_id": "3"},
            {"contact_id": "4", "connection_invitation": {"invite_state": "a word of its own"}},
        ]
        scripted.replies = [Reply(body=case.page(*records))]
        conn_id = connect("scripted", **{**case.parts, "host": scripted.url})
        assert [c.contact_id for c in read(conn_id, condition=InvitationPending())] == ["1", "4"]
        assert [c.contact_id for c in read(conn_id, condition=Tagged("VIP"))] == ["1"]
        assert [c.contact_id for c in read(conn_id, condition=~InvitationPending())] == ["2", "3"]

    def test_reply_time_at_mailstand_needs_a_campaign(self, sandbox: Sandbox, read: Read) -> None:
        with pytest.raises(UnsupportedByVendor, match="only if the filter `campaign` is given"):
            read("mailstand_default", condition=Replied(SINCE))
        assert not sandbox.requests("mailstand")

    def test_reply_at_tether_needs_the_message_status(self, sandbox: Sandbox, read: Read) -> None:
        with pytest.raises(UnsupportedByVendor, match="only if the filter `messageStatus` is given"):
            read("tether_default", condition=Replied())
        for condition in (~Replied(), Replied(SINCE)):
            with pytest.raises(UnsupportedByVendor, match="in no record"):
                read("tether_default", {"messageStatus": "replied"}, condition=condition)

    def test_a_stage_that_mailstand_does_not_have(self, sandbox: Sandbox, read: Read) -> None:
        with pytest.raises(InvalidRequest, match="no such stage; its stages are Reviewing"):
            read("mailstand_default", condition=InStage("Hot"))
        assert not sandbox.requests("mailstand")

    def test_bad_condition(self, sandbox: Sandbox, read: Read) -> None:
        with pytest.raises(InvalidRequest, match="this is no condition"):
            read("mailstand_default", condition={"condition": "replyed"})
