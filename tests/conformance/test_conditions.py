"""Every condition at every vendor: pushed down, tested on records, or rejected before a request."""

from __future__ import annotations

from collections.abc import Callable
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
    LastInteraction,
    Opened,
    Replied,
    Tagged,
    Unsubscribed,
    get_condition_name,
)
from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.errors import (
    InvalidRequest,
    MalformedResponse,
    UnansweredCondition,
    UnsupportedByVendor,
)
from airflow_provider_contacts.hooks.base import ContactsHook
from airflow_provider_contacts.hooks.registry import list_vendors
from tests.conftest import Read, Sandbox
from tests.scripted import Reply, ScriptedServer
from tests.vendors import CASES, VENDORS

SINCE = datetime(2026, 3, 1, tzinfo=timezone.utc)
TRUTHS = {vendor: case.conditions for vendor, case in CASES.items()}
ALL = (
    Replied(),
    InvitationPending(),
    Connected(),
    Tagged("VIP"),
    InStage("Interested"),
    Opened(),
    Clicked(),
    Bounced(),
    Unsubscribed(),
    LastInteraction(after=SINCE),
    HasPhone(),
)
each = pytest.mark.parametrize(
    ("vendor", "number"), [(vendor, number) for vendor in VENDORS for number in range(len(TRUTHS[vendor]))]
)


def keys(contacts: list[Contact]) -> set[tuple[str, str]]:
    return {(contact.account_id, contact.contact_id) for contact in contacts}


@each
def test_returned_contacts_match(vendor: str, number: int, sandbox: Sandbox, read: Read) -> None:
    condition, filters, truth = TRUTHS[vendor][number]
    expected = {(row.account_id, row.contact_id) for row in sandbox.state.tables[vendor].rows if truth(row)}
    found = read(CASES[vendor].conn_id, filters, condition=condition)
    assert keys(found) == expected
    assert keys(read(CASES[vendor].conn_id, filters, condition=condition.to_dict())) == expected
    if len(expected) > 1:
        assert (
            len(read(CASES[vendor].conn_id, filters, condition=condition, limit=len(expected) - 1))
            == len(expected) - 1
        )


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("condition", ALL, ids=get_condition_name)
def test_unsupported_condition_is_rejected_before_a_request(
    vendor: str, condition: Condition, sandbox: Sandbox, read: Read
) -> None:
    able = {one.title for one in list_vendors() if get_condition_name(condition) in one.contacts.conditions}
    title = CASES[vendor].title
    if title in able and (vendor, get_condition_name(condition)) not in (
        ("tether", "replied"),
        ("tether", "in_stage"),
        ("mailstand", "unsubscribed"),
    ):
        read(CASES[vendor].conn_id, condition=condition)
        return
    if title in able and get_condition_name(condition) == "in_stage":
        return
    for unsupported in (condition, ~condition, condition | HasPhone(), condition & condition):
        with pytest.raises(UnsupportedByVendor) as caught:
            read(CASES[vendor].conn_id, condition=unsupported)
        assert title in str(caught.value)
    if title not in able:
        with pytest.raises(UnsupportedByVendor, match="Vendors that do") as caught:
            read(CASES[vendor].conn_id, condition=condition)
        assert all(name in str(caught.value) for name in able)
    assert not [entry for entry in sandbox.requests(vendor) if entry["method"] == "GET"]


@pytest.mark.sandbox(rate_limits=False)
@pytest.mark.parametrize("vendor", VENDORS)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_pushdown_returns_the_same_contacts(vendor: str, data: st.DataObject, sandbox: Sandbox) -> None:
    """Pushdown returns the same contacts as evaluating the condition on all contacts, or says that none can be tested."""
    leaves = [condition for condition, filters, _ in TRUTHS[vendor] if not filters]
    # Inside `not` and `any`, records have to report a condition.
    answers = next(one for one in list_vendors() if one.name == vendor).contacts.conditions
    shown = [leaf for leaf in leaves if answers[get_condition_name(leaf)].is_on_record]
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
        filters = CASES[vendor].samples.narrow
    else:
        filters = {}
    sandbox.state.reset()
    sandbox.connect(vendor, extra={"requests_per_minute": 100_000})
    hook = ContactsHook.for_connection(CASES[vendor].conn_id)
    plain = [contact for contact in hook.list_contacts(filters) if condition.matches(contact)]
    try:
        found = list(hook.list_contacts(filters, condition=condition))
    except UnansweredCondition:
        # A filter can leave only contacts whose records do not report the rest: pending invitations
        # have no interaction.
        found = []
    assert keys(found) == keys(plain)


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
            ("mailstand", Opened() & Clicked(), "has_clicked"),
            ("mailstand", InStage("interested"), "stage"),
        ],
    )
    def test_supported_conditions_are_pushed_down(
        self, vendor: str, condition: Condition, param: str, sandbox: Sandbox, read: Read
    ) -> None:
        read(CASES[vendor].conn_id, condition=condition)
        assert all(param in entry["params"] for entry in sandbox.requests(vendor))

    def test_filter_and_condition_on_the_same_parameter(self, sandbox: Sandbox, read: Read) -> None:
        found = read("talktohumans_default", {"tag": "VIP"}, condition=Tagged("Old tag"))
        rows = sandbox.state.tables["talktohumans"].rows
        assert keys(found) == {
            (row.account_id, row.contact_id) for row in rows if {"VIP", "Old tag"} <= set(row.tags)
        }
        assert not read("mailstand_default", {"stage": "Interested"}, condition=InStage("Nurture"))
        assert read("mailstand_default", {"stage": "Interested"}, condition=InStage("Interested"))

    def test_condition_not_on_records_conflicts_with_other_filter(self, sandbox: Sandbox, read: Read) -> None:
        with pytest.raises(UnsupportedByVendor, match="records do not report the condition `connected`"):
            read("talktohumans_default", {"relationship_status": "unknown"}, condition=Connected())
        assert read("talktohumans_default", {"relationship_status": "connected"}, condition=Connected())

    def test_records_are_checked_if_the_vendor_ignores_a_filter(
        self, connect: Any, scripted: Any, read: Read
    ) -> None:
        case = CASES["talktohumans"]
        records = [
            {
                "contact_id": "1",
                "connection_invitation": {"invite_state": "pending"},
                "tags": [{"name": "VIP"}],
            },
            {"contact_id": "2", "connection_invitation": {"invite_state": "accepted"}, "tags": []},
            {"contact_id": "3", "connection_invitation": None, "tags": None},
            {
                "contact_id": "4",
                "connection_invitation": {"invite_state": "a word of its own"},
                "tags": [{"name": "Vip"}],
            },
        ]
        scripted.replies = [Reply(body=case.page(*records))]
        conn_id = connect("scripted", **{**case.parts, "host": scripted.url})
        assert [c.contact_id for c in read(conn_id, condition=InvitationPending())] == ["1", "4"]
        assert [c.contact_id for c in read(conn_id, condition=Tagged("VIP"))] == ["1"]
        assert [c.contact_id for c in read(conn_id, condition=~InvitationPending())] == ["2", "3"]

    def test_negated_filter_is_sent_and_confirmed(self, sandbox: Sandbox, read: Read) -> None:
        """A vendor that reads ``has_clicked=false`` as no filter returns everyone."""
        campaign = {"campaign": "camp_spring"}
        rows = sandbox.state.tables["mailstand"].rows
        expected = {
            (row.account_id, row.contact_id)
            for row in rows
            if row.campaign == "camp_spring" and not row.last["click"]
        }
        assert keys(read("mailstand_default", campaign, condition=~Clicked())) == expected
        assert all("has_clicked" in entry["params"] for entry in sandbox.requests("mailstand"))

    @pytest.mark.parametrize(
        "condition",
        [
            ~Replied(),
            Replied() | Opened(),
            ~(Opened() & InStage("Nurture")),
            Replied(SINCE),
            HasPhone() & ~Bounced(),
        ],
    )
    def test_mailstand_records_need_a_campaign(
        self, condition: Condition, sandbox: Sandbox, read: Read
    ) -> None:
        with pytest.raises(UnsupportedByVendor, match="only if the filter `campaign` is set"):
            read("mailstand_default", condition=condition)
        assert not sandbox.requests("mailstand")
        read("mailstand_default", {"campaign": "camp_spring"}, condition=condition)

    def test_null_without_a_campaign_is_not_never(
        self, connect: Any, scripted: ScriptedServer, read: Read
    ) -> None:
        case = CASES["mailstand"]
        nulls = dict.fromkeys(("last_open", "last_click", "last_reply", "last_bounce"))
        scripted.replies = [Reply(body=case.page(*[{**case.record(number), **nulls} for number in range(5)]))]
        conn_id = connect("scripted", **{**case.parts, "host": scripted.url})
        # The filter is trusted, because no record contradicts it.
        assert len(read(conn_id, condition=Replied())) == 5
        campaign = {"campaign": "camp_spring"}
        with pytest.raises(MalformedResponse, match="all 5 contacts contradict the condition `replied`"):
            read(conn_id, campaign, condition=Replied())
        assert len(read(conn_id, campaign, condition=~Replied())) == 5

    def test_some_records_contradict_a_filter(
        self, connect: Any, scripted: ScriptedServer, read: Read, capsys: pytest.CaptureFixture[str]
    ) -> None:
        case = CASES["mailstand"]
        records = [{**case.record(1), "last_reply": 5}, {**case.record(2), "last_reply": None}]
        scripted.replies = [Reply(body=case.page(*records))]
        conn_id = connect("scripted", **{**case.parts, "host": scripted.url})
        found = read(conn_id, {"campaign": "camp_spring"}, condition=Replied())
        assert [contact.contact_id for contact in found] == ["1"]
        assert "The records of 1 contacts contradict the filter" in capsys.readouterr().out

    @pytest.mark.parametrize(
        "condition",
        [
            {"condition": "all", "of": [{"condition": "all", "of": [{"condition": "connected"}]}]},
            {"condition": "not", "of": {"condition": "not", "of": {"condition": "connected"}}},
            {"condition": "any", "of": [{"condition": "connected"}]},
        ],
    )
    def test_nested_condition_means_the_same_as_the_flat_one(
        self, condition: Any, sandbox: Sandbox, read: Read
    ) -> None:
        flat = keys(read("talktohumans_default", condition=Connected()))
        assert keys(read("talktohumans_default", condition=condition)) == flat
        assert flat

    def test_talktohumans_does_not_report_when_a_contact_replied(self, sandbox: Sandbox, read: Read) -> None:
        with pytest.raises(UnsupportedByVendor, match="set `interaction_counts`"):
            read("talktohumans_default", condition=Replied(SINCE))
        assert not sandbox.requests("talktohumans")

    def test_mailstand_reply_time_needs_a_campaign(self, sandbox: Sandbox, read: Read) -> None:
        with pytest.raises(UnsupportedByVendor, match="only if the filter `campaign` is set"):
            read("mailstand_default", condition=Replied(SINCE))
        assert not sandbox.requests("mailstand")

    def test_tether_reply_needs_the_message_status(self, sandbox: Sandbox, read: Read) -> None:
        with pytest.raises(UnsupportedByVendor, match="only if the filter `messageStatus` is set"):
            read("tether_default", condition=Replied())
        for condition in (~Replied(), Replied(SINCE)):
            with pytest.raises(UnsupportedByVendor, match="records do not report"):
                read("tether_default", {"messageStatus": "replied"}, condition=condition)

    def test_mailstand_unknown_stage(self, sandbox: Sandbox, read: Read) -> None:
        with pytest.raises(InvalidRequest, match="no such stage. Its stages are Reviewing"):
            read("mailstand_default", condition=InStage("Hot"))
        assert not sandbox.requests("mailstand")

    def test_bad_condition(self, sandbox: Sandbox, read: Read) -> None:
        with pytest.raises(InvalidRequest, match="Unknown condition `replyed`"):
            read("mailstand_default", condition={"condition": "replyed"})


UNKNOWN_FIELDS = {vendor: case.samples.unknown_fields for vendor, case in CASES.items()}


@pytest.mark.parametrize(
    ("vendor", "number"),
    [(vendor, number) for vendor in VENDORS for number in range(len(UNKNOWN_FIELDS[vendor]))],
)
@pytest.mark.parametrize("raw", [True, False])
def test_missing_fields_are_unknown(
    vendor: str,
    number: int,
    raw: bool,
    connect: Callable[..., str],
    scripted: ScriptedServer,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fields, unknown = UNKNOWN_FIELDS[vendor][number]
    case = CASES[vendor]
    whole = case.page({**case.record(1), **fields})
    scripted.respond = lambda request: Reply(
        body=case.page()
        if "page=2" in request.query or ("page=1" in request.query and vendor == "thoughtly")
        else whole
    )
    hook = ContactsHook.for_connection(connect("scripted", **{**case.parts, "host": scripted.url}))
    [contact] = hook.list_contacts(raw=raw)
    assert set(contact.unknown_fields) == unknown
    forms: dict[str, Condition] = {"tags": Tagged("DNC"), "stage": InStage("Interested"), "phone": HasPhone()}
    answers = hook.vendor.contacts.conditions
    for field, condition in forms.items():
        if field in unknown and get_condition_name(condition) in answers:
            # A negated filter does not suffice, so no record answers.
            capsys.readouterr()
            with pytest.raises(UnansweredCondition, match="None of the 1 records reports the condition"):
                list(hook.list_contacts(condition=condition & ~condition, raw=raw))
            assert "1 contacts could not be evaluated" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("sequence", "replied"),
    [
        ({"status": "replied"}, True),
        ({"status": "active"}, False),
        ({"status": "active", "stop_if_person_replies": True}, False),
        # This sequence continues after a reply, so its status does not show one.
        ({"status": "active", "stop_if_person_replies": False}, None),
        ({"status": None}, None),
        (None, None),
    ],
)
def test_reply_from_a_sequence(
    sequence: Any, replied: bool | None, connect: Callable[..., str], scripted: ScriptedServer
) -> None:
    case = CASES["talktohumans"]
    scripted.replies = [Reply(body=case.page({**case.record(1), "sequence": sequence}))]
    hook = ContactsHook.for_connection(connect("scripted", **{**case.parts, "host": scripted.url}))
    [contact] = hook.list_contacts()
    assert contact.replied is replied
