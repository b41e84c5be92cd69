"""Let many sensors of a real Airflow wait and count the requests; watch for replies across a restart of the triggerer.

An API server, a scheduler, a DAG processor and a triggerer with LocalExecutor and SQLite run in
this checkout, against a sandbox in this process. The script prints what it has proved, and exits
with 1 if it could not. Arguments select parts.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from typing import Any

from real import HOME, ROOT, Airflow, airflow, environment, free_port, prepare, query, states, wait_for

from airflow_provider_contacts.sandbox.app import create_app, create_state, running
from airflow_provider_contacts.sandbox.state import State
from airflow_provider_contacts.sandbox.vendor import sandbox_vendors

MANY = 200
SOME = 50
POLL_INTERVAL = 10.0
WATCH_INTERVAL = 4.0
WINDOW = 60.0
REPLIES = 10
VENDORS = sandbox_vendors()


def apply_event(state: State, vendor: str, event: str, rows: list[Any]) -> None:
    """Simulate an event for some contacts."""
    for row in rows:
        VENDORS[vendor].events[event](row, time.time())
        state.tables[vendor].invalidate(row)


def polls(state: State, vendor: str, begin: float) -> int:
    """Return how many times a vendor's listing was started."""
    return sum(
        entry["vendor"] == vendor and entry["method"] == "GET" and entry["at"] >= begin
        and "cursor" not in entry["params"]
        for entry in list(state.requests)
    )  # fmt: skip


def check_many_waits(state: State, waiting: dict[str, list[Any]]) -> None:
    """Let sensors wait, count polls, simulate replies, and check that every sensor succeeds."""
    started = time.time()
    wait_for(
        "all sensors are deferred",
        lambda: states("many") == ["deferred"] * MANY and states("some") == ["deferred"] * SOME,
        900,
    )
    seconds = time.time() - started
    made = {vendor: polls(state, vendor, started) for vendor in waiting}
    print(
        f"all sensors are deferred after {seconds:.0f} s; polls until then: {made['talktohumans']} and "
        f"{made['tether']} "
        f"(one sensor alone would make {seconds / POLL_INTERVAL:.0f})",
        flush=True,
    )
    if not all(number <= seconds / (POLL_INTERVAL * 0.95) + 2 for number in made.values()):
        raise SystemExit(f"The number of polls grows with the number of sensors: {made}.")
    time.sleep(3 * POLL_INTERVAL)  # by now all triggers have joined a poll
    begin = time.time()
    time.sleep(WINDOW)
    made = {vendor: polls(state, vendor, begin) for vendor in waiting}
    requests = sum(entry["vendor"] in waiting and entry["at"] >= begin for entry in list(state.requests))
    max_polls = WINDOW / (POLL_INTERVAL * 0.95) + 1
    print(
        f"sensors waiting: {MANY} for one condition, {SOME} for another; polls in {WINDOW:.0f} s: "
        f"{made['talktohumans']} and {made['tether']} (one sensor alone would make "
        f"{WINDOW / POLL_INTERVAL:.0f}); "
        f"requests per minute: {requests * 60 / WINDOW:.0f}",
        flush=True,
    )
    if not all(2 <= number <= max_polls for number in made.values()):
        raise SystemExit(f"too many polls, or none: {made}")
    replied = time.time()
    for vendor, rows in waiting.items():
        apply_event(state, vendor, "reply", rows)
    wait_for(
        "all sensors succeed",
        lambda: states("many") == ["success"] * MANY and states("some") == ["success"] * SOME,
        900,
    )
    print(f"all {MANY + SOME} sensors succeeded {time.time() - replied:.0f} s after the replies", flush=True)
    results = query("SELECT value FROM xcom WHERE task_id IN ('many', 'some') AND key = 'return_value'")
    found = set()
    for (value,) in results:
        decoded = json.loads(value)
        [one] = json.loads(decoded) if isinstance(decoded, str) else decoded
        assert set(one) == {"vendor", "account_id", "contact_id"}, "a sensor returned more than a reference"
        found.add(one["contact_id"])
    if found != {row.contact_id for rows in waiting.values() for row in rows}:
        raise SystemExit("a sensor returned another contact")


def emitted() -> Counter[str]:
    """Return how many times each contact was in the events of a run."""
    return Counter(one for path in (HOME / "emitted").glob("*.json") for one in json.loads(path.read_text()))


def check_watcher(state: State, real: Airflow) -> None:
    """Simulate replies before, during and after a restart of the triggerer, and check the events."""
    rows = [row for row in state.tables["mailstand"].rows if row.last["reply"] is None]
    before = rows[:REPLIES]
    during = rows[REPLIES : 2 * REPLIES]
    after = rows[2 * REPLIES : 3 * REPLIES]
    for row in before:
        apply_event(state, "mailstand", "reply", [row])
        time.sleep(0.7)
    wait_for("the replies before the restart are emitted", lambda: len(emitted()) == REPLIES)
    real.stop("triggerer")
    apply_event(state, "mailstand", "reply", during)
    real.start("triggerer")
    wait_for("the replies during the restart are emitted", lambda: len(emitted()) == 2 * REPLIES)
    apply_event(state, "mailstand", "reply", after)
    expected = {row.contact_id for row in (*before, *during, *after)}
    wait_for("the replies after the restart are emitted", lambda: len(emitted()) >= 3 * REPLIES)
    time.sleep(3 * WATCH_INTERVAL)  # a repeated event would have arrived by now
    counts = emitted()
    lost = expected - set(counts)
    repeated = sum(counts.values()) - len(counts)
    runs = len(list((HOME / "emitted").glob("*.json")))
    print(
        f"asset watcher: {len(expected)} contacts replied around a triggerer restart, in {runs} runs; "
        f"events lost: {len(lost)}, repeated: {repeated}, of other contacts: {len(set(counts) - expected)}",
        flush=True,
    )
    # What was emitted within half a minute before the restart may be emitted again.
    if lost or repeated > REPLIES or set(counts) != expected:
        raise SystemExit("the watcher lost, repeated or invented an event")


def check_reply_followup(state: State) -> None:
    """Simulate a reply, and check that the example DAG tags the contact."""
    rows = state.tables["talktohumans"].rows
    row = next(row for row in rows if row.sequence != "replied" and "Follow up" not in row.tags)
    remembered = "SELECT 1 FROM asset_state_store JOIN asset ON asset.id = asset_id WHERE asset.name = ? AND key NOT LIKE '%-check'"
    wait_for("the watcher has its baseline", lambda: query(remembered, "talktohumans_replies"))
    apply_event(state, "talktohumans", "reply", [row])
    wait_for("the example DAG tags the contact", lambda: "Follow up" in row.tags)
    print("contacts_reply_followup: tagged the contact", flush=True)


def check_invitation_followup(state: State, real: Airflow) -> None:
    """Simulate that an invitation is accepted, and check that the example DAG adds a note."""
    row = next(row for row in state.tables["talktohumans"].rows if row.pending)
    real.unpause("contacts_invitation_followup")
    wait_for(
        "the sensor of the example DAG is deferred", lambda: states("wait_for_acceptance") == ["deferred"]
    )
    apply_event(state, "talktohumans", "accept", [row])
    wait_for("the example DAG adds a note", lambda: row.notes)
    wait_for("the example DAG succeeds", lambda: states("set_notes") == ["success"])
    print(f"contacts_invitation_followup: noted {row.notes}", flush=True)


def main() -> None:
    """Run all checks."""
    examples = [ROOT / "example_dags" / f"contacts_{name}_followup.py" for name in ("reply", "invitation")]
    prepare(ROOT / "tests_airflow" / "dags" / "waits.py", *examples)
    (HOME / "emitted").mkdir()
    state = create_state(2 * (MANY + SOME), 7, rate_limits=False)
    occurrences = Counter(row.contact_id for row in state.tables["talktohumans"].rows)
    waiting = {
        "talktohumans": [
            row for row in state.tables["talktohumans"].rows
            if row.sequence != "replied" and occurrences[row.contact_id] == 1
        ][:MANY],
        "tether": [row for row in state.tables["tether"].rows if row.message_status != "replied"][:SOME],
    }  # fmt: skip
    plan = {
        "many": [row.contact_id for row in waiting["talktohumans"]],
        "some": [row.contact_id for row in waiting["tether"]],
        "poll_interval": POLL_INTERVAL,
        "watch_interval": WATCH_INTERVAL,
    }
    assert (len(plan["many"]), len(plan["some"])) == (MANY, SOME)
    (HOME / "plan.json").write_text(json.dumps(plan))
    port = free_port()
    with running(create_app(state)) as url:
        env = environment(url, port, parallelism=8)
        with airflow(env, port, "triggerer") as real:
            parts = sys.argv[1:] or ["many_waits", "watched", "followed_up", "invited"]
            if "watched" in parts:
                real.unpause("watched", trigger=False)
            if "many_waits" in parts:
                real.unpause("waits")
                check_many_waits(state, waiting)
            if "watched" in parts:
                check_watcher(state, real)
            if "followed_up" in parts:
                real.unpause("contacts_reply_followup", trigger=False)
                check_reply_followup(state)
            if "invited" in parts:
                check_invitation_followup(state, real)
    if state.violations:
        raise SystemExit(f"the sandbox has rejected requests: {state.violations[:3]}")
    print("1 passed, 0 failed")


if __name__ == "__main__":
    main()
