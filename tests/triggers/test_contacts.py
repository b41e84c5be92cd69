"""Triggers: sharing a poll, ending a wait, watching for an asset."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from airflow.sdk import Asset
from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from airflow_provider_contacts.conditions import InStage, Replied, Tagged
from airflow_provider_contacts.core.waiting import PollPace
from airflow_provider_contacts.sandbox.vendors.talktohumans import SANDBOX_VENDOR
from airflow_provider_contacts.triggers import groups, seen
from airflow_provider_contacts.triggers.contacts import ContactEventTrigger, ContactTrigger
from tests.conftest import Sandbox
from tests.scripted import ReceivedRequest, Reply, ScriptedServer
from tests.vendors import CASES

try:
    from airflow.triggers.shared_stream import SharedStreamManager
except ImportError:
    SharedStreamManager = None  # type: ignore[assignment,misc]

CASE = CASES["talktohumans"]
VIP = Tagged("VIP").to_dict()
needs_sharing = pytest.mark.skipif(SharedStreamManager is None, reason="Airflow has shared streams since 3.3")


def page(*ids: str) -> Reply:
    return Reply(body=CASE.page(*({**CASE.record(int(one)), "tags": [{"name": "VIP"}]} for one in ids)))


def ids(event: TriggerEvent) -> list[str]:
    return [one["contact_id"] for one in event.payload["contacts"]]


@pytest.fixture
def conn_id(connect: Callable[..., str], scripted: ScriptedServer) -> str:
    return connect("scripted", **{**CASE.parts, "host": scripted.url, "extra": {"retry_limit": 0}})


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the pauses that exist only to give Airflow time."""
    monkeypatch.setattr(ContactEventTrigger, "event_storage_seconds", 0.05)
    monkeypatch.setattr(ContactTrigger, "min_deferred_seconds", 0.0)
    monkeypatch.setattr(groups, "JOIN_WINDOW_SECONDS", 0.05)
    monkeypatch.setattr(groups, "MIN_SECONDS_BETWEEN_POLLS", 0.3)
    monkeypatch.setattr(seen, "_FIRST_RETRY_SECONDS", 0.05)


def rebuild(trigger: BaseEventTrigger) -> Any:
    """Return the trigger that a triggerer rebuilds from its stored row."""
    _, kwargs = trigger.serialize()
    return type(trigger)(**json.loads(json.dumps(kwargs)))


class Triggerer:
    """Runs triggers as Airflow's triggerer does, with Airflow's manager of shared streams."""

    def __init__(self) -> None:
        self.manager = SharedStreamManager()
        self.fired: dict[int, list[TriggerEvent]] = {}

    async def run(self, trigger: Any, trigger_id: int) -> None:
        trigger.trigger_id = trigger_id
        fired = self.fired.setdefault(trigger_id, [])
        key = trigger.shared_stream_key()
        if key is None:
            async for event in trigger.run():
                fired.append(event)
            return
        stream = self.manager.subscribe(trigger_id=trigger_id, trigger=trigger, key=key)
        try:
            async for event in trigger.filter_shared_stream(stream):
                fired.append(event)
        finally:
            await self.manager.unsubscribe(trigger_id, key)


@needs_sharing
class TestSharing:
    def waiting(self, conn_id: str, **arguments: Any) -> ContactTrigger:
        arguments = {"condition": VIP, "poll_interval": 0.1, **arguments}
        trigger = ContactTrigger(contacts_conn_id=conn_id, **arguments)
        trigger._task_instance = object()
        return trigger

    def test_many_waits_cost_one_poll(self, conn_id: str, scripted: ScriptedServer) -> None:
        scripted.replies = [page(), page(), page("1"), page("1", "2")]

        async def go() -> Triggerer:
            triggerer = Triggerer()
            waits = [self.waiting(conn_id) for _ in range(200)]
            waits += [
                self.waiting(conn_id, contact_ids=[["", "2"]], max_consecutive_failures=9) for _ in range(50)
            ]
            await asyncio.gather(*(triggerer.run(one, number) for number, one in enumerate(waits)))
            return triggerer

        triggerer = asyncio.run(asyncio.wait_for(go(), 30))
        assert len(scripted.received) == 4
        assert {tuple(map(str, (len(fired), *ids(fired[0])))) for fired in triggerer.fired.values()} == {
            ("1", "1"),
            ("1", "2"),
        }

    @pytest.mark.parametrize(
        "other",
        [
            {"condition": Tagged("x").to_dict()},
            {"filters": {"tag": "VIP"}},
            {"poll_interval": 0.2},
            {"exponential_backoff": True},
        ],
    )
    def test_different_arguments_do_not_share_a_poll(self, other: dict[str, Any], conn_id: str) -> None:
        assert (
            self.waiting(conn_id).shared_stream_key()
            == self.waiting(conn_id, end_time=5.0).shared_stream_key()
        )
        assert self.waiting(conn_id).shared_stream_key() != self.waiting(conn_id, **other).shared_stream_key()
        assert self.waiting("a").shared_stream_key() != self.waiting("b").shared_stream_key()

    def test_shared_key_contains_no_personal_data(self) -> None:
        trigger = self.waiting("some_connection", filters={"search": "ada@secret.test"})
        assert "secret" not in repr(trigger.shared_stream_key())
        assert "secret" not in repr(trigger)

    def test_each_wait_counts_its_own_failures(self, conn_id: str, scripted: ScriptedServer) -> None:
        scripted.replies = [Reply(status=500), Reply(status=500), page("1")]

        async def go() -> Triggerer:
            triggerer = Triggerer()
            strict = self.waiting(conn_id, max_consecutive_failures=0)
            patient = self.waiting(conn_id, max_consecutive_failures=5)
            await asyncio.gather(triggerer.run(strict, 1), triggerer.run(patient, 2))
            return triggerer

        fired = asyncio.run(asyncio.wait_for(go(), 30)).fired
        assert fired[1][0].payload["error"]["type"] == "VendorUnavailable"
        assert ids(fired[2][0]) == ["1"]

    def test_next_poll_uses_a_changed_connection(
        self, connect: Callable[..., str], scripted: ScriptedServer
    ) -> None:
        with ScriptedServer() as other:
            scripted.replies, other.replies = [page()], [page("9")]
            connect("moving", **{**CASE.parts, "host": scripted.url})

            async def go() -> Triggerer:
                triggerer = Triggerer()
                wait = asyncio.create_task(triggerer.run(self.waiting("moving"), 1))
                while len(scripted.received) < 2:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
                connect("moving", **{**CASE.parts, "host": other.url})
                await wait
                return triggerer

            fired = asyncio.run(asyncio.wait_for(go(), 30)).fired
        assert ids(fired[1][0]) == ["9"]

    def test_arguments_that_are_not_json_are_not_shared(self) -> None:
        assert self.waiting("c", filters={"tag": {1}}).shared_stream_key() is None
        assert self.waiting("c", filters=[]).shared_stream_key() != self.waiting("c").shared_stream_key()

    def test_waits_with_different_times_share_a_poll(self, conn_id: str, scripted: ScriptedServer) -> None:
        """What is tested on records only makes no difference to what the vendor is asked."""
        replied = {"sequence": {"status": "replied"}, "last_interaction_at": "2026-03-05T00:00:00Z"}
        scripted.replies = [Reply(body=CASE.page()), Reply(body=CASE.page({**CASE.record(1), **replied}))]

        async def go() -> Triggerer:
            triggerer = Triggerer()
            waits = [
                self.waiting(
                    conn_id,
                    condition=Replied(datetime(2026, 3, day), interaction_counts=True).to_dict(),
                    query={},
                    end_time=time.time() + (1.0 if day > 4 else 30.0),
                )
                for day in range(1, 9)
            ]
            assert len({wait.shared_stream_key() for wait in waits}) == 1
            await asyncio.gather(*(triggerer.run(one, number) for number, one in enumerate(waits)))
            return triggerer

        fired = asyncio.run(asyncio.wait_for(go(), 30)).fired
        statuses = [fired[number][0].payload["status"] for number in range(8)]
        assert statuses == ["success"] * 4 + ["timeout"] * 4

    def test_wait_that_joins_a_long_interval_is_polled_for_soon(
        self, conn_id: str, scripted: ScriptedServer
    ) -> None:
        scripted.replies = [page("1")]

        async def go() -> Triggerer:
            triggerer = Triggerer()
            long = {"poll_interval": 3600}
            early = asyncio.create_task(triggerer.run(self.waiting(conn_id, min_count=2, **long), 1))
            while not scripted.received:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            await triggerer.run(self.waiting(conn_id, **long), 2)
            early.cancel()
            return triggerer

        fired = asyncio.run(asyncio.wait_for(go(), 10)).fired
        assert ids(fired[2][0]) == ["1"]
        assert len(scripted.received) == 2

    def test_requests_do_not_grow_with_the_sensors(self, conn_id: str, scripted: ScriptedServer) -> None:
        """Sensors that start one after another wait for a poll of the others."""
        scripted.replies = [page("1")]

        async def go() -> tuple[Triggerer, float]:
            triggerer = Triggerer()
            early = asyncio.create_task(
                triggerer.run(self.waiting(conn_id, min_count=2, poll_interval=0.3), 0)
            )
            started = time.monotonic()
            waits = []
            for number in range(1, 40):
                waits.append(
                    asyncio.create_task(triggerer.run(self.waiting(conn_id, poll_interval=0.3), number))
                )
                await asyncio.sleep(0.02)
            await asyncio.gather(*waits)
            early.cancel()
            return triggerer, time.monotonic() - started

        triggerer, seconds = asyncio.run(asyncio.wait_for(go(), 20))
        assert all(ids(events[0]) == ["1"] for number, events in triggerer.fired.items() if number)
        assert len(scripted.received) <= seconds / 0.3 / 0.9 + 2

    def test_one_error_with_a_long_pause_does_not_freeze_the_others(
        self, conn_id: str, scripted: ScriptedServer
    ) -> None:
        """A Unix time as Retry-After is not a pause of decades."""
        late = Reply(status=429, headers={"Retry-After": str(int(time.time()) + 1)})
        scripted.replies = [late, page("1")]

        async def go() -> Triggerer:
            triggerer = Triggerer()
            waits = [self.waiting(conn_id) for _ in range(11)]
            await asyncio.gather(*(triggerer.run(one, number) for number, one in enumerate(waits)))
            return triggerer

        fired = asyncio.run(asyncio.wait_for(go(), 10)).fired
        assert all(ids(events[0]) == ["1"] for events in fired.values())

    def test_watchers_and_waits_share_a_poll(self, conn_id: str, scripted: ScriptedServer) -> None:
        scripted.replies = [page(), page("1"), page("1", "2")]

        async def go() -> Triggerer:
            triggerer = Triggerer()
            watcher = ContactEventTrigger(contacts_conn_id=conn_id, condition=VIP, poll_interval=0.1)
            watching = asyncio.create_task(triggerer.run(watcher, 1))
            await triggerer.run(self.waiting(conn_id, min_count=2), 2)
            while len(triggerer.fired[1]) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            watching.cancel()
            return triggerer

        fired = asyncio.run(asyncio.wait_for(go(), 30)).fired
        assert [ids(event) for event in fired[1]] == [["1"], ["2"]]
        assert ids(fired[2][0]) == ["1", "2"]


class TestContactTrigger:
    def run(self, **arguments: Any) -> list[TriggerEvent]:
        trigger = rebuild(ContactTrigger(**{"condition": VIP, "poll_interval": 0.02, **arguments}))

        async def collect() -> list[TriggerEvent]:
            return [event async for event in trigger.run()]

        return asyncio.run(asyncio.wait_for(collect(), 30))

    def test_a_missing_connection(self) -> None:
        [event] = self.run(contacts_conn_id="nowhere")
        assert event.payload["error"]["type"] == "InvalidConnection"

    @pytest.mark.parametrize("interval", ["x", None])
    def test_stored_interval_of_a_wrong_type_is_an_error_event(self, interval: Any, conn_id: str) -> None:
        [event] = self.run(contacts_conn_id=conn_id, poll_interval=interval)
        assert event.payload["status"] == "error"

    def test_last_poll_is_at_the_end_time(self, conn_id: str, scripted: ScriptedServer) -> None:
        scripted.replies = [page()]
        started = time.time()
        [event] = self.run(
            contacts_conn_id=conn_id, poll_interval=0.1, exponential_backoff=True, end_time=started + 1.0
        )
        assert event.payload["status"] == "timeout"
        assert 0.9 < time.time() - started < 3

    @pytest.mark.parametrize("contact_ids", [5, [["1"]], [["", "1", "2"]]])
    def test_stored_arguments_of_a_wrong_type_are_an_error_event(
        self, contact_ids: Any, conn_id: str, scripted: Any
    ) -> None:
        scripted.replies = [page("1")]
        [event] = self.run(contacts_conn_id=conn_id, contact_ids=contact_ids)
        assert event.payload["status"] == "error"

    def test_broken_stream_is_an_error_event(self, conn_id: str) -> None:
        async def broken() -> Any:
            raise RuntimeError("ada@secret.test")
            yield

        async def collect() -> list[TriggerEvent]:
            trigger = ContactTrigger(contacts_conn_id=conn_id, condition=VIP)
            return [event async for event in trigger.filter_shared_stream(broken())]

        [event] = asyncio.run(collect())
        assert event.payload["error"]["type"] == "ContactsError"
        assert "Unexpected RuntimeError" in event.payload["error"]["message"]
        assert "secret" not in json.dumps(event.payload)

    def test_no_task_is_resumed_soon_after_it_deferred(
        self, conn_id: str, scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Each wait has its own time, also for an error and for a timeout."""
        monkeypatch.setattr(ContactTrigger, "min_deferred_seconds", 0.5)
        scripted.replies = [page("1")]

        async def hold(delay: float, **arguments: Any) -> float:
            await asyncio.sleep(delay)
            trigger = ContactTrigger(contacts_conn_id=conn_id, condition=VIP, poll_interval=0.05, **arguments)
            trigger._task_instance = object()
            started = time.monotonic()
            [_] = [event async for event in trigger.run()]
            return time.monotonic() - started

        async def go() -> list[float]:
            return await asyncio.gather(
                hold(0.0),
                hold(0.2),
                hold(0.0, max_contacts="many"),
                hold(0.0, contact_ids=[["", "9"]], end_time=time.time() + 0.1),
            )

        assert all(0.5 <= seconds < 2 for seconds in asyncio.run(go()))

    def test_without_a_scheduler_it_does_not_wait(
        self, conn_id: str, scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(ContactTrigger, "min_deferred_seconds", 60.0)
        scripted.replies = [page("1")]
        trigger = ContactTrigger(contacts_conn_id=conn_id, condition=VIP, poll_interval=0.1)

        async def go() -> list[TriggerEvent]:
            return [event async for event in trigger.run()]

        [event] = asyncio.run(asyncio.wait_for(go(), 20))
        assert ids(event) == ["1"]

    def test_exponential_backoff(self, conn_id: str, scripted: ScriptedServer) -> None:
        pace = PollPace(2.0, exponential=True, max_pause=20.0)
        pauses = [pace.pause_after(polls, 0) for polls in range(1, 7)]
        assert all(
            low * 0.9 < pause < low * 1.1 for pause, low in zip(pauses, [2, 4, 8, 16, 20, 20], strict=True)
        )
        scripted.replies = [page(), page("1")]
        [event] = self.run(contacts_conn_id=conn_id, exponential_backoff=True, max_wait=0.02)
        assert ids(event) == ["1"]

    def test_contact_trigger_cannot_watch_an_asset(
        self, conn_id: str, capsys: pytest.CaptureFixture[str], scripted: ScriptedServer
    ) -> None:
        trigger = ContactTrigger(contacts_conn_id=conn_id, condition=VIP)
        trigger.trigger_id = 5  # type: ignore[assignment]
        assert trigger.shared_stream_key() is None

        async def go() -> None:
            async for _ in trigger.run():
                raise AssertionError("it must not fire")

        with pytest.raises(TimeoutError):
            asyncio.run(asyncio.wait_for(go(), 0.2))
        assert "ContactEventTrigger" in capsys.readouterr().out
        assert not scripted.received

    def test_slow_poll_is_logged(
        self, conn_id: str, scripted: ScriptedServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        scripted.replies = [Reply(body=page("1").content, delay=0.1)]
        with caplog.at_level("WARNING"):
            self.run(contacts_conn_id=conn_id)
        assert "longer than its interval" in caplog.text

    def test_fixed_connection_is_read_again(
        self, connect: Callable[..., str], scripted: ScriptedServer
    ) -> None:
        """A wait that ignores errors continues when the key is fixed."""
        connect("fixed", **{**CASE.parts, "host": scripted.url, "password": "wrong-key"})

        def respond(request: ReceivedRequest) -> Reply:
            if request.headers["authorization"] == "Bearer right-key":
                return page("1")
            connect("fixed", **{**CASE.parts, "host": scripted.url, "password": "right-key"})
            return Reply(status=401)

        scripted.respond = respond
        [event] = self.run(contacts_conn_id="fixed", ignore_errors=True)
        assert ids(event) == ["1"]


class AssetStore:
    """A stand-in for Airflow's ``asset_state_store`` of a watcher with one or several assets."""

    def __init__(self, *names: str) -> None:
        self.names = names or ("replies",)
        self._by_name = dict.fromkeys(self.names)  # as in Airflow's class, see test_names_of_watched_assets
        self.values: dict[str, Any] = {}
        self.broken = self.unwritable = self.inactive = 0
        self.writes = 0

    def stored(self) -> list[str]:
        """Return the stored digests of all conditions."""
        return [mark for block in self.values.values() if isinstance(block, list) for mark in block]

    def __getitem__(self, asset: Any) -> AssetStore:
        if asset.name not in self.names:
            raise KeyError(asset.name)
        one = AssetStore(asset.name)
        one.values = self.values
        return one

    async def aget(self, key: str) -> Any:
        if len(self.names) > 1:
            raise ValueError("Task has 2 concrete inlets and outlets")
        if self.broken:
            self.broken -= 1
            raise ValueError("ada@secret.test")
        # Airflow reports a missing key and an inactive asset in the same way.
        return None if self.inactive else self.values.get(key)

    async def aset(self, key: str, value: Any) -> None:
        if self.inactive:
            self.inactive -= 1
            raise RuntimeError("404")
        if self.unwritable and not key.endswith("-check"):
            self.unwritable -= 1
            raise RuntimeError("ada@secret.test")
        self.writes += 1
        self.values[key] = json.loads(json.dumps(value))


class TestContactEventTrigger:
    def watch(
        self, conn_id: str, scripted: ScriptedServer, polls: int, store: AssetStore | None, **arguments: Any
    ) -> list[list[str]]:
        """Run a watcher for some polls, cancel it as the triggerer does, and return the emitted ids."""
        trigger = rebuild(
            ContactEventTrigger(
                contacts_conn_id=conn_id,
                **{"condition": Tagged("VIP"), "poll_interval": 0.1, **arguments},
            )
        )
        trigger.asset_state_store = store
        emitted: list[list[str]] = []
        start = len(scripted.received)

        async def go() -> None:
            async def follow() -> None:
                async for event in trigger.run():
                    emitted.append(ids(event))  # noqa: PERF401 - read while the task runs

            task = asyncio.create_task(follow())
            while len(scripted.received) < start + polls + 1:
                await asyncio.sleep(0.005)
                assert not task.done(), task.exception()
            task.cancel()

        asyncio.run(asyncio.wait_for(go(), 30))
        return emitted

    def test_each_contact_is_emitted_once(self, conn_id: str, scripted: ScriptedServer) -> None:
        """A contact is forgotten after three polls without it."""
        store = AssetStore()
        polls = [
            ["1"],
            ["1"],
            ["1", "2", "3"],
            ["2", "3"],
            ["2"],
            ["1", "2"],
            ["1"],
            ["1"],
            ["1"],
            ["1", "2"],
        ]
        scripted.replies = [page(*some) for some in polls]
        assert self.watch(conn_id, scripted, 10, store) == [["2", "3"], ["2"]]
        assert all(len(mark) == 11 for mark in store.stored())

    def test_one_empty_answer_emits_nobody_again(self, conn_id: str, scripted: ScriptedServer) -> None:
        some = [str(number) for number in range(1, 21)]
        scripted.replies = [page(*some), page(*some), page(), page(*some), page(*some, "21")]
        assert self.watch(conn_id, scripted, 5, AssetStore()) == [["21"]]

    def test_mass_of_missing_contacts_is_held_back(
        self, conn_id: str, scripted: ScriptedServer, capsys: pytest.CaptureFixture[str]
    ) -> None:
        some = [str(number) for number in range(1, 26)]
        scripted.replies = [page(*some), *[page(*some[:5])] * 8, page(*some)]
        assert self.watch(conn_id, scripted, 10, AssetStore(), poll_interval=0.05) == []
        assert capsys.readouterr().out.count("At least half of the 25 contacts") == 1

    def test_incomplete_listing_is_used_for_what_it_found(
        self, connect: Callable[..., str], scripted: ScriptedServer
    ) -> None:
        """Contacts that an incomplete listing lacks are not forgotten."""
        case = CASES["mailstand"]
        stage = {"stage": "Interested"}
        polls = [["1", "2"], ["1"], ["1"], ["1"], ["1"], ["1", "2", "3"]]
        state = {"poll": 0, "requests": 0}

        def respond(request: ReceivedRequest) -> Reply:
            state["requests"] += 1
            some = polls[min(state["poll"], len(polls) - 1)]
            is_whole = state["poll"] in (0, 5)
            if is_whole or state["requests"] % 3 == 0:
                state["poll"] += 1
                state["requests"] = 0
            body = case.page(*({**case.record(int(one)), **stage} for one in some))
            # A total that changes from pass to pass.
            return Reply(body={**body, "total_found": len(some) if is_whole else 10 + state["requests"]})

        scripted.respond = respond
        conn_id = connect("m", **{**case.parts, "host": scripted.url})
        trigger = ContactEventTrigger(
            contacts_conn_id=conn_id, condition=InStage("Interested"), poll_interval=0.05
        )
        trigger.asset_state_store = AssetStore()  # type: ignore[assignment]

        async def go() -> list[str]:
            async with contextlib.aclosing(trigger.run()) as events:  # type: ignore[type-var]
                return ids(await anext(events))

        assert asyncio.run(asyncio.wait_for(go(), 20)) == ["3"]

    def test_contacts_whose_answer_is_unknown_are_not_forgotten(
        self, conn_id: str, scripted: ScriptedServer
    ) -> None:
        replied = [{**CASE.record(number), "sequence": {"status": "replied"}} for number in range(1, 16)]
        unknown = [CASE.record(number) for number in range(1, 16)]
        scripted.replies = [Reply(body=CASE.page(*some)) for some in (replied, *[unknown] * 5, replied)]
        trigger_arguments = {"condition": Replied()}
        assert self.watch(conn_id, scripted, 7, AssetStore(), **trigger_arguments) == []

    def test_incomplete_poll_is_no_baseline(
        self, connect: Callable[..., str], scripted: ScriptedServer
    ) -> None:
        case = CASES["mailstand"]
        some = [{**case.record(number), "stage": "Interested"} for number in range(1, 11)]
        totals = iter([40, 41, 42])

        def respond(_request: ReceivedRequest) -> Reply:
            # The first poll lists 3 of a total that changes from pass to pass, the others all 10.
            total = next(totals, None)
            if total is not None:
                return Reply(body={**case.page(*some[:3]), "total_found": total})
            return Reply(body={**case.page(*some), "total_found": len(some)})

        scripted.respond = respond
        conn_id = connect("m", **{**case.parts, "host": scripted.url})
        emitted = self.watch(conn_id, scripted, 8, AssetStore(), condition=InStage("Interested"))
        assert emitted == []

    def test_events_are_bounded(self, conn_id: str, scripted: ScriptedServer) -> None:
        scripted.replies = [page(), page(*map(str, range(1, 8)))]
        assert self.watch(conn_id, scripted, 3, AssetStore(), max_contacts_per_event=3) == [
            ["1", "2", "3"],
            ["4", "5", "6"],
            ["7"],
        ]

    def test_event_contains_condition_and_time(self, conn_id: str, scripted: ScriptedServer) -> None:
        scripted.replies = [page("1")]
        trigger = ContactEventTrigger(
            contacts_conn_id=conn_id, condition=Tagged("VIP"), poll_interval=0.05, emit_existing=True
        )

        async def go() -> Any:
            async with contextlib.aclosing(trigger.run()) as events:  # type: ignore[type-var]
                return (await anext(events)).payload

        payload = asyncio.run(asyncio.wait_for(go(), 10))
        assert payload["condition"] == VIP
        assert datetime.fromisoformat(payload["emitted_at"]).tzinfo is not None
        assert payload.keys() == {"contacts", "condition", "emitted_at"}

    def test_asset_that_is_inactive_for_a_moment_is_not_new(
        self, conn_id: str, scripted: ScriptedServer, capsys: pytest.CaptureFixture[str]
    ) -> None:
        store = AssetStore()
        scripted.replies = [page("1")]
        self.watch(conn_id, scripted, 2, store)
        store.inactive = 3
        scripted.replies = [page("1", "2")]
        assert self.watch(conn_id, scripted, 2, store) == [["2"]]
        assert "will retry" in capsys.readouterr().out

    @pytest.mark.parametrize("emit_existing", [True, False])
    def test_the_first_poll_is_a_baseline(
        self, emit_existing: bool, conn_id: str, scripted: ScriptedServer
    ) -> None:
        scripted.replies = [page("1", "2")]
        expected = [["1", "2"]] if emit_existing else []
        assert self.watch(conn_id, scripted, 3, AssetStore(), emit_existing=emit_existing) == expected

    @pytest.mark.parametrize("emit_existing", [True, False])
    def test_restart_loses_and_repeats_nothing(
        self, emit_existing: bool, conn_id: str, scripted: ScriptedServer
    ) -> None:
        store = AssetStore()
        scripted.replies = [page(), page("1")]
        assert self.watch(conn_id, scripted, 3, store, emit_existing=emit_existing) == [["1"]]
        scripted.replies = [page("1", "2")]
        assert self.watch(conn_id, scripted, 3, store, emit_existing=emit_existing) == [["2"]]
        assert self.watch(conn_id, scripted, 3, store, emit_existing=emit_existing) == []

    def test_an_empty_baseline_is_remembered_too(self, conn_id: str, scripted: ScriptedServer) -> None:
        store = AssetStore()
        scripted.replies = [page()]
        assert self.watch(conn_id, scripted, 2, store) == []
        scripted.replies = [page("1")]
        assert self.watch(conn_id, scripted, 2, store) == [["1"]]

    def test_kill_before_the_event_is_stored_repeats_it(
        self, conn_id: str, scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = AssetStore()
        scripted.replies = [page()]
        self.watch(conn_id, scripted, 2, store)
        scripted.replies = [page("1")]
        trigger = rebuild(
            ContactEventTrigger(contacts_conn_id=conn_id, condition=Tagged("VIP"), poll_interval=0.1)
        )
        trigger.asset_state_store = store

        async def die() -> list[str]:
            return ids(await anext(trigger.run()))

        assert asyncio.run(die()) == ["1"]
        assert self.watch(conn_id, scripted, 2, store) == [["1"]]

    def test_missing_state_store_is_logged_once(
        self, conn_id: str, scripted: ScriptedServer, capsys: pytest.CaptureFixture[str]
    ) -> None:
        scripted.replies = [page(), page("1")]
        assert self.watch(conn_id, scripted, 3, None) == [["1"]]
        assert capsys.readouterr().out.count("no asset state store") == 1

    def test_several_assets_need_asset_name(
        self, conn_id: str, scripted: ScriptedServer, capsys: pytest.CaptureFixture[str]
    ) -> None:
        scripted.replies = [page(), page("1")]
        store = AssetStore("a", "b")
        assert self.watch(conn_id, scripted, 3, store) == [["1"]]
        assert "Set asset_name" in capsys.readouterr().out
        assert store.values == {}
        assert self.watch(conn_id, scripted, 3, store, asset_name="b") == []
        assert store.values
        scripted.replies = [page("1", "2")]
        assert self.watch(conn_id, scripted, 3, store, asset_name="b") == [["2"]]
        self.watch(conn_id, scripted, 1, store, asset_name="c")
        assert "No asset 'c'" in capsys.readouterr().out

    def test_errors_are_logged_once_and_never_end_the_watcher(
        self, conn_id: str, scripted: ScriptedServer, capsys: pytest.CaptureFixture[str]
    ) -> None:
        down, key = Reply(status=500), Reply(status=401)
        scripted.replies = [page(), down, down, key, key, page("1")]
        assert self.watch(conn_id, scripted, 6, AssetStore("replies"), poll_interval=0.02) == [["1"]]
        output = capsys.readouterr().out
        assert f"The watcher of asset 'replies' with connection '{conn_id}': Poll failed" in output
        assert output.count("will keep retrying. VendorUnavailable") == 1
        assert output.count("will keep retrying. AuthenticationError") == 1
        assert output.count("Polling works again") == 1

    def test_names_of_watched_assets(self) -> None:
        context = pytest.importorskip("airflow.sdk.execution_time.context")
        if not hasattr(context, "AssetStateStoreAccessors"):
            pytest.skip("this Airflow has no asset state store")
        trigger = ContactEventTrigger(contacts_conn_id="x", condition="replied")
        assert trigger._describe() == "The watcher with connection 'x'"
        trigger.asset_state_store = context.AssetStateStoreAccessors([Asset("replies"), Asset("others")])
        assert trigger._describe() == "The watcher of asset 'replies', 'others' with connection 'x'"

    def test_failing_state_store(
        self, conn_id: str, scripted: ScriptedServer, capsys: pytest.CaptureFixture[str]
    ) -> None:
        store = AssetStore()
        store.broken = store.unwritable = 1
        scripted.replies = [page(), page("1")]
        assert self.watch(conn_id, scripted, 3, store) == [["1"]]
        output = capsys.readouterr().out
        assert "Could not read the asset" in output
        assert "Could not write the asset" in output
        assert "secret" not in output
        assert len(store.stored()) == 1

    def test_broken_shared_poll_falls_back(
        self, conn_id: str, scripted: ScriptedServer, capsys: pytest.CaptureFixture[str]
    ) -> None:
        trigger = ContactEventTrigger(
            contacts_conn_id=conn_id, condition=VIP, emit_existing=True, poll_interval=0.1
        )
        scripted.replies = [page("1")]

        async def broken() -> Any:
            raise RuntimeError("overflow")
            yield

        async def go() -> list[str]:
            return ids(await anext(trigger.filter_shared_stream(broken())))

        assert asyncio.run(go()) == ["1"]
        assert "continues on its own" in capsys.readouterr().out

    def test_each_condition_has_its_own_memory(self, conn_id: str, scripted: ScriptedServer) -> None:
        store = AssetStore()
        scripted.replies = [page("1")]
        self.watch(conn_id, scripted, 2, store)
        self.watch(conn_id, scripted, 2, store, filters={"tag": "VIP"})
        assert len(store.stored()) == len(set(store.stored())) == 2

    @pytest.mark.parametrize("condition", ["replied", None, {"condition": "replied"}, Replied()])
    def test_conditions(self, condition: Any) -> None:
        if condition is None:
            with pytest.raises(TypeError, match="nothing to wait for"):
                ContactEventTrigger(contacts_conn_id="c", condition=condition)
        else:
            trigger = ContactEventTrigger(contacts_conn_id="c", condition=condition)
            assert trigger.condition == {"condition": "replied"}

    @pytest.mark.parametrize("interval", [0, -5, "x", None, True, float("nan"), float("inf")])
    def test_bad_intervals(self, interval: Any) -> None:
        with pytest.raises(TypeError, match="`poll_interval`"):
            ContactEventTrigger(contacts_conn_id="c", condition=Replied(), poll_interval=interval)

    def test_an_interval_may_be_a_timedelta(self) -> None:
        from datetime import timedelta

        trigger = ContactEventTrigger(
            contacts_conn_id="c", condition=Replied(), poll_interval=timedelta(minutes=5)
        )
        assert rebuild(trigger).poll_interval == 300

    def test_stored_row_of_another_version_is_a_type_error(self) -> None:
        """The triggerer tolerates only TypeError when it rebuilds a trigger."""
        for condition in (None, 5, [], "reppplied"):
            with pytest.raises(TypeError):
                ContactEventTrigger(contacts_conn_id="c", condition=condition)

    @pytest.mark.parametrize("stored", [[["a"]], "text", {"a": 1}, [5]])
    def test_invalid_stored_memory(self, stored: Any, conn_id: str, scripted: ScriptedServer) -> None:
        store = AssetStore()
        scripted.replies = [page("1")]
        self.watch(conn_id, scripted, 2, store)
        store.values = dict.fromkeys(store.values, stored)
        assert self.watch(conn_id, scripted, 2, store) == []

    @pytest.mark.parametrize("name", ["", "x" * 5000])
    def test_unknown_asset_name(self, name: str, conn_id: str, scripted: ScriptedServer) -> None:
        scripted.replies = [page(), page("1")]
        assert self.watch(conn_id, scripted, 3, AssetStore(), asset_name=name) == [["1"]]

    def test_asset_watcher_accepts_it(self) -> None:
        from airflow.sdk import Asset, AssetWatcher

        trigger = ContactEventTrigger(contacts_conn_id="c", condition=Replied())
        asset = Asset("replies", watchers=[AssetWatcher(name="w", trigger=trigger)])
        assert asset.watchers[0].trigger is trigger
        classpath, kwargs = trigger.serialize()
        assert isinstance(BaseEventTrigger.hash(classpath, kwargs), int)

    def test_at_the_sandbox(self, sandbox: Sandbox) -> None:
        """No contact is emitted twice while others reply."""
        rows = [row for row in sandbox.state.tables["talktohumans"].rows if row.sequence != "replied"]
        trigger = ContactEventTrigger(
            contacts_conn_id="talktohumans_default", condition=Replied(), poll_interval=0.05
        )
        store = AssetStore()
        trigger.asset_state_store = store  # type: ignore[assignment]

        async def go() -> list[tuple[str, str]]:
            emitted: list[tuple[str, str]] = []
            stream = trigger.run()
            first = asyncio.create_task(anext(stream))
            while not any(isinstance(one, dict) for one in store.values.values()):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            for row in rows[:5]:
                SANDBOX_VENDOR.events["reply"](row, 1_780_000_000)
                sandbox.state.tables["talktohumans"].invalidate(row)
                await asyncio.sleep(0.03)
            event = await first
            while True:
                emitted += [(one["account_id"], one["contact_id"]) for one in event.payload["contacts"]]
                if len(emitted) >= 5:
                    return emitted
                event = await anext(stream)

        emitted = asyncio.run(asyncio.wait_for(go(), 30))
        assert sorted(emitted) == sorted((row.account_id, row.contact_id) for row in rows[:5])
