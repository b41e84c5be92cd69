"""What a watcher does between two polls."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest

from airflow_provider_contacts.errors import VendorUnavailable
from airflow_provider_contacts.triggers.groups import PollAnswer
from airflow_provider_contacts.triggers.seen import SeenMemory, SeenStore
from airflow_provider_contacts.triggers.watching import DelayedSaving, ErrorLog, with_pauses
from tests.triggers.test_seen import AsyncStore

LOG = logging.getLogger("test")


def test_saving_waits_until_events_are_stored() -> None:
    store = AsyncStore()

    async def go() -> None:
        saving = DelayedSaving(SeenStore(store, None, "poll", LOG), 0.1)
        assert saving.seconds_left() is None
        saving.plan({"a"})
        # A later state does not postpone it.
        saving.plan({"a", "b"})
        await saving.save_if_due()
        assert not store.values
        seconds = saving.seconds_left()
        assert seconds is not None
        await asyncio.sleep(seconds)
        await saving.save_if_due()
        assert saving.seconds_left() is None

    asyncio.run(go())
    assert ["a"] in store.values.values()


def test_stream_with_pauses() -> None:
    async def slow() -> AsyncIterator[int]:
        yield 1
        await asyncio.sleep(0.25)
        yield 2

    async def go() -> list[int | None]:
        return [item async for item in with_pauses(slow(), lambda: 0.1)]

    assert asyncio.run(go()) == [1, None, None, 2]


def test_error_of_the_stream_is_raised() -> None:
    async def broken() -> AsyncIterator[int]:
        yield 1
        raise RuntimeError("broken")

    async def go() -> Any:
        return [item async for item in with_pauses(broken(), lambda: None)]

    with pytest.raises(RuntimeError, match="broken"):
        asyncio.run(go())


def test_closing_early_ends_the_stream() -> None:
    closed: list[bool] = []

    async def endless() -> AsyncIterator[int]:
        try:
            yield 1
            await asyncio.sleep(60)
        finally:
            closed.append(True)

    async def go() -> None:
        stream = with_pauses(endless(), lambda: 0.01)
        assert await anext(stream) == 1
        assert await anext(stream) is None
        await stream.aclose()  # type: ignore[attr-defined]

    asyncio.run(asyncio.wait_for(go(), 5))
    assert closed == [True]


def test_each_problem_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    errors = ErrorLog(LOG, "The watcher")
    down = PollAnswer(error=VendorUnavailable("down"))
    for answer, expected in [
        (down, True),
        (down, True),
        (PollAnswer(), False),
        (PollAnswer(), False),
        (down, True),
    ]:
        assert errors.report(answer) is expected
    assert caplog.text.count("The watcher: Poll failed; will keep retrying. VendorUnavailable: down") == 2
    assert caplog.text.count("The watcher: Polling works again") == 1
    memory = SeenMemory(map(str, range(20)))
    for present, complete in [([], True), ([], True), (map(str, range(20)), True), ([], True)]:
        memory.update(present, is_complete=complete)
        errors.report_holding_back(memory)
    assert caplog.text.count("The watcher: At least half of the 20 contacts") == 2
