"""The same scripted responses in every mode lead to the same outcome, result and error."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import date, datetime, timezone
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_provider_contacts.conditions import Connected, InvitationPending, Opened, Replied, Tagged
from airflow_provider_contacts.errors import InvalidRequest, UnsupportedByVendor
from airflow_provider_contacts.sensors.contacts import (
    ContactRepliedSensor,
    ContactSensor,
    InvitationAcceptedSensor,
    InvitationPendingSensor,
)
from tests.conftest import Sandbox
from tests.scripted import Reply, ScriptedServer
from tests.sensors.modes import MODES, Outcome, run
from tests.stores import Store
from tests.vendors import CASES

CASE = CASES["talktohumans"]
OK, DOWN = "ok", "down"

in_every_mode = pytest.mark.parametrize("mode", MODES)


def page(*ids: str) -> Reply:
    records = [
        {**CASE.record(int(one)), "account": {"account_id": "7"}, "tags": [{"name": "VIP"}]} for one in ids
    ]
    return Reply(body=CASE.page(*records))


def reference(contact_id: str) -> dict[str, str]:
    return {"vendor": "talktohumans", "account_id": "7", "contact_id": contact_id}


DOWN_REPLY = Reply(status=500, body={"error": "oops"})
KEY = Reply(status=401, body={"error": "no such key"})


@pytest.fixture
def wait(connect: Callable[..., str], scripted: ScriptedServer) -> Callable[..., Outcome]:
    """Run a sensor against scripted responses, the last of which repeats."""
    parts = {**CASE.parts, "host": scripted.url, "extra": {"retry_limit": 0}}
    conn_id = connect("scripted", **parts)

    def go(mode: str, *replies: Reply, **arguments: Any) -> Outcome:
        scripted.replies = list(replies)
        scripted.received.clear()
        arguments = {"contacts_conn_id": conn_id, "condition": Tagged("VIP"), **arguments}
        return run(ContactSensor, mode, **arguments)

    return go


# Name: replies, arguments, outcome, result, number of requests (None if the modes may differ).
SCRIPTS: dict[str, tuple[list[Reply], dict[str, Any], str, Any, int | None]] = {
    "first poll matches": ([page("1", "2")], {}, "success", ["1", "2"], 1),
    "third poll matches": ([page(), page(), page("1")], {}, "success", ["1"], 3),
    "not enough at first": ([page("1"), page("1", "2")], {"min_count": "2"}, "success", ["1", "2"], 2),
    "all of two": (
        [page("1", "3"), page("1", "2", "3")],
        {"contact_ids": ["1", {"account_id": "7", "contact_id": "2"}]},
        "success",
        ["1", "2"],
        2,
    ),
    "one of two": ([page("3"), page("2", "3")], {"contact_ids": ["1", "2"], "min_count": 1}, "success", ["2"], 2),
    "another account's": (
        [page("1")],
        {"contact_ids": [{"account_id": "8", "contact_id": "1"}], "timeout": 0.1},
        "timeout",
        None,
        None,
    ),
    "empty list": ([page("1")], {"contact_ids": []}, "success", [], 0),
    "timeout": ([page()], {"timeout": 0.1}, "timeout", None, None),
    "timeout of zero": ([page()], {"timeout": 0}, "timeout", None, 1),
    "timeout, soft_fail": ([page()], {"timeout": 0.1, "soft_fail": True}, "skip", None, None),
    "timeout, never_fail": ([page()], {"timeout": 0.1, "never_fail": True}, "timeout", None, None),
    "timeout, silent_fail": ([page()], {"timeout": 0.1, "silent_fail": True}, "timeout", None, None),
    "two server errors": ([page(), DOWN_REPLY, DOWN_REPLY, page("1")], {}, "success", ["1"], 4),
    "first poll fails": ([DOWN_REPLY, page("1")], {}, "success", ["1"], 2),
    "three server errors": ([DOWN_REPLY] * 3 + [page("1")], {}, "success", ["1"], 4),
    "four server errors": ([DOWN_REPLY], {}, "VendorUnavailable", None, 4),
    "not in a row": (
        [DOWN_REPLY, page(), DOWN_REPLY, page(), DOWN_REPLY, page("1")],
        {"max_consecutive_failures": 1},
        "success",
        ["1"],
        6,
    ),
    "no failures tolerated": ([page(), DOWN_REPLY, page("1")], {"max_consecutive_failures": "0"}, "VendorUnavailable", None, 2),
    "server errors, soft_fail": ([DOWN_REPLY], {"soft_fail": True}, "VendorUnavailable", None, 4),
    "server errors, never_fail": ([DOWN_REPLY], {"never_fail": True}, "skip", None, 4),
    "server errors, silent_fail": ([DOWN_REPLY] * 6 + [page("1")], {"silent_fail": True}, "success", ["1"], 7),
    "server errors, silent_fail, timeout": ([DOWN_REPLY], {"silent_fail": True, "timeout": 0.1}, "timeout", None, None),
    "invalid key": ([KEY], {}, "AuthenticationError", None, 1),
    "key becomes invalid": ([page(), page(), KEY], {}, "AuthenticationError", None, 3),
    "key becomes invalid, soft_fail": ([page(), KEY], {"soft_fail": True}, "AuthenticationError", None, 2),
    "key becomes invalid, never_fail": ([page(), KEY], {"never_fail": True}, "skip", None, 2),
    "key becomes invalid, silent_fail": ([page(), KEY, page("1")], {"silent_fail": True}, "success", ["1"], 3),
    "malformed response": ([page(), Reply(body={"data": 5})], {"max_consecutive_failures": 1}, "MalformedResponse", None, 3),
    "no id": ([Reply(body=CASE.page({}))], {}, "MalformedRecord", None, 1),
}  # fmt: skip


@in_every_mode
@pytest.mark.parametrize("name", SCRIPTS)
def test_script(name: str, mode: str, wait: Callable[..., Outcome], scripted: ScriptedServer) -> None:
    replies, arguments, kind, found, requests = SCRIPTS[name]
    outcome = wait(mode, *replies, **arguments)
    assert outcome.kind == kind, outcome
    assert outcome.value == (None if found is None else [reference(one) for one in found])
    if requests is not None:
        assert len(scripted.received) == requests


@in_every_mode
def test_retry_after_delays_the_next_poll(
    mode: str, wait: Callable[..., Outcome], scripted: ScriptedServer
) -> None:
    import time

    started = time.monotonic()
    outcome = wait(mode, page(), Reply(status=429, headers={"Retry-After": "1"}), page("1"))
    # In this mode Airflow itself waits, and keeps the time.
    assert time.monotonic() - started > 0.9 or mode == "reschedule"
    assert outcome.kind == "success"


def test_retry_after_delays_the_next_reschedule(
    wait: Callable[..., Outcome], scripted: ScriptedServer
) -> None:
    from airflow.sdk.exceptions import AirflowRescheduleException

    scripted.replies = [Reply(status=429, headers={"Retry-After": "90"})]
    with DAG("test", schedule=None):
        sensor = ContactSensor(
            task_id="wait",
            contacts_conn_id="scripted",
            condition=Tagged("VIP"),
            mode="reschedule",
            poke_interval=5,
            timeout=1000,
        )
    from tests.sensors.modes import Instance

    with pytest.raises(AirflowRescheduleException) as caught:
        sensor.execute({"ti": Instance()})  # type: ignore[typeddict-item]
    wait_for = caught.value.reschedule_date - datetime.now(timezone.utc)
    assert 80 < wait_for.total_seconds() <= 90


@in_every_mode
def test_retry_after_holds_across_deferral(
    mode: str, wait: Callable[..., Outcome], scripted: ScriptedServer
) -> None:
    import time

    started = time.monotonic()
    outcome = wait(mode, Reply(status=429, headers={"Retry-After": "1"}), page("1"))
    assert outcome.kind == "success"
    assert time.monotonic() - started > 0.9 or mode == "reschedule"


@pytest.mark.parametrize("mode", ["poke", "reschedule"])
@pytest.mark.parametrize("seconds", ["31536000", "1" + "0" * 18])
def test_retry_after_beyond_the_timeout(mode: str, seconds: str, wait: Callable[..., Outcome]) -> None:
    late = Reply(status=429, headers={"Retry-After": seconds})
    outcome = wait(mode, late, timeout=0.5, poke_interval=0.3, max_consecutive_failures=10_000)
    assert outcome.kind == "timeout"


@in_every_mode
def test_flaky_connection_lookup(
    mode: str, wait: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection lookup that fails once counts as one failed poll, in every mode."""
    from airflow.sdk import BaseHook

    looks = 0

    def hiccup() -> None:
        nonlocal looks
        looks += 1
        if looks in (1, 3):
            raise RuntimeError("ada@secret.test")

    find, afind = BaseHook.get_connection, BaseHook.aget_connection

    def connection(_cls: Any, conn_id: str) -> Any:
        hiccup()
        return find(conn_id)

    async def aconnection(_cls: Any, conn_id: str) -> Any:
        hiccup()
        return await afind(conn_id)

    monkeypatch.setattr(BaseHook, "get_connection", classmethod(connection))
    monkeypatch.setattr(BaseHook, "aget_connection", classmethod(aconnection))
    outcome = wait(mode, page(), page(), page(), page("1"))
    assert outcome.kind == "success", outcome
    assert looks >= 3 or mode == "poke"


def test_broken_state_store_does_not_end_a_wait(wait: Callable[..., Outcome]) -> None:
    class Broken(Store):
        def get(self, key: str) -> Any:
            raise RuntimeError("ada@secret.test")

        set = get  # type: ignore[assignment]

    assert wait("reschedule", page(), DOWN_REPLY, page("1"), store=Broken()).kind == "success"


@in_every_mode
def test_result_is_bounded(
    mode: str, wait: Callable[..., Outcome], capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = wait(mode, page("1", "2", "3"), max_contacts=2, min_count=3)
    assert outcome.value == [reference("1"), reference("2")]
    assert outcome.xcoms == {"count": 3}
    assert "3 contacts match; the first 2 are returned" in capsys.readouterr().out


@in_every_mode
def test_condition_that_no_record_reports_yet(mode: str, wait: Callable[..., Outcome]) -> None:
    """A contact may enter a sequence later, so the wait goes on."""
    later = {**CASE.record(1), "sequence": {"status": "replied"}}
    outcome = wait(
        mode, Reply(body=CASE.page(CASE.record(1))), Reply(body=CASE.page(later)), condition=Replied()
    )
    assert outcome.kind == "success"


@in_every_mode
def test_timeout_names_missing_contacts(mode: str, wait: Callable[..., Outcome]) -> None:
    outcome = wait(mode, page("1"), contact_ids=["1", "99", "98"], timeout=0.1)
    assert outcome.kind == "timeout"
    assert "99, 98" in outcome.message
    assert "1 of 3 contacts match" in outcome.message
    assert wait(mode, page("1"), contact_ids=["1", "99"], timeout=0.1, soft_fail=True).kind == "skip"


def test_a_short_wait_is_not_deferred(wait: Callable[..., Outcome], scripted: ScriptedServer) -> None:
    """Its timeout would come before a trigger may resume the task."""
    started = time.monotonic()
    short: dict[str, Any] = {"timeout": 0.5, "poke_interval": 60, "min_deferred_seconds": 15.0}
    assert wait("deferrable", page(), **short).kind == "timeout"
    assert time.monotonic() - started < 5
    # At the start and at the end.
    assert 2 <= len(scripted.received) <= 3
    assert wait("deferrable", page("1"), **short).kind == "success"


@in_every_mode
def test_progress_is_logged_when_it_changes(
    mode: str, wait: Callable[..., Outcome], capsys: pytest.CaptureFixture[str]
) -> None:
    replies = [page(), page(), page(), page("1"), page("1"), page("1", "2")]
    assert wait(mode, *replies, contact_ids=["1", "2"]).kind == "success"
    output = capsys.readouterr().out
    in_each_process = mode == "reschedule"
    assert output.count(
        "0 of 2 contacts match, 2 required; no match yet, or not reported by the vendor: 1, 2"
    ) == (3 if in_each_process else 1)
    assert output.count(
        "1 of 2 contacts match, 2 required; no match yet, or not reported by the vendor: 2"
    ) == (2 if in_each_process else 1)


@in_every_mode
def test_contacts_that_are_not_waited_for_are_not_logged(
    mode: str, wait: Callable[..., Outcome], capsys: pytest.CaptureFixture[str]
) -> None:
    untagged = Reply(body=CASE.page({**CASE.record(3), "tags": None}, CASE.record(4)))
    outcome = wait(mode, untagged, untagged, page("1"), contact_ids=["1"])
    assert outcome.kind == "success", outcome
    assert "could not be evaluated" not in capsys.readouterr().out


def test_sensors_with_their_own_condition_take_no_other() -> None:
    for sensor in (ContactRepliedSensor, InvitationPendingSensor, InvitationAcceptedSensor):
        with pytest.raises(TypeError, match=f"{sensor.__name__} has its own condition. Use ContactSensor"):
            sensor(task_id="wait", contacts_conn_id="x", condition=Replied())


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"condition": Opened()}, UnsupportedByVendor, "Vendors that do: Mailstand"),
        ({"condition": {"condition": "repleid"}}, InvalidRequest, "Unknown condition `repleid`"),
        ({"condition": None}, InvalidRequest, "`condition` is empty"),
        ({"filters": {"tagg": "x"}}, InvalidRequest, "Did you mean `tag`"),
        ({"filters": {"tag": {1, 2}}}, InvalidRequest, "must be"),
        ({"contact_ids": ["x"]}, InvalidRequest, "Item 1 of `contact_ids`: A TalkToHumans contact id"),
        ({"contact_ids": [{"vendor": "tether", "contact_id": "1"}]}, InvalidRequest, "a different vendor"),
        ({"contact_ids": ["1"], "min_count": 2}, InvalidRequest, "only 1 `contact_ids`"),
        ({"contact_ids": ["ada@secret.test"]}, InvalidRequest, "is not a contact id but an e-mail address"),
        ({"min_count": 0}, InvalidRequest, "`min_count`"),
        ({"min_count": "two"}, InvalidRequest, "`min_count`"),
        ({"max_consecutive_failures": -1}, InvalidRequest, "`max_consecutive_failures`"),
        ({"max_contacts": 0}, InvalidRequest, "`max_contacts`"),
        ({"contact_ids": ["1", "2"], "max_contacts": 1}, InvalidRequest, "Raise `max_contacts`"),
    ],
)
def test_permanent_errors_fail_when_the_task_starts(
    arguments: dict[str, Any],
    error: type[Exception],
    message: str,
    wait: Callable[..., Outcome],
    scripted: ScriptedServer,
) -> None:
    outcome = wait("poke", page("1"), **arguments)
    assert outcome.kind == error.__name__
    assert message in outcome.message
    assert not scripted.received


@in_every_mode
@pytest.mark.parametrize("soft", [{}, {"soft_fail": True}, {"never_fail": True}, {"silent_fail": True}])
def test_permanent_errors_fail_in_every_mode(
    mode: str, soft: dict[str, Any], wait: Callable[..., Outcome], scripted: ScriptedServer
) -> None:
    outcome = wait(mode, page("1"), condition=Opened(), **soft)
    assert outcome.kind == "UnsupportedByVendor"
    assert not scripted.received


def test_ids_that_render_to_none_are_rejected(sandbox: Sandbox) -> None:
    with DAG("test", schedule=None):
        sensor = ContactSensor(
            task_id="wait",
            contacts_conn_id="talktohumans_default",
            condition=Tagged("VIP"),
            contact_ids="{{ ids }}",
        )
    sensor.contact_ids = None
    with pytest.raises(InvalidRequest, match="`contact_ids` is None"):
        sensor.execute({})  # type: ignore[typeddict-item]


@in_every_mode
def test_result_contains_no_personal_data(
    mode: str, wait: Callable[..., Outcome], capsys: pytest.CaptureFixture[str]
) -> None:
    record = {
        **CASE.record(5),
        "name": "Ada Secret",
        "tags": [{"name": "VIP"}],
        "linkedin_url": "https://x.test/ada",
    }
    outcome = wait(
        mode, page(), DOWN_REPLY, Reply(body=CASE.page(record)), filters={"search": "ada@secret.test"}
    )
    assert outcome.value == [{"vendor": "talktohumans", "account_id": "", "contact_id": "5"}]
    output = capsys.readouterr()
    for text in (output.out, output.err, json.dumps(outcome.value)):
        assert "secret" not in text.lower()


class TestPresets:
    @in_every_mode
    def test_replied(self, mode: str, sandbox: Sandbox) -> None:
        rows = sandbox.state.tables["talktohumans"].rows
        since = datetime(2026, 3, 1, tzinfo=timezone.utc)
        for given in (since, since.isoformat(), "2026-03-01"):
            outcome = run(
                ContactRepliedSensor,
                mode,
                contacts_conn_id="talktohumans_default",
                since=given,
                interaction_counts=True,
            )
            assert {one["contact_id"] for one in outcome.value} == {
                row.contact_id
                for row in rows
                if row.sequence == "replied" and row.interacted > since.timestamp()
            }

    @in_every_mode
    def test_invitations(self, mode: str, sandbox: Sandbox) -> None:
        rows = sandbox.state.tables["talktohumans"].rows
        pending = run(InvitationPendingSensor, mode, contacts_conn_id="talktohumans_default")
        assert len(pending.value) == sum(row.pending for row in rows)
        accepted = run(InvitationAcceptedSensor, mode, contacts_conn_id="talktohumans_default")
        assert len(accepted.value) == sum(row.relationship == "connected" for row in rows)

    @pytest.mark.parametrize(
        "since", [date(2026, 3, 1), datetime(2026, 3, 1), datetime(2026, 3, 1, tzinfo=timezone.utc)]
    )
    def test_since_as_time_date_or_text(self, since: Any) -> None:
        with DAG("test", schedule=None):
            sensor = ContactRepliedSensor(task_id="a", contacts_conn_id="c", since=since)
        assert sensor.condition == {"condition": "replied", "since": "2026-03-01T00:00:00Z"}

    def test_since_from_upstream(self) -> None:
        with DAG("test", schedule=None):
            before = ContactRepliedSensor(task_id="before", contacts_conn_id="c")
            sensor = ContactRepliedSensor(task_id="a", contacts_conn_id="c", since=before.output)
        assert sensor.upstream_task_ids == {"before"}

    @in_every_mode
    def test_invalid_since(self, mode: str, sandbox: Sandbox) -> None:
        outcome = run(ContactRepliedSensor, mode, contacts_conn_id="talktohumans_default", since=5)
        assert outcome.kind == "InvalidRequest"

    def test_conditions(self) -> None:
        with DAG("test", schedule=None, default_args={"contacts_conn_id": "some", "poke_interval": 7}):
            replied = ContactRepliedSensor(task_id="a")
            pending = InvitationPendingSensor(task_id="b")
            accepted = InvitationAcceptedSensor(task_id="c")
            templated = ContactRepliedSensor(task_id="d", since="{{ ds }}")
        assert replied.contacts_conn_id == "some"
        assert replied.poke_interval == 7
        assert replied.condition == Replied().to_dict()
        assert pending.condition == InvitationPending().to_dict()
        assert accepted.condition == Connected().to_dict()
        templated.render_template_fields({"ds": "2026-03-01"})
        assert templated.condition == {"condition": "replied", "since": "2026-03-01"}


class TestDeferral:
    def test_trigger_arguments(self, sandbox: Sandbox) -> None:
        from airflow.sdk.exceptions import TaskDeferred

        with DAG("test", schedule=None):
            sensor = ContactSensor(
                task_id="wait",
                contacts_conn_id="talktohumans_default",
                condition=Tagged("Nobody has this"),
                poke_interval=60,
                timeout=3600,
                deferrable=True,
                contact_ids=["5000"],
            )
        with pytest.raises(TaskDeferred) as caught:
            sensor.execute({})  # type: ignore[typeddict-item]
        # The triggerer polls, and all waits that start together share that poll.
        assert not sandbox.requests("talktohumans")
        trigger = caught.value.trigger
        assert trigger.query == {"tag": "Nobody has this"}
        assert trigger.serialize()[0] == "airflow_provider_contacts.triggers.contacts.ContactTrigger"
        assert trigger.contact_ids == [["", "5000"]]
        assert caught.value.timeout.total_seconds() > 3600

    @pytest.mark.parametrize(
        "event",
        [
            None, True, [], {}, {"status": "done"}, {"status": "success"}, {"status": "success", "contacts": None},
            {"status": "success", "contacts": [{"vendor": "x"}]}, {"status": "success", "contacts": ["5"]},
            {"status": "success", "contacts": [{"vendor": "x", "account_id": "", "contact_id": "1"}]},
            {"status": "error"}, {"status": "error", "error": "boom"},
            {"status": "error", "error": {"type": "SystemExit", "message": "", "retry_after": None, "transient": False}},
            {"status": "timeout"}, {"status": "timeout", "message": {"email": "x"}}, {"status": "success", "contacts": []},
        ],
    )  # fmt: skip
    def test_unknown_event_fails(self, event: Any) -> None:
        self.resume_with_unknown_event(event)

    @pytest.mark.parametrize("soft", [{}, {"soft_fail": True}, {"never_fail": True}, {"silent_fail": True}])
    def test_unknown_event_is_not_soft(self, soft: dict[str, Any]) -> None:
        self.resume_with_unknown_event({"status": "error", "error": "boom"}, **soft)

    def resume_with_unknown_event(self, event: Any, **soft: Any) -> None:
        from airflow_provider_contacts.errors import ContactsError

        with DAG("test", schedule=None):
            sensor = ContactSensor(task_id="w", contacts_conn_id="c", condition=Tagged("VIP"), **soft)
        with pytest.raises(ContactsError, match="does not know"):
            sensor.resume_execution("execute_complete", {"event": event}, {})  # type: ignore[typeddict-item]

    @pytest.mark.parametrize(
        ("soft", "kind"),
        [
            ({}, "AirflowSensorTimeout"),
            ({"soft_fail": True}, "AirflowSkipException"),
            ({"never_fail": True}, "AirflowSensorTimeout"),
        ],
    )
    def test_deferral_timeout(self, soft: dict[str, Any], kind: str) -> None:
        with DAG("test", schedule=None):
            sensor = ContactSensor(task_id="w", contacts_conn_id="c", condition=Tagged("VIP"), **soft)
        with pytest.raises(Exception, match="Timed out") as caught:
            sensor.resume_execution("__fail__", {"error": "Trigger timeout"}, {})  # type: ignore[typeddict-item]
        assert type(caught.value).__name__ == kind

    @pytest.mark.parametrize(
        ("soft", "kind"),
        [
            ({}, "ContactsError"),
            ({"soft_fail": True}, "ContactsError"),
            ({"never_fail": True}, "AirflowSkipException"),
        ],
    )
    def test_trigger_that_failed_to_start(self, soft: dict[str, Any], kind: str) -> None:
        with DAG("test", schedule=None):
            sensor = ContactSensor(task_id="w", contacts_conn_id="c", condition=Tagged("VIP"), **soft)
        with pytest.raises(Exception) as caught:  # noqa: PT011
            sensor.resume_execution("__fail__", {"error": "Trigger failure"}, {})  # type: ignore[typeddict-item]
        assert type(caught.value).__name__ == kind


class TestReschedule:
    def test_failures_are_counted_across_processes(
        self, wait: Callable[..., Outcome], scripted: ScriptedServer
    ) -> None:
        store = Store()
        assert wait("reschedule", DOWN_REPLY, store=store).kind == "VendorUnavailable"
        assert store.values
        # The next attempt starts from zero: the stored count belongs to the first.
        store.values = {key: {**value, "try": 0} for key, value in store.values.items()}
        assert wait("reschedule", DOWN_REPLY, store=store).kind == "VendorUnavailable"
        assert len(scripted.received) == 4
        assert wait("reschedule", DOWN_REPLY, page("1"), store=Store()).kind == "success"

    def test_failures_are_not_counted_without_a_store(self, wait: Callable[..., Outcome]) -> None:
        class Nowhere(Store):
            def get(self, key: str) -> Any:
                return None

            def set(self, key: str, value: Any) -> None:
                pass

        outcome = wait("reschedule", *[DOWN_REPLY] * 8, page("1"), store=Nowhere())
        assert outcome.kind == "success"


def test_it_can_be_mapped(sandbox: Sandbox) -> None:
    with DAG("test", schedule=None):
        mapped = ContactSensor.partial(
            task_id="wait", contacts_conn_id="talktohumans_default", condition=Tagged("VIP")
        ).expand(contact_ids=[["5000"], ["5001"]])
    assert mapped.operator_class is ContactSensor


def test_retry_policy() -> None:
    from airflow_provider_contacts.retry import ContactsRetryPolicy

    with DAG("test", schedule=None):
        sensor = ContactSensor(task_id="w", contacts_conn_id="c", condition=Tagged("VIP"))
    assert isinstance(getattr(sensor, "retry_policy", ContactsRetryPolicy()), ContactsRetryPolicy)
