"""Which part of a condition the vendor's filters answer, and which part is tested on records."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_contacts.conditions import (
    AllOf,
    AnyOf,
    Bounced,
    Clicked,
    Condition,
    Connected,
    HasPhone,
    InStage,
    InvitationPending,
    Not,
    Opened,
    Replied,
    Tagged,
    Unsubscribed,
)
from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.core.matching.pushdown import Plan, Selection, normalize, plan_condition
from airflow_provider_contacts.core.vendor import ConditionSupport
from airflow_provider_contacts.errors import (
    InvalidRequest,
    MalformedResponse,
    UnansweredCondition,
    UnsupportedByVendor,
)
from airflow_provider_contacts.hooks.mailstand import MAILSTAND
from tests.strategies import NOW, conditions, contacts

SUPPORTS = {
    "tagged": ConditionSupport.from_name(lambda name: {"tag": name}),
    "has_phone": ConditionSupport.from_filters({"phone": True}, negated={"phone": False}),
    "connected": ConditionSupport.from_filters({"connected": True}, is_on_record=False),
    "replied": ConditionSupport(),
    "bounced": ConditionSupport(record_filter="campaign"),
    "invitation_pending": ConditionSupport(
        to_filters=lambda _condition, wanted: {"invited": True} if wanted is True else None,
        is_exact=lambda condition: condition == InvitationPending(),
        explain_unsupported=lambda condition: (
            "No invitations before 2026."
            if condition not in (InvitationPending(), InvitationPending(NOW))
            else ""
        ),
    ),
    "unsubscribed": ConditionSupport(required_filter="campaign"),
    "clicked": ConditionSupport(required_filter="campaign", is_on_record=False),
}


def plan(condition: Any, filters: Any = None) -> Plan:
    return plan_condition(condition, filters or {}, SUPPORTS, "Vendor")


def test_no_condition_needs_no_tests() -> None:
    assert plan(None).filters == {}
    assert not plan(None).has_tests


def test_parts_of_all_are_pushed_down_one_by_one() -> None:
    found = plan(Tagged("VIP") & ~HasPhone() & Replied())
    assert found.filters == {"tag": "VIP", "phone": False}
    assert found.pushed == (Tagged("VIP"),)
    # The filter reduces what is listed, but the record has to confirm a negation.
    assert found.residual == (~HasPhone(), Replied())


def test_any_is_tested_on_records() -> None:
    condition = Tagged("VIP") | HasPhone()
    assert plan(condition).filters == {}
    assert plan(condition).residual == (condition,)


def test_authors_filter_is_never_replaced() -> None:
    found = plan(Tagged("VIP"), {"tag": "Other"})
    assert found.filters == {}
    assert found.residual == (Tagged("VIP"),)
    assert plan(Tagged("VIP"), {"tag": "VIP"}).pushed == (Tagged("VIP"),)


def test_second_tag_is_tested_on_records() -> None:
    found = plan(Tagged("a") & Tagged("b"))
    assert found.filters == {"tag": "a"}
    assert found.residual == (Tagged("b"),)


def test_filter_that_the_user_has_to_set() -> None:
    # What records report is looked at; what they do not report, the filter answers.
    found = plan(Unsubscribed() & Clicked(), {"campaign": "camp_1"})
    assert found.pushed == (Clicked(),)
    assert found.residual == (Unsubscribed(),)
    for condition in (Unsubscribed(), Clicked()):
        with pytest.raises(UnsupportedByVendor, match="^Vendor supports the condition .* `campaign` is set"):
            plan(condition)


def test_filter_without_which_records_report_nothing() -> None:
    # A vendor's filter need not express the negation, so the record has to.
    assert plan(~Bounced(), {"campaign": "camp_1"}).residual == (~Bounced(),)
    with pytest.raises(UnsupportedByVendor, match="^Vendor records report .* `campaign`"):
        plan(~Bounced())
    with pytest.raises(UnsupportedByVendor, match="^Vendor records do not report"):
        plan(~Connected())


def test_condition_that_the_filter_expresses_in_part() -> None:
    assert plan(InvitationPending()).pushed == (InvitationPending(),)
    assert plan(InvitationPending(NOW)).residual == (InvitationPending(NOW),)
    with pytest.raises(UnsupportedByVendor, match="No invitations before 2026"):
        plan(InvitationPending(NOW - timedelta(days=9)))


def test_records_that_contradict_the_filter_are_dropped_and_counted() -> None:
    contradicting = [Contact("v", "", "1", tags=("Other",)), Contact("v", "", "2", tags=("Other",))]
    selection = Selection(plan(Tagged("VIP")), None)
    assert selection.keep(contradicting) == []
    assert (selection.evaluated, selection.contradicted, selection.unknown) == (2, 2, 0)
    with pytest.raises(MalformedResponse, match="`tagged`"):
        selection.require_answers("GET")
    assert [one.contact_id for one in selection.keep([Contact("v", "", "3", tags=("VIP",))])] == ["3"]
    selection.require_answers("GET")
    assert plan(Tagged("VIP")).evaluate(contradicting[0]) is False


def test_condition_that_no_record_answers() -> None:
    selection = Selection(plan(Replied()), None)
    selection.require_answers("GET")
    assert selection.keep([Contact("v", "", "1"), Contact("v", "", "2")]) == []
    with pytest.raises(UnansweredCondition, match="`replied`"):
        selection.require_answers("GET")
    selection.keep([Contact("v", "", "3", replied=False)])
    selection.require_answers("GET")


@pytest.mark.parametrize("condition", [~Connected(), Connected() | HasPhone(), ~(Connected() & HasPhone())])
def test_condition_that_records_do_not_report(condition: Any) -> None:
    with pytest.raises(UnsupportedByVendor, match="cannot be negated") as caught:
        plan(condition)
    assert caught.value.condition == "connected"


def test_unsupported_condition_is_named() -> None:
    with pytest.raises(UnsupportedByVendor, match="does not support the condition `opened`") as caught:
        plan(Replied() & ~Opened())
    assert caught.value.condition == "opened"


@given(conditions, contacts)
def test_plan_agrees_with_the_condition(condition: Any, contact: Contact) -> None:
    """A contact that the plan keeps matches, unless its record does not report a pushed condition."""
    supports = {name: ConditionSupport() for name in (
        "replied", "invitation_pending", "connected", "tagged", "in_stage", "opened", "clicked", "bounced",
        "unsubscribed", "last_interaction", "has_phone",
    )}  # fmt: skip
    tested = plan_condition(condition, {}, supports, "Vendor")
    assert tested.evaluate(contact) == condition.evaluate(contact)
    supports["tagged"] = SUPPORTS["tagged"]
    pushed = plan_condition(condition, {}, supports, "Vendor")
    if condition.evaluate(contact) is False:
        assert pushed.evaluate(contact) is not True
    if condition.matches(contact):
        assert pushed.evaluate(contact) is True


@given(st.lists(st.sampled_from([True, False, None])), st.none() | st.integers(1, 5))
def test_selection_keeps_matches_up_to_the_limit(replied: list[bool | None], limit: int | None) -> None:
    found = [Contact("v", "", str(number), replied=value) for number, value in enumerate(replied)]
    selection = Selection(plan(Replied()), limit)
    kept = [
        contact for start in range(0, len(found), 2) for contact in selection.keep(found[start : start + 2])
    ]
    assert kept == [contact for contact in found if contact.replied][:limit]
    assert (selection.evaluated, selection.contradicted) == (len(replied), 0)
    assert selection.unknown == replied.count(None)
    assert selection.has_reached_limit == (limit is not None and len(kept) == limit)


@pytest.mark.parametrize(
    "condition",
    [
        ~InStage("Do Not Contcat") | Bounced(),
        ~(InStage("Do Not Contcat") & Bounced()),
        InStage("Do Not Contcat") | HasPhone(),
    ],
)
def test_names_are_checked_wherever_they_are(condition: Any) -> None:
    """A misspelled stage must not match all contacts."""
    with pytest.raises(InvalidRequest, match="no such stage"):
        plan_condition(condition, {"campaign": "camp_x"}, MAILSTAND.contacts.conditions, "Mailstand")


A, B, C = Tagged("a"), HasPhone(), Opened()


@given(condition=conditions, contact=contacts)
def test_normalizing_keeps_the_meaning(condition: Condition, contact: Contact) -> None:
    assert normalize(condition).evaluate(contact) is condition.evaluate(contact)


@given(condition=conditions)
def test_normal_form(condition: Condition) -> None:
    normal = normalize(condition)
    assert normalize(normal) == normal
    if isinstance(normal, AllOf | AnyOf):
        assert len(normal.of) > 1
        assert not any(isinstance(part, type(normal)) for part in normal.of)
    for part in normal.of if isinstance(normal, AllOf | AnyOf) else (normal,):
        if isinstance(part, Not):
            assert not isinstance(part.of, AllOf | AnyOf | Not)


@pytest.mark.parametrize(
    ("condition", "normal"),
    [
        (AllOf((AllOf((A, AllOf((B,)))), C)), AllOf((A, B, C))),
        (AllOf((A,)), A),
        (AnyOf((A, A)), A),
        (AnyOf((AnyOf((A, B)), C)), AnyOf((A, B, C))),
        (Not(Not(A)), A),
        (Not(Not(Not(A))), Not(A)),
        (Not(AnyOf((A, Not(B)))), AllOf((Not(A), B))),
        (Not(AllOf((A, B))), AnyOf((Not(A), Not(B)))),
        (AllOf((A, AnyOf((B, C)))), AllOf((A, AnyOf((B, C))))),
        (AllOf((AnyOf((A,)), Not(AnyOf((B, Bounced()))))), AllOf((A, Not(B), Not(Bounced())))),
    ],
)
def test_examples(condition: Condition, normal: Condition) -> None:
    assert normalize(condition) == normal
