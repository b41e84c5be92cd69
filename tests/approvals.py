"""A stand-in for the part of Airflow that stores approval requests and answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from airflow.sdk.exceptions import TaskDeferred
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.comms import CreateHITLDetailPayload

try:
    from airflow.sdk.exceptions import TaskAwaitingInput
except ImportError:  # Airflow 3.2
    TaskAwaitingInput = TaskDeferred


class Approvals:
    """Answers as Airflow before 3.4 does: the first request of a task stays, and a new one only removes the answer."""

    def __init__(self) -> None:
        self.request: Any = None
        self.count = 0

    def send(self, msg: Any) -> Any:
        if not isinstance(msg, CreateHITLDetailPayload):
            return None
        self.count += 1
        self.request = self.request or msg
        return self.request

    @property
    def number(self) -> str:
        """The number on the form."""
        value: str = self.request.params["request"]["value"]
        return value


@contextmanager
def approvals() -> Iterator[Approvals]:
    """Receive approval requests."""
    received = Approvals()
    before = getattr(task_runner, "SUPERVISOR_COMMS", None)
    task_runner.SUPERVISOR_COMMS = received
    try:
        yield received
    finally:
        if before is None:
            del task_runner.SUPERVISOR_COMMS
        else:
            task_runner.SUPERVISOR_COMMS = before


def context(**more: Any) -> Any:
    """Return the context of a task."""
    import uuid

    ti = SimpleNamespace(
        id=uuid.uuid4(),
        dag_id="d",
        task_id="update",
        run_id="r",
        map_index=-1,
        try_number=1,
        xcom_push=lambda key, value: None,
    )
    return {"ti": ti, **more}


def answer(option: str = "Approve", user: str | None = "Ada", **params: str) -> dict[str, Any]:
    """Return the event of an answer."""
    return {
        "chosen_options": [option],
        "params_input": params,
        "responded_by_user": user and {"id": "1", "name": user},
        "responded_at": None,
        "timedout": user is None,
    }
