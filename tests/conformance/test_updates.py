"""Updates: exactly the changes that each vendor documents."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_contacts.core.changes import parse_stage_change
from airflow_provider_contacts.core.updates.targets import Target
from airflow_provider_contacts.errors import (
    InvalidRequest,
    MalformedResponse,
    NotFound,
    UnsupportedByVendor,
)
from airflow_provider_contacts.hooks.base import ContactsHook
from airflow_provider_contacts.hooks.mailstand import MailstandHook
from airflow_provider_contacts.hooks.talktohumans import TalkToHumansHook
from airflow_provider_contacts.hooks.tether import TetherHook
from tests.conftest import Sandbox
from tests.scripted import ReceivedRequest, Reply, ScriptedServer
from tests.vendors import CASES, VENDORS

KINDS = ("tags", "notes", "stage")
ABLE = {
    kind: {name for name, case in CASES.items() if kind in {one.kind for one in case.samples.changes}}
    for kind in KINDS
}


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("kind", KINDS)
def test_unsupported_update_is_rejected(vendor: str, kind: str, sandbox: Sandbox) -> None:
    hook = ContactsHook.for_connection(CASES[vendor].conn_id)
    assert (getattr(hook.vendor.updates, kind) is not None) == (vendor in ABLE[kind])
    if vendor in ABLE[kind]:
        return
    calls: dict[str, Callable[[], Any]] = {
        "tags": lambda: hook.update_tags("1", add=["x"]),
        "notes": lambda: hook.update_notes("1", None),
        "stage": lambda: hook.update_stage("1", "Interested"),
    }
    with pytest.raises(UnsupportedByVendor, match=f"cannot change the {kind}.*Vendors that can") as caught:
        calls[kind]()
    for able in ABLE[kind]:
        assert CASES[able].title in str(caught.value)
    assert not sandbox.requests(vendor)


@pytest.mark.parametrize("vendor", VENDORS)
def test_the_mildest_stop_can_be_made(vendor: str, sandbox: Sandbox) -> None:
    hook = ContactsHook.for_connection(CASES[vendor].conn_id)
    change = hook.vendor.updates.default_stop
    if change is None:
        return
    row = sandbox.state.tables[vendor].rows[0]
    before = row.record(None)
    hook.create_updater(change).update(Target(row.account_id, row.contact_id))
    assert row.record(None) != before


@pytest.mark.parametrize(
    ("vendor", "number"),
    [(vendor, number) for vendor in VENDORS for number in range(len(CASES[vendor].samples.changes))],
)
def test_update_changes_one_contact(vendor: str, number: int, sandbox: Sandbox) -> None:
    change = CASES[vendor].samples.changes[number]
    rows = sandbox.state.tables[vendor].rows
    row, *others = [row for row in rows if not change.is_made(row)]
    # Tags and notes belong to a contact in one account; a stage does not.
    account = {} if change.kind == "stage" else {"account_id": row.account_id}
    hook = ContactsHook.for_connection(CASES[vendor].conn_id)
    getattr(hook, f"update_{change.kind}")(row.contact_id, **account, **change.arguments)
    assert change.is_made(row)
    assert not any(change.is_made(other) for other in others)


class TestTags:
    def row(self, sandbox: Sandbox, *tags: str) -> Any:
        row = sandbox.state.tables["talktohumans"].rows[0]
        row.tags = list(tags)
        sandbox.state.tables["talktohumans"].invalidate(row)
        return row

    @pytest.mark.parametrize(
        ("before", "change", "after"),
        [
            ((), {"add": ["New"]}, ["New"]),
            (("a",), {"add": [{"name": "New", "color": "red"}, "b"], "remove": "a"}, ["New", "b"]),
            (("a", "b"), {"remove": ["a", "not there"]}, ["b"]),
            (("a", "b"), {"replace": ["b", "c"]}, ["b", "c"]),
            (("a", "b"), {"replace": []}, []),
            (("b",), {"replace": "b"}, ["b"]),
        ],
    )
    def test_change(
        self, before: tuple[str, ...], change: dict[str, Any], after: list[str], sandbox: Sandbox
    ) -> None:
        row = self.row(sandbox, *before)
        contact = TalkToHumansHook().update_tags(row.contact_id, account_id=row.account_id, **change)
        assert sorted(row.tags) == sorted(contact.tags) == sorted(after)
        assert contact.contact_id == row.contact_id

    def test_documented_shapes(self, connect: Callable[..., str], scripted: ScriptedServer) -> None:
        shown = {"contact_id": "7", "tags": [{"name": "old"}, {"name": "x"}]}
        scripted.replies = [Reply(body={"data": {"contact": shown}})]
        hook = TalkToHumansHook(connect("t", **{**CASES["talktohumans"].parts, "host": scripted.url}))
        hook.update_tags("7", account_id="42", add=[{"name": "Hot lead", "color": "red"}], remove=["Old tag"])
        hook.update_tags("7", replace=["x"])
        sent = [(request.method, request.path, json.loads(request.body)) for request in scripted.received]
        assert sent == [
            (
                "PATCH",
                "/v1/contacts/7",
                {
                    "account_id": "42",
                    "tags": {"add": [{"name": "Hot lead", "color": "red"}], "remove": ["Old tag"]},
                },
            ),
            ("PATCH", "/v1/contacts/7", {"tags": {"add": [{"name": "x"}]}}),
            ("PATCH", "/v1/contacts/7", {"tags": {"remove": ["old"]}}),
        ]
        assert scripted.received[0].headers["content-type"] == "application/json"

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({}, "nothing to change"),
            ({"add": [""]}, "A name must not be empty"),
            ({"add": [" "]}, "A name must not be empty"),
            ({"remove": [None]}, "list of names"),
            ({"remove": [{"name": "x"}]}, "list of names"),
            ({"add": [{"name": "x", "colour": "red"}]}, "mappings of name and color"),
            ({"add": 5}, "must be a list of tags"),
            ({"add": ["x"], "remove": ["x"]}, "both added and removed: 'x'"),
            ({"add": ["x"], "replace": ["y"]}, "cannot be combined"),
        ],
    )
    def test_bad_change(self, change: dict[str, Any], message: str, sandbox: Sandbox) -> None:
        with pytest.raises(InvalidRequest, match=message):
            TalkToHumansHook().update_tags("5000", **change)
        assert not sandbox.requests("talktohumans")

    @pytest.mark.parametrize("contact_id", ["", "0", "x", "1/../2", "1\n", "-1"])
    def test_bad_id(self, contact_id: str, sandbox: Sandbox) -> None:
        with pytest.raises(InvalidRequest, match="a decimal id"):
            TalkToHumansHook().update_tags(contact_id, add=["x"])
        assert not sandbox.requests("talktohumans")

    def test_unknown_contact(self, sandbox: Sandbox) -> None:
        with pytest.raises(NotFound):
            TalkToHumansHook().update_tags("1", add=["x"])

    def test_malformed_response(self, connect: Callable[..., str], scripted: ScriptedServer) -> None:
        scripted.replies = [Reply(body={"data": {}})]
        hook = TalkToHumansHook(connect("t", **{**CASES["talktohumans"].parts, "host": scripted.url}))
        with pytest.raises(MalformedResponse, match="no contact at `data.contact`"):
            hook.update_tags("7", add=["x"])

    @pytest.mark.parametrize("tags", [["old"], None, "x", [{"label": "old"}]])
    def test_replace_fails_if_the_response_is_unreadable(
        self, tags: Any, connect: Callable[..., str], scripted: ScriptedServer
    ) -> None:
        scripted.replies = [Reply(body={"data": {"contact": {"contact_id": "7", "tags": tags}}})]
        hook = TalkToHumansHook(connect("t", **{**CASES["talktohumans"].parts, "host": scripted.url}))
        with pytest.raises(MalformedResponse, match="does not contain the added tags"):
            hook.update_tags("7", replace=["new"])
        with pytest.raises(MalformedResponse, match="a different contact"):
            hook.update_tags("8", add=["new"])

    def test_update_is_retried_after_a_transient_fault(self, sandbox: Sandbox) -> None:
        row = self.row(sandbox)
        sandbox.fail("talktohumans", method="PATCH", status=503, times=1)
        TalkToHumansHook().update_tags(row.contact_id, account_id=row.account_id, add=["x"])
        assert row.tags == ["x"]


class TestNotes:
    @pytest.mark.parametrize(
        ("notes", "stored"),
        [('{"a": 1}', '{"a": 1}'), ({"a": "é"}, '{"a": "é"}'), ([1], "[1]"), (None, None), ("", None)],
    )
    def test_change(self, notes: Any, stored: str | None, sandbox: Sandbox) -> None:
        row = sandbox.state.tables["talktohumans"].rows[0]
        row.notes = "[]"
        TalkToHumansHook().update_notes(row.contact_id, notes, account_id=row.account_id)
        assert row.notes == stored

    @pytest.mark.parametrize(
        "notes", ["called her", '{"a": NaN}', '"\\ud800"', "{", {1, 2}, {"a": float("nan")}]
    )
    def test_bad_notes(self, notes: Any, sandbox: Sandbox) -> None:
        with pytest.raises(InvalidRequest, match="`notes` must be JSON text") as caught:
            TalkToHumansHook().update_notes("5000", notes)
        assert "called" not in str(caught.value)
        assert not sandbox.requests("talktohumans")


class TestStages:
    @pytest.mark.parametrize("stage", ["Interested", "not interested", "NURTURE", "Do Not Contact"])
    @pytest.mark.parametrize("campaign", ["all", "camp_spring"])
    def test_mailstand(self, stage: str, campaign: str, sandbox: Sandbox) -> None:
        rows = sandbox.state.tables["mailstand"].rows
        row = next(one for one in rows if one.campaign == "camp_spring" and one.stage == "Untouched")
        MailstandHook().update_stage(row.contact_id, stage, campaign=campaign)
        assert row.stage.casefold() == stage.casefold()

    @pytest.mark.parametrize(
        ("stage", "campaign", "message"),
        [
            (
                "Replied",
                "all",
                "allows setting these stages: Interested, Not Interested, Nurture, Do Not Contact",
            ),
            ("Interested", None, "Set `campaign`"),
            ("Interested", "spring", "Set `campaign`"),
            ("", "all", "name of a stage"),
        ],
    )
    def test_bad_mailstand(self, stage: str, campaign: Any, message: str, sandbox: Sandbox) -> None:
        with pytest.raises(InvalidRequest, match=message):
            MailstandHook().update_stage("contact_1", stage, campaign=campaign)
        assert not sandbox.requests("mailstand")

    def test_mailstand_response_without_ok(
        self, connect: Callable[..., str], scripted: ScriptedServer
    ) -> None:
        details = {"id": "contact_1", "status": "Interested", "campaigns": []}
        scripted.respond = lambda request: Reply(body=details if request.method == "GET" else {})
        hook = MailstandHook(connect("m", **{**CASES["mailstand"].parts, "host": scripted.url}))
        with pytest.raises(MalformedResponse, match="did not confirm the update"):
            hook.update_stage("contact_1", "Nurture", campaign="all")

    def test_tether(self, sandbox: Sandbox) -> None:
        row = sandbox.state.tables["tether"].rows[0]
        TetherHook().update_stage(row.contact_id, "qualified")
        assert row.status == "Qualified"

    def test_tether_bulk_call(self, sandbox: Sandbox) -> None:
        hook = TetherHook()
        rows = sandbox.state.tables["tether"].rows
        updater = hook.create_updater(parse_stage_change("qualified"), len(rows))
        assert updater.batch_size == 100
        updater.update_batch([Target("", row.contact_id) for row in rows], threading.Event())
        assert {row.status for row in rows} == {"Qualified"}
        sent = [entry for entry in sandbox.requests("tether") if not entry["path"].endswith("/login")]
        assert [entry["method"] for entry in sent] == ["POST", "PUT"]
        with pytest.raises(MalformedResponse, match="does not confirm that all contacts were found"):
            updater.update_batch([Target("", "f" * 24), Target("", rows[0].contact_id)], threading.Event())

    @pytest.mark.parametrize("ids", [{}, {"stageIdByName": None}, {"stageIdByName": {"Won": 5}}, []])
    def test_tether_without_a_stage_id_updates_one_by_one(
        self, ids: Any, connect: Callable[..., str], scripted: ScriptedServer
    ) -> None:
        scripted.respond = lambda request: Reply(body={"stages": ["Won"]} if request.method == "GET" else ids)
        hook = TetherHook(connect("t", **{**CASES["tether"].parts, "host": scripted.url}))
        assert hook.create_updater(parse_stage_change("won"), 5).batch_size == 1

    def test_tether_never_clears_a_stage(self, sandbox: Sandbox) -> None:
        row = sandbox.state.tables["tether"].rows[0]
        before = row.status
        with pytest.raises(InvalidRequest, match="no such stage. Its stages are New Lead, Contacted"):
            TetherHook().update_stage(row.contact_id, "Hot")
        assert row.status == before
        assert not [entry for entry in sandbox.requests("tether") if entry["method"] == "PATCH"]

    @pytest.mark.parametrize(
        "pipeline",
        [
            {"stages": ["New", "Won"]},
            {"data": {"stages": [{"newStage": "New", "color": "red"}, {"newStage": "Won"}]}},
            {"data": [{"stages": [{"name": "New"}, {"name": "Won"}]}]},
            {"pipeline": {"stages": ["New", "Won"]}},
        ],
    )
    def test_tether_pipelines_in_every_shape(
        self, pipeline: Any, connect: Callable[..., str], scripted: ScriptedServer
    ) -> None:
        scripted.respond = lambda request: Reply(
            body=pipeline if request.method == "GET" else {"success": True}
        )
        hook = TetherHook(connect("t", **{**CASES["tether"].parts, "host": scripted.url, "extra": {}}))
        hook.update_stage("a" * 24, "won")
        assert [(one.method, one.path) for one in scripted.received] == [
            ("GET", "/api/pipelines"),
            ("PATCH", f"/api/contacts/{'a' * 24}"),
        ]
        assert json.loads(scripted.received[1].body) == {"status": "Won"}

    @pytest.mark.parametrize("pipeline", [{}, {"stages": []}, {"stages": [{"x": 1}]}, [], {"stages": "New"}])
    def test_tether_pipelines_in_an_unknown_shape(
        self, pipeline: Any, connect: Callable[..., str], scripted: ScriptedServer
    ) -> None:
        def respond(request: ReceivedRequest) -> Reply:
            return Reply(body=pipeline)

        scripted.respond = respond
        hook = TetherHook(connect("t", **{**CASES["tether"].parts, "host": scripted.url, "extra": {}}))
        with pytest.raises(MalformedResponse, match="no list of stages"):
            hook.update_stage("a" * 24, "New")
        assert len(scripted.received) == 1

    def test_tether_stages_are_those_of_the_pipeline(
        self, connect: Callable[..., str], scripted: ScriptedServer
    ) -> None:
        """The active pipeline has a stage of the same name, and lacks another one."""
        parts = CASES["tether"].parts
        pipeline_id = parts["extra"]["pipeline_id"]
        stages = {"Won": "2" * 24, "Only here": "3" * 24}

        def respond(request: ReceivedRequest) -> Reply:
            if request.path == "/api/pipelines":
                return Reply(body={"data": {"_id": "1" * 24, "stages": ["Won"]}})
            if request.method == "POST":
                assert json.loads(request.body)["pipelineId"] == pipeline_id
                return Reply(body={"stageIdByName": stages} if stages else {})
            return Reply(body={"matchedCount": 2})

        scripted.respond = respond
        hook = TetherHook(connect("t", **{**parts, "host": scripted.url}))
        for stage in list(stages):
            updater = hook.create_updater(parse_stage_change(stage.lower()), 2)
            updater.update_batch([Target("", "a" * 24), Target("", "b" * 24)], threading.Event())
            assert json.loads(scripted.received[-1].body)["pipelineStageId"] == stages[stage]
        stages.clear()
        with pytest.raises(MalformedResponse, match="the stages of a different pipeline"):
            hook.create_updater(parse_stage_change("won"), 2)
