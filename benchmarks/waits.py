"""What many deferred sensors cost: requests, the triggerer's CPU time, and the time until all have seen a reply.

Sensors start one after another and are run as Airflow's triggerer runs them, in this process.
Requests are counted from the start of the first one. Airflow itself then has to resume the tasks,
which is not measured here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from airflow.triggers.shared_stream import SharedStreamManager
from measuring import Vendors, vendors

from airflow_provider_contacts.conditions import Condition, Replied
from airflow_provider_contacts.hooks.base import ContactsHook
from airflow_provider_contacts.triggers.contacts import ContactTrigger

COUNTS = (1, 10, 100, 1000)
POLL_SECONDS = 5.0
# All sensors have started after this time.
START_SECONDS = 10.0
WINDOW_SECONDS = 20.0
CONN_ID = "mailstand_default"
QUESTIONS = ("one question", "ten questions", "ten values of since")


@dataclass(frozen=True, slots=True)
class Cost:
    """What some sensors have cost.

    :param requests: requests in a minute.
    :param cpu: CPU seconds of the triggerer in a minute.
    :param seconds: from the replies until every sensor has its event.
    """

    requests: float
    cpu: float
    seconds: float


def questions(kind: str) -> Iterator[tuple[dict[str, object], Condition]]:
    """Yield filters and conditions, in turn."""
    now = datetime.now(timezone.utc)
    while True:
        for number in range(10):
            if kind == "one question":
                yield {}, Replied()
            elif kind == "ten questions":
                yield {"search": f"domain-{number}.example"}, Replied()
            else:
                yield {"campaign": "camp_spring"}, Replied(since=now - timedelta(hours=number + 1))


def make_triggers(kind: str, count: int) -> Iterator[ContactTrigger]:
    """Yield the triggers of sensors that wait for one contact each."""
    hook = ContactsHook.for_connection(CONN_ID)
    for number, (filters, condition) in zip(range(count), questions(kind), strict=False):
        query, _ = hook.plan_listing(filters, condition=condition)
        trigger = ContactTrigger(
            contacts_conn_id=CONN_ID,
            condition=condition.to_dict(),
            filters=filters,
            poll_interval=POLL_SECONDS,
            query=query,
            contact_ids=[["", f"contact_{number:025x}"]],
        )
        trigger.trigger_id = number
        # Without a task instance, the trigger would act as an asset watcher.
        trigger._task_instance = object()  # type: ignore[assignment]
        yield trigger


async def run(trigger: ContactTrigger, manager: SharedStreamManager) -> None:
    """Run a trigger to its event, as the triggerer does."""
    key = trigger.shared_stream_key()
    number: Any = trigger.trigger_id
    stream = manager.subscribe(trigger_id=number, trigger=trigger, key=key)
    try:
        async for event in trigger.filter_shared_stream(stream):
            assert event.payload["status"] == "success", event.payload
    finally:
        await manager.unsubscribe(number, key)


async def wait(served: Vendors, kind: str, count: int) -> Cost:
    """Start sensors, count, let their contacts reply, and wait for all events."""
    await asyncio.to_thread(served.configure, replied=0)
    manager = SharedStreamManager()
    started, cpu = time.monotonic(), time.process_time()
    tasks = []
    for trigger in make_triggers(kind, count):
        tasks.append(asyncio.create_task(run(trigger, manager)))
        await asyncio.sleep(START_SECONDS / count)
    await asyncio.sleep(started + WINDOW_SECONDS - time.monotonic())
    spent = time.process_time() - cpu
    seconds = time.monotonic() - started
    requests = await asyncio.to_thread(served.configure, replied=count)
    replied = time.monotonic()
    await asyncio.gather(*tasks)
    return Cost(requests * 60 / seconds, spent * 60 / seconds, time.monotonic() - replied)


def measure() -> dict[tuple[str, int], Cost]:
    """Return the costs by question and number of sensors."""
    with vendors(2000) as served:
        return {
            (kind, count): asyncio.run(wait(served, kind, count)) for kind in QUESTIONS for count in COUNTS
        }


def main() -> None:
    """Print the table."""
    for (kind, count), cost in measure().items():
        print(
            f"{kind:<20}{count:6} sensors{cost.requests:7.0f} requests a minute{cost.cpu:7.2f} s CPU a minute"
            f"{cost.seconds:7.1f} s from the replies to the last event",
            flush=True,
        )


if __name__ == "__main__":
    main()
