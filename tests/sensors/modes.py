"""Run a sensor in each mode, with Airflow's own classes and serialization, as scheduler and triggerer do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import (
    AirflowRescheduleException,
    AirflowSensorTimeout,
    AirflowSkipException,
    TaskDeferred,
)
from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from airflow_provider_contacts.errors import ContactsError
from airflow_provider_contacts.triggers.contacts import ContactTrigger
from tests.stores import Store

MODES = ("poke", "reschedule", "deferrable", "shared")


class Instance:
    """The part of a task instance that a sensor uses."""

    def __init__(self) -> None:
        self.try_number = 1
        self.first: datetime | None = None
        self.xcoms: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcoms[key] = value

    def get_first_reschedule_date(self, _context: Any) -> datetime | None:
        return self.first


@dataclass
class Outcome:
    """How a wait ended: ``success``, ``skip``, ``timeout``, or the class of an error."""

    kind: str
    value: Any = None
    message: str = ""
    xcoms: Any = None


def run(
    make: Callable[..., Any],
    mode: str,
    *,
    store: Store | None = None,
    min_deferred_seconds: float = 0.0,
    **arguments: Any,
) -> Outcome:
    """Run a sensor to its end, with a new object for each step, as in a new process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ContactTrigger, "min_deferred_seconds", min_deferred_seconds)
        return _run(make, mode, store, arguments)


def _run(make: Callable[..., Any], mode: str, store: Store | None, arguments: dict[str, Any]) -> Outcome:
    arguments = {"task_id": "wait", "poke_interval": 0.02, "timeout": 30, **arguments}
    arguments["deferrable"] = mode in ("deferrable", "shared")
    arguments["mode"] = "reschedule" if mode == "reschedule" else "poke"
    instance = Instance()
    context: Any = {"ti": instance, "task_state_store": Store() if store is None else store}

    def sensor() -> Any:
        with DAG("test", schedule=None):
            return make(**arguments)

    try:
        step: Callable[[], Any] = lambda: sensor().execute(context)  # noqa: E731
        while True:
            try:
                return Outcome("success", step(), xcoms=instance.xcoms)
            except AirflowRescheduleException:
                instance.first = instance.first or datetime.now(timezone.utc)
            except TaskDeferred as deferred:
                classpath, kwargs = deferred.trigger.serialize()
                assert json.loads(json.dumps(kwargs)) == kwargs
                trigger = type(deferred.trigger)(**json.loads(json.dumps(kwargs)))
                assert classpath.endswith(type(trigger).__name__)
                payload = json.loads(json.dumps(events(trigger, shared=mode == "shared")[0].payload))
                method = deferred.method_name

                def step(method: str = method, payload: Any = payload) -> Any:
                    return sensor().resume_execution(method, {"event": payload}, context)

    except AirflowSkipException as error:
        return Outcome("skip", message=str(error))
    except AirflowSensorTimeout as error:
        return Outcome("timeout", message=str(error))
    except ContactsError as error:
        return Outcome(type(error).__name__, message=str(error))


def events(trigger: BaseEventTrigger, *, shared: bool) -> list[TriggerEvent]:
    """Return all events of a trigger that ends."""

    async def collect() -> list[TriggerEvent]:
        if not shared or trigger.shared_stream_key() is None:
            return [event async for event in trigger.run()]
        stream = type(trigger).open_shared_stream(trigger.serialize()[1])
        return [event async for event in trigger.filter_shared_stream(stream)]

    return asyncio.run(asyncio.wait_for(collect(), 60))
