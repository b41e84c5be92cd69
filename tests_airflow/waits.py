"""Let many sensors of a real Airflow wait, and count at the vendor what that costs; watch over a restart.

An API server, a scheduler, a DAG processor and a triggerer with LocalExecutor and SQLite run below this checkout,
against a sandbox in this process. It prints what it has proved, and exits with 1 if it could not. Names of parts as
arguments run these alone.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from typing import Any

from real import HOME, ROOT, Airflow, airflow, environment, free_port, prepare, query, states, wait_for

from airflow_provider_contacts.sandbox import mailstand, talktohumans, tether
from airflow_provider_contacts.sandbox.server import create_app, create_world, running
from airflow_provider_contacts.sandbox.world import World

MANY, SOME = 200, 50
POLL_INTERVAL, WATCH_INTERVAL = 10.0, 4.0
WINDOW = 60.0
EACH = 10


def reply(world: World, vendor: Any, rows: list[Any]) -> None:
    """Make people reply."""
    for row in rows:
        vendor.reply(row, time.time())
        world.tables[vendor.VENDOR].changed(row)


def polls(world: World, vendor: str, begin: float) -> int:
    """Return how often a vendor's list was asked for from its start."""
    return sum(
        entry["vendor"] == vendor and entry["method"] == "GET" and entry["at"] >= begin
        and "cursor" not in entry["params"]
        for entry in list(world.requests)
    )  # fmt: skip


def many_waits(world: World, waiting: dict[str, list[Any]]) -> None:
    """Let sensors wait, count polls, make people reply, and see every sensor succeed."""
    wait_for(
        "all sensors are deferred",
        lambda: states("many") == ["deferred"] * MANY and states("some") == ["deferred"] * SOME,
        900,
    )
    time.sleep(3 * POLL_INTERVAL)  # the first polls of the triggerer are over, and all have joined
    begin = time.time()
    time.sleep(WINDOW)
    made = {vendor: polls(world, vendor, begin) for vendor in waiting}
    requests = sum(entry["vendor"] in waiting and entry["at"] >= begin for entry in list(world.requests))
    most = WINDOW / (POLL_INTERVAL * 0.95) + 1
    print(
        f"sensors waiting: {MANY} with one question, {SOME} with another; polls made in {WINDOW:.0f} s: "
        f"{made['talktohumans']} and {made['tether']} (one sensor alone would make {WINDOW / POLL_INTERVAL:.0f}); "
        f"requests per minute: {requests * 60 / WINDOW:.0f}",
        flush=True,
    )
    if not all(2 <= number <= most for number in made.values()):
        raise SystemExit(f"more polls than one question each needs, or none: {made}")
    replied = time.time()
    reply(world, talktohumans, waiting["talktohumans"])
    reply(world, tether, waiting["tether"])
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
        raise SystemExit("a sensor returned somebody else")


def told() -> Counter[str]:
    """Return who is in some run's events, and how often."""
    return Counter(one for path in (HOME / "told").glob("*.json") for one in json.loads(path.read_text()))


def watched(world: World, real: Airflow) -> None:
    """Make people reply before, during and after a restart of the triggerer, and see who is told."""
    rows = [row for row in world.tables["mailstand"].rows if row.last["reply"] is None]
    before, during, after = rows[:EACH], rows[EACH : 2 * EACH], rows[2 * EACH : 3 * EACH]
    for row in before:
        reply(world, mailstand, [row])
        time.sleep(0.7)
    wait_for("those before the restart are told", lambda: len(told()) == EACH)
    real.stop("triggerer")
    reply(world, mailstand, during)
    real.start("triggerer")
    wait_for("those during the restart are told", lambda: len(told()) == 2 * EACH)
    reply(world, mailstand, after)
    expected = {row.contact_id for row in (*before, *during, *after)}
    wait_for("those after the restart are told", lambda: len(told()) >= 3 * EACH)
    time.sleep(3 * WATCH_INTERVAL)  # whoever is told again would be by now
    counts = told()
    lost, repeated = expected - set(counts), sum(counts.values()) - len(counts)
    runs = len(list((HOME / "told").glob("*.json")))
    print(
        f"asset watcher: {len(expected)} people replied around a triggerer restart, told in {runs} runs; "
        f"events lost: {len(lost)}, repeated: {repeated}, of strangers: {len(set(counts) - expected)}",
        flush=True,
    )
    if lost or repeated or set(counts) != expected:
        raise SystemExit("the watcher lost, repeated or invented an event")


def followed_up(world: World) -> None:
    """Make somebody reply whom the example DAG tags."""
    rows = world.tables["talktohumans"].rows
    row = next(row for row in rows if row.sequence != "replied" and "Follow up" not in row.tags)
    remembered = "SELECT 1 FROM asset_state_store JOIN asset ON asset.id = asset_id WHERE asset.name = ?"
    wait_for("the watcher has its baseline", lambda: query(remembered, "talktohumans_replies"))
    reply(world, talktohumans, [row])
    wait_for("the example DAG tags who replied", lambda: "Follow up" in row.tags)
    print("contacts_reply_followup: tagged who replied", flush=True)


def invited(world: World, real: Airflow) -> None:
    """Make somebody accept an invitation for whom the other example DAG waits."""
    row = next(row for row in world.tables["talktohumans"].rows if row.pending)
    real.begin("contacts_invitation_followup")
    wait_for("the sensor of the example DAG is deferred", lambda: states("accepted") == ["deferred"])
    talktohumans.accept(row)
    world.tables["talktohumans"].changed(row)
    wait_for("the example DAG notes who accepted", lambda: row.notes)
    wait_for("the example DAG succeeds", lambda: states("note") == ["success"])
    print(f"contacts_invitation_followup: noted {row.notes}", flush=True)


def main() -> None:
    """Run it all."""
    examples = [ROOT / "example_dags" / f"contacts_{name}_followup.py" for name in ("reply", "invitation")]
    prepare(ROOT / "tests_airflow" / "dags" / "waits.py", *examples)
    (HOME / "told").mkdir()
    world = create_world(2 * (MANY + SOME), 7, rate_limits=False)
    often = Counter(row.contact_id for row in world.tables["talktohumans"].rows)
    waiting = {
        "talktohumans": [
            row for row in world.tables["talktohumans"].rows
            if row.sequence != "replied" and often[row.contact_id] == 1
        ][:MANY],
        "tether": [row for row in world.tables["tether"].rows if row.message_status != "replied"][:SOME],
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
    with running(create_app(world)) as url:
        env = environment(url, port, parallelism=8)
        with airflow(env, port, "triggerer") as real:
            parts = sys.argv[1:] or ["many_waits", "watched", "followed_up", "invited"]
            if "watched" in parts:
                real.begin("watched", trigger=False)
            if "many_waits" in parts:
                real.begin("waits")
                many_waits(world, waiting)
            if "watched" in parts:
                watched(world, real)
            if "followed_up" in parts:
                real.begin("contacts_reply_followup", trigger=False)
                followed_up(world)
            if "invited" in parts:
                invited(world, real)
    if world.violations:
        raise SystemExit(f"the sandbox has refused requests: {world.violations[:3]}")
    print("1 passed, 0 failed")


if __name__ == "__main__":
    main()
