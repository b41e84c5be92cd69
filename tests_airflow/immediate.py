"""Let deferred sensors wait for what already holds, on a busy machine, and check that none fails.

Airflow's scheduler fails a task that is resumed before the executor has reported the end of its
first half. An API server, a scheduler, a DAG processor and a triggerer with LocalExecutor and
SQLite run in this checkout, next to busy loops. The script prints how many sensors failed, and exits
with 1 if one did. An argument says how many times to do it.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator

from real import HOME, ROOT, airflow, environment, free_port, prepare, query, wait_for

from airflow_provider_contacts.sandbox.app import create_app, create_state, running

PLAN = {"chains": 20, "length": 5, "mapped": 100}
SENSORS = PLAN["chains"] * PLAN["length"] + PLAN["mapped"]
BUSY_LOOPS = 3
# States that do not change any more.
FINAL = ("success", "failed", "upstream_failed", "skipped")
RUNS = int(sys.argv[1]) if sys.argv[1:] else 1


@contextlib.contextmanager
def busy_loops(count: int) -> Iterator[None]:
    """Keep the processors busy."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def count_states(run: int) -> Counter[str]:
    """Return how many sensors of a DAG run are in each state."""
    rows = query(
        "SELECT state FROM task_instance WHERE dag_id = 'immediate' AND run_id IN "
        "(SELECT run_id FROM dag_run WHERE dag_id = 'immediate' ORDER BY id LIMIT 1 OFFSET ?)",
        run,
    )
    return Counter(str(state) for (state,) in rows)


def check(run: int) -> None:
    """Wait until all sensors of a run have ended, and check how."""
    started = time.time()

    def has_ended() -> bool:
        states = count_states(run)
        return sum(states[state] for state in FINAL) >= SENSORS

    wait_for("all sensors have ended", has_ended, 1800)
    states = count_states(run)
    failed = SENSORS - states["success"]
    print(
        f"{SENSORS} sensors whose condition holds, {BUSY_LOOPS} busy loops: {failed} failed, in "
        f"{time.time() - started:.0f} s",
        flush=True,
    )
    if failed:
        raise SystemExit(f"sensors failed: {dict(states)}. The logs are in {HOME}.")


def main() -> None:
    """Run the DAG as often as asked."""
    prepare(ROOT / "tests_airflow" / "dags" / "immediate.py")
    state = create_state(60, 7, rate_limits=False)
    for row in state.tables["talktohumans"].rows:
        row.tags = ["VIP"]
        state.tables["talktohumans"].invalidate(row)
    (HOME / "plan.json").write_text(json.dumps(PLAN))
    port = free_port()
    with running(create_app(state)) as url:
        env = environment(url, port, parallelism=8)
        with airflow(env, port, "triggerer") as real, busy_loops(BUSY_LOOPS):
            for run in range(RUNS):
                real.unpause("immediate")
                check(run)
    print("1 passed, 0 failed")


if __name__ == "__main__":
    main()
