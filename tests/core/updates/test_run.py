"""One change to many contacts, several at a time."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import pytest

from airflow_provider_contacts.core.changes import parse_stage_change, parse_tag_change
from airflow_provider_contacts.core.http.client import Transport
from airflow_provider_contacts.core.settings import Settings
from airflow_provider_contacts.core.updates import run as run_module
from airflow_provider_contacts.core.updates.progress import Progress
from airflow_provider_contacts.core.updates.run import Outcome, Updater, update_all
from airflow_provider_contacts.core.updates.targets import Target
from airflow_provider_contacts.core.vendor import Vendor
from airflow_provider_contacts.errors import (
    AuthenticationError,
    ContactsError,
    InvalidRequest,
    VendorUnavailable,
)
from airflow_provider_contacts.hooks.talktohumans import TALKTOHUMANS
from airflow_provider_contacts.hooks.tether import TETHER
from tests.scripted import ReceivedRequest, Reply, ScriptedServer
from tests.stores import Store

CHANGE = parse_tag_change(["VIP"])
LOG = logging.getLogger("test")
TARGETS = [Target("", str(number), change=CHANGE) for number in range(1, 21)]


@pytest.fixture
def transport(scripted: ScriptedServer) -> Callable[[Vendor], Transport]:
    """Return a function that makes a transport to the scripted server."""

    def make(vendor: Vendor) -> Transport:
        settings = Settings(
            conn_id="c",
            base_url=scripted.url,
            password="secret-of-the-test",
            retry_limit=0,
            vendor_options={"pipeline_id": "b" * 24},
        )
        return Transport(vendor, settings, LOG)

    return make


def updated(request: ReceivedRequest) -> Reply:
    contact_id = request.path.rpartition("/")[2]
    return Reply(body={"data": {"contact": {"contact_id": contact_id, "tags": [{"name": "VIP"}]}}})


def run(transport: Transport, store: Store, concurrency: int = 4) -> Outcome:
    progress = Progress(store, "c", TARGETS, LOG)
    updater = Updater.create(transport, CHANGE, len(TARGETS))
    return update_all(TARGETS, {CHANGE: updater}, progress, concurrency, lambda _count, _total: None)


def test_every_contact_is_updated_once(
    transport: Callable[[Vendor], Transport], scripted: ScriptedServer
) -> None:
    scripted.respond = updated
    store = Store()
    outcome = run(transport(TALKTOHUMANS), store)
    assert outcome.updated == list(range(20))
    assert outcome.failed == {}
    assert sorted(request.path for request in scripted.received) == sorted(
        f"/v1/contacts/{n}" for n in range(1, 21)
    )
    assert run(transport(TALKTOHUMANS), store).updated == list(range(20))
    assert len(scripted.received) == 20


def test_at_most_max_concurrency_requests_are_in_flight(
    transport: Callable[[Vendor], Transport], scripted: ScriptedServer
) -> None:
    lock = threading.Lock()
    together = threading.Barrier(3, timeout=5)
    in_flight: list[int] = []
    waiting = 0

    def wait() -> None:
        nonlocal waiting
        with lock:
            waiting += 1
            in_flight.append(waiting)
            is_early = len(in_flight) <= 3
        if is_early:
            together.wait()
        with lock:
            waiting -= 1

    def respond(request: ReceivedRequest) -> Reply:
        reply = updated(request)
        reply.wait = wait
        return reply

    scripted.respond = respond
    assert len(run(transport(TALKTOHUMANS), Store(), concurrency=3).updated) == 20
    assert max(in_flight) == 3


def test_failures_are_kept_by_contact(
    transport: Callable[[Vendor], Transport], scripted: ScriptedServer
) -> None:
    scripted.respond = lambda request: (
        Reply(status=400, body={"error": {"code": "bad", "message": f"contact {request.path[-1]}"}})
        if request.path in ("/v1/contacts/3", "/v1/contacts/5")
        else updated(request)
    )
    outcome = run(transport(TALKTOHUMANS), Store())
    assert sorted(outcome.failed) == [2, 4]
    assert len(outcome.updated) == 18
    assert all(isinstance(error, InvalidRequest) for error in outcome.failed.values())
    causes = outcome.causes(TARGETS)
    assert causes.startswith(
        "2 x InvalidRequest: TalkToHumans: PATCH /v1/contacts/… returned 400 (bad: contact"
    )


def test_shared_error_ends_the_update(
    transport: Callable[[Vendor], Transport], scripted: ScriptedServer
) -> None:
    scripted.respond = lambda request: (
        Reply(status=401) if request.path == "/v1/contacts/4" else updated(request)
    )
    store = Store()
    with pytest.raises(AuthenticationError):
        run(transport(TALKTOHUMANS), store, concurrency=1)
    assert len(scripted.received) == 4
    assert Progress(store, "c", TARGETS, LOG).done == [0, 1, 2]


def test_what_was_in_flight_when_an_update_ended_is_remembered(
    transport: Callable[[Vendor], Transport], scripted: ScriptedServer
) -> None:
    failed = threading.Event()

    def respond(request: ReceivedRequest) -> Reply:
        if request.path == "/v1/contacts/1":
            failed.set()
            return Reply(status=401)
        reply = updated(request)
        reply.wait = lambda: failed.wait(5)
        return reply

    scripted.respond = respond
    store = Store()
    started = time.monotonic()
    with pytest.raises(AuthenticationError):
        run(transport(TALKTOHUMANS), store)
    assert time.monotonic() - started < 5
    # How many requests were sent before the error arrived depends on timing.
    received = [int(request.path.rpartition("/")[2]) - 1 for request in scripted.received]
    assert len(received) == len(set(received)) < len(TARGETS)
    assert set(Progress(store, "c", TARGETS, LOG).done) == set(received) - {0}


@pytest.mark.parametrize("concurrency", [1, 4])
def test_an_outage_ends_the_update(
    concurrency: int, transport: Callable[[Vendor], Transport], scripted: ScriptedServer
) -> None:
    store = Store()

    def respond(request: ReceivedRequest) -> Reply:
        if int(request.path.rpartition("/")[2]) <= 3:
            return updated(request)
        return Reply(status=503, wait=wait_until_written)

    def wait_until_written() -> None:
        # Otherwise failures may arrive before the last of the three successes, and do not count as
        # a row.
        while Progress(store, "c", TARGETS, LOG).done != [0, 1, 2]:
            time.sleep(0.01)

    scripted.respond = respond
    with pytest.raises(VendorUnavailable) as caught:
        run(transport(TALKTOHUMANS), store, concurrency)
    assert caught.value.transient
    assert "because 10 contacts in a row failed. 3 of 20 contacts were updated" in str(caught.value)
    # Three updates, ten failures, and what was in flight at the end.
    assert 13 <= len(scripted.received) < 13 + concurrency
    assert Progress(store, "c", TARGETS, LOG).done == [0, 1, 2]


def test_failures_that_are_not_in_a_row_do_not_end_the_update(
    transport: Callable[[Vendor], Transport], scripted: ScriptedServer
) -> None:
    scripted.respond = lambda request: (
        updated(request) if int(request.path.rpartition("/")[2]) % 5 == 0 else Reply(status=503)
    )
    outcome = run(transport(TALKTOHUMANS), Store(), concurrency=1)
    assert (len(outcome.updated), len(outcome.failed)) == (4, 16)


def batches(put: Reply, post: Reply | None = None) -> Callable[[ReceivedRequest], Reply]:
    """Simulate a Tether instance by its response to a batch."""

    def respond(request: ReceivedRequest) -> Reply:
        if request.method == "GET":
            return Reply(body={"stages": ["Won"]})
        if request.method == "POST":
            return post or Reply(body={"stageIdByName": {"Won": "a" * 24}})
        return put if request.method == "PUT" else Reply(body={"success": True})

    return respond


@pytest.mark.parametrize("concurrency", [1, 4])
def test_batch_that_fails_in_an_outage_is_not_repeated_one_by_one(
    concurrency: int, transport: Callable[[Vendor], Transport], scripted: ScriptedServer
) -> None:
    scripted.respond = batches(Reply(status=503))
    change = parse_stage_change("won")
    targets = [Target("", f"{number:024x}", change=change) for number in range(1, 31)]
    updater = Updater.create(transport(TETHER), change, len(targets))
    with pytest.raises(VendorUnavailable):
        update_all(
            targets,
            {change: updater},
            Progress(None, "c", targets, LOG),
            concurrency,
            lambda _count, _total: None,
        )
    assert [request.method for request in scripted.received] == ["POST", "PUT"]


@pytest.mark.parametrize(
    "post", [Reply(status=404, body={"message": "no"}), Reply(status=400, body={}), Reply(body=[])]
)
def test_without_a_stage_id_contacts_are_updated_one_by_one(
    post: Reply, transport: Callable[[Vendor], Transport], scripted: ScriptedServer
) -> None:
    scripted.respond = batches(Reply(status=500), post)
    updater = Updater.create(transport(TETHER), parse_stage_change("won"), 3)
    assert updater.batch_size == 1


def test_batch_that_is_refused_is_updated_one_by_one(
    transport: Callable[[Vendor], Transport], scripted: ScriptedServer
) -> None:
    scripted.respond = batches(Reply(status=400, body={"message": "unknown id"}))
    change = parse_stage_change("won")
    targets = [Target("", f"{number:024x}", change=change) for number in range(1, 4)]
    updater = Updater.create(transport(TETHER), change, len(targets))
    assert updater.batch_size == 100
    outcome = update_all(
        targets, {change: updater}, Progress(None, "c", targets, LOG), 1, lambda _count, _total: None
    )
    assert outcome.updated == [0, 1, 2]
    assert [request.method for request in scripted.received] == [
        "POST",
        "PUT",
        "PATCH",
        "PATCH",
        "PATCH",
    ]


def test_rare_causes_are_only_counted() -> None:
    failed: dict[int, Exception] = {index: VendorUnavailable(f"cause {index}") for index in range(8)}
    outcome = Outcome(failed=failed)  # type: ignore[arg-type]
    assert outcome.causes(TARGETS).endswith("; and 3 other causes.")


@pytest.mark.parametrize(
    "reply", [Reply(status=522), Reply(body=b"<html>maintenance</html>"), Reply(status=520, body=b"x")]
)
def test_other_signs_of_an_outage_end_the_update(
    reply: Reply, transport: Callable[[Vendor], Transport], scripted: ScriptedServer
) -> None:
    scripted.replies = [reply]
    with pytest.raises(ContactsError) as caught:
        run(transport(TALKTOHUMANS), Store(), concurrency=1)
    assert not caught.value.permanent
    assert len(scripted.received) == 10


class Journal:
    """Records outcomes, until it breaks."""

    def __init__(self, breaks_after: int = 10**9) -> None:
        self.updated: list[int] = []
        self.failed: dict[int, ContactsError] = {}
        self.breaks_after = breaks_after

    def record(self, updated: Sequence[int], failed: Mapping[int, ContactsError]) -> None:
        if len(self.updated) + len(self.failed) >= self.breaks_after:
            raise ContactsError("The database is down.", transient=True)
        self.updated += updated
        self.failed.update(failed)


def test_every_target_gets_its_own_change(
    transport: Callable[[Vendor], Transport], scripted: ScriptedServer
) -> None:
    scripted.respond = updated
    changes = [parse_tag_change(["VIP"]), parse_tag_change(remove=["VIP"])]
    targets = [Target("", str(number), change=changes[number % 2]) for number in range(1, 11)]
    opened = transport(TALKTOHUMANS)
    updaters = {change: Updater.create(opened, change, 5) for change in changes}
    outcome = update_all(targets, updaters, Progress(None, "c", targets, LOG), 4, lambda _count, _total: None)
    assert outcome.updated == list(range(10))
    sent = {int(request.path.rpartition("/")[2]): json.loads(request.body) for request in scripted.received}
    for number, body in sent.items():
        assert body["tags"] == ({"remove": ["VIP"]} if number % 2 else {"add": [{"name": "VIP"}]})


def test_skipped_targets_are_not_updated(
    transport: Callable[[Vendor], Transport], scripted: ScriptedServer
) -> None:
    scripted.respond = updated
    opened = transport(TALKTOHUMANS)
    updaters = {CHANGE: Updater.create(opened, CHANGE, 5)}
    progress = Progress(None, "c", TARGETS, LOG)
    outcome = update_all(TARGETS, updaters, progress, 4, lambda _count, _total: None, skip={0, 7})
    assert outcome.updated == [index for index in range(20) if index not in (0, 7)]
    assert not {"/v1/contacts/1", "/v1/contacts/8"} & {request.path for request in scripted.received}


def test_journal_has_every_outcome(
    transport: Callable[[Vendor], Transport], scripted: ScriptedServer
) -> None:
    scripted.respond = lambda request: (
        Reply(status=404, body={"message": "gone"}) if request.path.endswith("/3") else updated(request)
    )
    journal = Journal()
    updaters = {CHANGE: Updater.create(transport(TALKTOHUMANS), CHANGE, 20)}
    progress = Progress(None, "c", TARGETS, LOG)
    outcome = update_all(TARGETS, updaters, progress, 4, lambda _count, _total: None, journal=journal)
    assert sorted(journal.updated) == outcome.updated
    assert journal.failed == outcome.failed
    assert list(journal.failed) == [2]


def test_error_that_ends_the_update_is_in_the_journal(
    transport: Callable[[Vendor], Transport], scripted: ScriptedServer
) -> None:
    scripted.respond = lambda request: Reply(status=401, body={"message": "no"})
    journal = Journal()
    updaters = {CHANGE: Updater.create(transport(TALKTOHUMANS), CHANGE, 20)}
    with pytest.raises(AuthenticationError):
        update_all(
            TARGETS,
            updaters,
            Progress(None, "c", TARGETS, LOG),
            1,
            lambda _count, _total: None,
            journal=journal,
        )
    assert [type(error) for error in journal.failed.values()] == [AuthenticationError]


def test_requests_in_flight_are_in_the_journal_after_an_error_that_ends_the_update(
    scripted: ScriptedServer,
) -> None:
    all_arrived = threading.Event()
    rejected = threading.Event()

    def respond(request: ReceivedRequest) -> Reply:
        if len(scripted.received) >= 4:
            all_arrived.set()
        if request.path.endswith("/1"):
            return Reply(status=401, body={"message": "no"}, wait=reject)
        gone = request.path.endswith("/2")
        reply = Reply(status=404, body={"message": "gone"}) if gone else updated(request)
        return replace(reply, wait=follow)

    def reject() -> None:
        all_arrived.wait(5)
        rejected.set()

    def follow() -> None:
        rejected.wait(5)
        time.sleep(0.2)  # so that the rejection arrives first

    scripted.respond = respond
    journal = Journal()
    store = Store()
    # A connection of its own, because all requests of a connection share its limit in a process.
    settings = Settings(conn_id="own", base_url=scripted.url, password="secret-of-the-test", retry_limit=0)
    updaters = {CHANGE: Updater.create(Transport(TALKTOHUMANS, settings, LOG), CHANGE, 20)}
    with pytest.raises(AuthenticationError):
        update_all(
            TARGETS,
            updaters,
            Progress(store, "c", TARGETS, LOG),
            4,
            lambda _count, _total: None,
            journal=journal,
        )
    assert {index: type(error).__name__ for index, error in journal.failed.items()} == {
        0: "AuthenticationError",
        1: "NotFound",
    }
    sent = {int(request.path.rpartition("/")[2]) - 1 for request in scripted.received}
    assert {2, 3} <= set(journal.updated) == sent - {0, 1}
    assert Progress(store, "c", TARGETS, LOG).done == sorted(journal.updated)


def test_journal_that_breaks_stops_the_update(
    transport: Callable[[Vendor], Transport], scripted: ScriptedServer
) -> None:
    """What is not in the journal is not progress either, so the next attempt updates and records it again."""
    scripted.respond = updated
    store = Store()
    journal = Journal(breaks_after=5)
    updaters = {CHANGE: Updater.create(transport(TALKTOHUMANS), CHANGE, 20)}
    with pytest.raises(ContactsError, match="database is down"):
        update_all(
            TARGETS,
            updaters,
            Progress(store, "c", TARGETS, LOG),
            1,
            lambda _count, _total: None,
            journal=journal,
        )
    again = Progress(store, "c", TARGETS, LOG)
    assert again.done == journal.updated == [0, 1, 2, 3, 4]
    assert len(scripted.received) <= 7
    update_all(TARGETS, updaters, again, 1, lambda _count, _total: None, journal=(second := Journal()))
    assert second.updated == list(range(5, 20))


def test_the_guard_is_asked_before_each_batch(
    transport: Callable[[Vendor], Transport], scripted: ScriptedServer
) -> None:
    scripted.respond = lambda request: (
        Reply(body={"stageIdByName": {"Won": "a" * 24}})
        if request.method == "POST"
        else Reply(body={"matchedCount": len(json.loads(request.body)["contactIds"])})
    )
    change = parse_stage_change("won")
    targets = [Target("", f"{number:024x}", change=change) for number in range(250)]
    asked: list[list[int]] = []

    def guard(indexes: Sequence[int], _in_flight: Sequence[int]) -> set[int]:
        asked.append(list(indexes))
        return {index for index in indexes if index % 100 == 7}

    updater = Updater.create(transport(TETHER), change, len(targets))
    progress = Progress(None, "c", targets, LOG)
    outcome = update_all(targets, {change: updater}, progress, 4, lambda _count, _total: None, guard=guard)
    # First all, because time has passed since they were looked at.
    assert [len(indexes) for indexes in asked] == [250, 99, 99, 49]
    assert sorted(set(range(250)) - set(outcome.updated)) == [7, 107, 207]


def test_the_guard_hears_of_requests_in_flight_while_they_last(
    transport: Callable[[Vendor], Transport], scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that claims are renewed, however long a vendor takes."""
    monkeypatch.setattr(run_module, "_SECONDS_BETWEEN_CHECKS", 0.1)
    heard = threading.Event()

    def guard(_waiting: Sequence[int], in_flight: Sequence[int]) -> set[int]:
        if list(in_flight) == [0]:
            heard.set()
        return set()

    scripted.respond = lambda request: Reply(**{**vars(updated(request)), "wait": lambda: heard.wait(20)})
    updater = Updater.create(transport(TALKTOHUMANS), CHANGE, 1)
    progress = Progress(None, "c", TARGETS[:1], LOG)
    outcome = update_all(
        TARGETS[:1], {CHANGE: updater}, progress, 1, lambda _count, _total: None, guard=guard
    )
    assert heard.is_set()
    assert outcome.updated == [0]


def test_requests_that_an_error_leaves_in_flight_are_reported(
    transport: Callable[[Vendor], Transport], scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_module, "_SHUTDOWN_GRACE_SECONDS", 0.1)
    ended = threading.Event()

    def respond(request: ReceivedRequest) -> Reply:
        if request.path.endswith("/1"):
            return Reply(**{**vars(updated(request)), "wait": lambda: ended.wait(20)})
        return Reply(status=401, body={"error": "no such key"})

    scripted.respond = respond
    updater = Updater.create(transport(TALKTOHUMANS), CHANGE, 2)
    abandoned: list[int] = []
    progress = Progress(None, "c", TARGETS[:2], LOG)
    with pytest.raises(ContactsError):
        update_all(
            TARGETS[:2],
            {CHANGE: updater},
            progress,
            2,
            lambda _count, _total: None,
            abandon=abandoned.extend,
        )
    ended.set()
    assert abandoned == [0]


def test_the_guard_is_asked_again_while_single_contacts_are_updated(
    transport: Callable[[Vendor], Transport], scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted.respond = updated
    monkeypatch.setattr(run_module, "_SECONDS_BETWEEN_CHECKS", 0.0)
    asked: list[list[int]] = []

    def guard(indexes: Sequence[int], _in_flight: Sequence[int]) -> set[int]:
        asked.append(list(indexes))
        return set(indexes) & {15, 16}

    progress = Progress(None, "c", TARGETS, LOG)
    updater = Updater.create(transport(TALKTOHUMANS), CHANGE, len(TARGETS))
    outcome = update_all(TARGETS, {CHANGE: updater}, progress, 1, lambda _count, _total: None, guard=guard)
    assert asked[0] == list(range(20))
    assert len(asked) > 10
    assert sorted(set(range(20)) - set(outcome.updated)) == [15, 16]
    assert len(scripted.received) == 18
