"""Reading and updating single contacts with a hook; tests/conformance covers every vendor."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_contacts.errors import (
    InvalidRequest,
    MalformedResponse,
    NotFound,
    OptedOut,
    UnsupportedByVendor,
)
from airflow_provider_contacts.hooks.base import ContactsHook
from airflow_provider_contacts.hooks.mailstand import MailstandHook
from airflow_provider_contacts.hooks.single import SingleContacts
from tests.conftest import Sandbox
from tests.scripted import Reply, ScriptedServer
from tests.vendors import CASES


def test_every_hook_can_be_asked_for_single_contacts() -> None:
    assert issubclass(ContactsHook, SingleContacts)


def test_one_contact_is_updated(sandbox: Sandbox) -> None:
    row = sandbox.state.tables["talktohumans"].rows[0]
    hook = ContactsHook.for_connection("talktohumans_default")
    contact = hook.update_tags(row.contact_id, account_id=row.account_id, add=["Hot"])
    assert contact is not None
    assert "Hot" in contact.tags
    assert "Hot" in row.tags


def test_unsupported_change_is_reported_before_anything_else(sandbox: Sandbox) -> None:
    hook = ContactsHook.for_connection("thoughtly_default")
    for kind in ("tags", "notes", "stage"):
        with pytest.raises(UnsupportedByVendor, match=f"cannot change the {kind}"):
            hook.require_update_support(kind)  # type: ignore[arg-type]
    with pytest.raises(UnsupportedByVendor):
        hook.update_stage("not an id", "Won")
    ContactsHook.for_connection("tether_default").require_update_support("stage")
    with pytest.raises(InvalidRequest):
        ContactsHook.for_connection("tether_default").update_stage("not an id", "Won")


class TestOptOut:
    """At Mailstand, a contact has a stage in every campaign."""

    def test_a_contact_that_has_opted_out_stays(self, sandbox: Sandbox) -> None:
        row = sandbox.state.tables["mailstand"].rows[0]
        row.stage = "Interested"
        row.other_stages = {"camp_other": "Do Not Contact"}
        hook = MailstandHook()
        for campaign in ("all", row.campaign):
            with pytest.raises(OptedOut, match="Mailstand has it in the stage Do Not Contact"):
                hook.update_stage(row.contact_id, "Nurture", campaign=campaign)
        assert (row.stage, row.other_stages) == ("Interested", {"camp_other": "Do Not Contact"})
        assert not [entry for entry in sandbox.requests("mailstand") if entry["method"] == "PUT"]

    def test_an_opt_out_costs_no_second_request(self, sandbox: Sandbox) -> None:
        row = sandbox.state.tables["mailstand"].rows[0]
        MailstandHook().update_stage(row.contact_id, "Do Not Contact", campaign="all")
        assert row.stage == "Do Not Contact"
        assert [entry["method"] for entry in sandbox.requests("mailstand")] == ["PUT"]

    def test_leaving_it_has_to_be_said(self, sandbox: Sandbox) -> None:
        row = sandbox.state.tables["mailstand"].rows[0]
        row.stage = "Do Not Contact"
        MailstandHook().update_stage(row.contact_id, "Nurture", campaign="all", leave_opt_out=True)
        assert row.stage == "Nurture"

    @pytest.mark.parametrize(
        "details",
        [
            {},
            [],
            {"id": "contact_1"},
            {"id": "contact_1", "status": "Nurture", "campaigns": [{"campaign": "camp_1"}]},
            {"id": "contact_1", "status": None, "campaigns": []},
            {"id": "contact_1", "status": "Untouched"},
            {"id": "contact_1", "status": "Untouched", "campaigns": None},
            {"id": "contact_1", "status": "Untouched", "campaigns": {"camp_1": {"stage_name": "Nurture"}}},
            {"id": "contact_1", "status": "Untouched", "campaigns": [["Nurture"]]},
            {"id": "contact_2", "status": "Untouched", "campaigns": []},
        ],
    )
    def test_a_stage_that_is_not_reported_blocks(
        self, details: Any, connect: Callable[..., str], scripted: ScriptedServer
    ) -> None:
        scripted.replies = [Reply(body=details)]
        hook = MailstandHook(connect("m", **{**CASES["mailstand"].parts, "host": scripted.url}))
        with pytest.raises(MalformedResponse):
            hook.update_stage("contact_1", "Nurture", campaign="all")
        assert {request.method for request in scripted.received} == {"GET"}

    def test_every_stage_of_the_details_counts(
        self, connect: Callable[..., str], scripted: ScriptedServer
    ) -> None:
        details = {"id": "contact_1", "status": "Untouched", "stage": "Do Not Contact", "campaigns": []}
        scripted.replies = [Reply(body=details)]
        hook = MailstandHook(connect("m", **{**CASES["mailstand"].parts, "host": scripted.url}))
        with pytest.raises(OptedOut):
            hook.update_stage("contact_1", "Nurture", campaign="all")

    def test_details_in_an_envelope(self, connect: Callable[..., str], scripted: ScriptedServer) -> None:
        details = {"id": "contact_1", "status": "Do Not Contact", "campaigns": []}
        scripted.replies = [Reply(body={"status": "ok", "data": details})]
        hook = MailstandHook(connect("m", **{**CASES["mailstand"].parts, "host": scripted.url}))
        with pytest.raises(OptedOut):
            hook.update_stage("contact_1", "Nurture", campaign="all")


class TestReading:
    def test_mailstand_reports_the_latest_event_of_all_campaigns(
        self, connect: Callable[..., str], scripted: ScriptedServer
    ) -> None:
        campaigns = [
            {"campaign": "camp_1", "stage_name": "Replied", "last_reply": 1_700_000_000, "last_open": None},
            {"campaign": "camp_2", "stage_name": "Nurture", "last_reply": 1_700_000_100},
        ]
        details = {"id": "contact_1", "status": "Replied", "email": "ada@example.com", "campaigns": campaigns}
        scripted.replies = [Reply(body=details)]
        hook = MailstandHook(connect("m", **{**CASES["mailstand"].parts, "host": scripted.url}))
        contact = hook.get_contact({"vendor": "mailstand", "account_id": "", "contact_id": "contact_1"})
        assert (contact.stage, contact.replied, contact.account_id) == ("Replied", True, "space_test")
        assert contact.replied_at is not None
        assert contact.replied_at.timestamp() == 1_700_000_100

    def test_another_contact_is_an_error(self, connect: Callable[..., str], scripted: ScriptedServer) -> None:
        hook = ContactsHook.for_connection(
            connect(
                "t",
                **{
                    **CASES["thoughtly"].parts,
                    "host": scripted.url,
                    "extra": {"team_id": "t", "retry_limit": 0},
                },
            )
        )
        for body in (
            {"data": {"id": "2"}},
            {"data": None},
            {"data": {}},
            [],
            {"data": {"contact": {"id": "2"}}},
        ):
            scripted.replies = [Reply(body=body)]
            with pytest.raises(MalformedResponse):
                hook.get_contact("1")
        scripted.replies = [Reply(body={"data": {"contact": {"id": "1", "name": "Ada"}}})]
        assert hook.get_contact("1").name == "Ada"

    def test_an_unknown_or_foreign_contact(self, sandbox: Sandbox) -> None:
        hook = ContactsHook.for_connection("tether_default")
        with pytest.raises(NotFound):
            hook.get_contact("f" * 24)
        with pytest.raises(NotFound):
            asyncio.run(hook.aget_contact("f" * 24))
        with pytest.raises(InvalidRequest, match="belongs to a different vendor"):
            hook.get_contact({"vendor": "mailstand", "account_id": "", "contact_id": "contact_1"})
        with pytest.raises(InvalidRequest, match="24 lower-case hexadecimal digits"):
            hook.get_contact("../login")
