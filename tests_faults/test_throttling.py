"""Several processes that share a vendor's limit without knowing of each other."""

from __future__ import annotations

import json
import multiprocessing
import os
from typing import Any

from airflow_provider_contacts.sandbox.app import create_app, create_state, running
from airflow_provider_contacts.sandbox.connections import connections

_TASKS = 4
_UPDATES = 100


def _update(parts: dict[str, Any], contact_ids: list[str], results: Any) -> None:
    from airflow.sdk import DAG

    from airflow_provider_contacts.operators.updates import UpdateContactStageOperator

    os.environ["AIRFLOW_CONN_MAILSTAND_DEFAULT"] = json.dumps(parts)
    with DAG("throttling", schedule=None):
        operator = UpdateContactStageOperator(
            task_id="update",
            contacts_conn_id="mailstand_default",
            contacts=contact_ids,
            stage="Nurture",
            campaign="all",
        )
    try:
        results.put(len(operator.execute({})["updated"]))  # type: ignore[typeddict-item]
    except Exception as error:
        results.put(repr(error))


def test_four_tasks_at_one_limit_all_succeed_at_their_first_try() -> None:
    """Mailstand allows 100 requests in 15 s; the tasks make 400 updates as fast as they may."""
    state = create_state(_TASKS * _UPDATES, 7)
    rows = state.tables["mailstand"].rows
    context = multiprocessing.get_context("spawn")
    results: Any = context.Queue()
    with running(create_app(state)) as url:
        parts = connections(url)["mailstand_default"]
        processes = [
            context.Process(
                target=_update,
                args=(parts, [row.contact_id for row in rows[number::_TASKS]], results),
            )
            for number in range(_TASKS)
        ]
        for process in processes:
            process.start()
        found = [results.get(timeout=280) for _ in processes]
        for process in processes:
            process.join(10)
    assert found == [_UPDATES] * _TASKS
    assert {row.stage for row in rows} == {"Nurture"}
    throttled = sum(entry["status"] == 429 for entry in state.requests)
    # Each window may throttle what the processes have in flight when it is full.
    assert throttled <= 100, throttled
    print(f"{throttled} of {len(state.requests)} requests were throttled")
