"""Check on a real Airflow that a reply at one vendor stops outreach at the others, once and in time.

The example DAG `contacts_stop_everywhere` runs with its watchers, on a scheduler, an API server, a
DAG processor and a triggerer with LocalExecutor and SQLite in this checkout, against a sandbox in
this process. The script prints the results, and exits with 1 if a check fails.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter, defaultdict
from typing import Any

from real import HOME, ROOT, airflow, environment, free_port, prepare, query, wait_for

from airflow_provider_contacts.sandbox.app import create_app, create_state, running
from airflow_provider_contacts.sandbox.state import Row, State
from airflow_provider_contacts.sandbox.vendor import sandbox_vendors

CONTACTS = 250
POLL_INTERVAL_SECONDS = 20
# Thoughtly does not report replies, and its API cannot change contacts.
REPLYING = ("talktohumans", "mailstand", "tether")
WAREHOUSE = HOME / "warehouse.db"


def export_and_resolve() -> None:
    """Export all contacts, and resolve the people."""
    from airflow_provider_contacts.operators.people import ResolvePeopleOperator
    from airflow_provider_contacts.transfers.contacts_to_sql import ContactsToSqlOperator

    for vendor in sandbox_vendors():
        ContactsToSqlOperator(
            task_id=vendor, contacts_conn_id=f"{vendor}_default", sql_conn_id="warehouse", table="contacts"
        ).execute({})
    ResolvePeopleOperator(task_id="resolve", sql_conn_id="warehouse").execute({})


def find_unstopped_people(state: State) -> list[dict[str, Row]]:
    """Return people with one contact at every vendor who have not replied or been stopped, as rows by vendor."""
    people: dict[int, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for vendor, table in state.tables.items():
        for row in table.rows:
            people[row.person.number][vendor].append(row)
    found = []
    for rows in people.values():
        if len(rows) < len(state.tables) or any(len(ones) > 1 for ones in rows.values()):
            continue
        one = {vendor: ones[0] for vendor, ones in rows.items()}
        contact, mail, lead = one["talktohumans"], one["mailstand"], one["tether"]
        is_new = (
            contact.sequence != "replied" and mail.last["reply"] is None and lead.message_status != "replied"
        )
        is_known = mail.has_email and not mail.person.email.startswith("info@")
        if is_new and is_known and mail.stage != "Not Interested" and lead.status != "Lost":
            found.append(one)
    return found


def is_stopped(vendor: str, row: Any) -> bool:
    """Return whether outreach to a contact was stopped."""
    if vendor == "talktohumans":
        return "Replied elsewhere" in row.tags
    return bool(row.stage == "Not Interested") if vendor == "mailstand" else bool(row.status == "Lost")


def count_writes(state: State) -> Counter[str]:
    """Return how many requests changed each contact, by its id."""
    return Counter(
        entry["path"].rpartition("/")[2] for entry in state.requests if entry["method"] in ("PUT", "PATCH")
    )


def wait_for_polls(state: State) -> None:
    """Wait until every watcher has polled twice: the first poll is its baseline."""
    before = len(state.requests)

    def have_polled() -> bool:
        polls = Counter(
            entry["vendor"]
            for entry in list(state.requests)[before:]
            if entry["method"] == "GET" and "cursor" not in entry["params"]
        )
        return all(polls[vendor] >= 2 for vendor in REPLYING)

    wait_for("every watcher has polled twice", have_polled, 240)


def reply(state: State, vendor: str, row: Row) -> None:
    """Let a contact reply."""
    sandbox_vendors()[vendor].events["reply"](row, time.time())
    state.tables[vendor].invalidate(row)


def main() -> None:
    """Run the check."""
    prepare(ROOT / "example_dags" / "contacts_stop_everywhere.py")
    dag_file = HOME / "dags" / "contacts_stop_everywhere.py"
    text = dag_file.read_text().replace("Param(True", "Param(False")
    dag_file.write_text(text.replace("poll_interval=5", f"poll_interval={POLL_INTERVAL_SECONDS}"))
    state = create_state(CONTACTS, 7, rate_limits=False)
    with running(create_app(state)) as url:
        port = free_port()
        env = environment(url, port)
        env["AIRFLOW_CONN_WAREHOUSE"] = json.dumps({"conn_type": "sqlite", "host": str(WAREHOUSE)})
        os.environ.update({name: value for name, value in env.items() if name.startswith("AIRFLOW_CONN_")})
        export_and_resolve()
        people = find_unstopped_people(state)
        with airflow(env, port, "triggerer") as real:
            real.unpause("contacts_stop_everywhere", trigger=False)
            wait_for_polls(state)
            expected: Counter[str] = Counter()
            for vendor, person in zip(REPLYING, people[: len(REPLYING)], strict=True):
                others = {name: row for name, row in person.items() if name in REPLYING and name != vendor}
                expected.update(row.contact_id for row in others.values())
                started = time.monotonic()
                reply(state, vendor, person[vendor])

                def are_stopped(others: dict[str, Row] = others) -> bool:
                    return all(is_stopped(name, row) for name, row in others.items())

                wait_for(f"a reply at {vendor} stops the others", are_stopped, 2 * POLL_INTERVAL_SECONDS)
                print(
                    f"A reply in {vendor} stopped {' and '.join(others)} after "
                    f"{time.monotonic() - started:.0f} s; the poll interval is "
                    f"{POLL_INTERVAL_SECONDS} s."
                )
            runs = "SELECT state FROM dag_run WHERE dag_id = 'contacts_stop_everywhere'"
            wait_for("all runs end", lambda: {row[0] for row in query(runs)} == {"success"})
            # The stops themselves must not start anything.
            wait_for_polls(state)
            writes = count_writes(state)
            if writes != expected or len(query(runs)) != len(REPLYING):
                raise SystemExit(
                    f"Expected one write each of {expected}, found {writes} in {len(query(runs))} runs."
                )
            print(
                f"{len(query(runs))} runs made {writes.total()} changes, each once, and none to anyone else."
            )
    if state.violations:
        raise SystemExit(f"The sandbox rejected requests: {state.violations[:3]}")


if __name__ == "__main__":
    main()
