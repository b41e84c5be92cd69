"""Approve, reject and interrupt updates of a real Airflow, and check at the vendor and in the audit what was written.

A scheduler, an API server, a DAG processor and a triggerer with LocalExecutor and SQLite run in
this checkout, against a sandbox in this process. The script prints what it has proved, and exits
with 1 if it could not.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from typing import Any

from airflow import __version__ as airflow_version
from real import HOME, ROOT, Airflow, airflow, call, environment, free_port, prepare, query, wait_for

from airflow_provider_contacts.sandbox.app import create_app, create_state, running
from airflow_provider_contacts.sandbox.state import Fault, State

DAG_ID = "approved_update"
HAS_STATE_STORE = airflow_version >= "3.3"
# The state of a task that waits for a person.
WAITING = "awaiting_input" if HAS_STATE_STORE else "deferred"
WAREHOUSE = HOME / "warehouse.db"


class Run:
    """One run of the DAG.

    :param name: its id, and the tag that it adds.
    """

    def __init__(self, real: Airflow, state: State, token: str, name: str) -> None:
        self._api = f"{real.url}/api/v2/dags/{DAG_ID}/dagRuns"
        self._token = token
        self._state = state
        self.name = name

    def start(self, references: list[dict[str, Any]], timeout: str = "1h") -> None:
        """Start the run with these contacts."""
        self.write(references)
        conf = {"tag": self.name, "timeout": timeout}
        body = {"dag_run_id": self.name, "logical_date": None, "conf": conf}
        call("POST", self._api, self._token, body)

    def write(self, references: list[dict[str, Any]]) -> None:
        """Replace the contacts of the next attempt."""
        lines = "".join(json.dumps(one) + "\n" for one in references)
        (HOME / f"{self.name}.jsonl").write_text(lines)

    def wait(self, state: str, try_number: int = 1) -> None:
        """Wait until the task has a state in an attempt, or a later one."""

        def reached() -> bool:
            sql = "SELECT state, try_number FROM task_instance WHERE run_id = ?"
            return any(found == state and tries >= try_number for found, tries in query(sql, self.name))

        wait_for(f"{self.name} is {state} in try {try_number}", reached)

    def wait_for_request(self, try_number: int = 1) -> None:
        """Wait until the task waits for an answer, and the scheduler knows that its process has ended.

        An answer before that resumes the task, but the scheduler takes the end of its process for
        the end of the resumed task.
        """
        self.wait(WAITING, try_number)

        def is_known() -> bool:
            [(latest,)] = query("SELECT try_number FROM task_instance WHERE run_id = ?", self.name)
            mark = f"run_id='{self.name}', try_number={latest},"
            lines = (HOME / "scheduler.log").read_text().splitlines()
            ended = sum("Received executor event" in line and mark in line for line in lines)
            return ended >= self.requests(f"attempt={latest}.log")

        wait_for(f"the scheduler knows that {self.name} waits", is_known)

    def request(self) -> dict[str, Any]:
        """Return the approval request that Airflow displays."""
        found: dict[str, Any] = call(
            "GET", f"{self._api}/{self.name}/taskInstances/tag/-1/hitlDetails", self._token
        )
        return found

    def answer(self, option: str = "Approve", number: str = "") -> None:
        """Answer the request as a person does."""
        body: dict[str, Any] = {"chosen_options": [option]}
        if number:
            body["params_input"] = {"request": number}
        call("PATCH", f"{self._api}/{self.name}/taskInstances/tag/-1/hitlDetails", self._token, body)

    def requests(self, file: str = "*.log") -> int:
        """Return how many times the task has asked, according to its logs."""
        logs = (HOME / "airflow" / "logs").rglob(f"*run_id={self.name}/**/{file}")
        return sum(path.read_text().count("Waiting for the approval of request") for path in logs)

    def current_number(self) -> str:
        """Return the number of the current request in the task's log."""
        logs = sorted((HOME / "airflow" / "logs").rglob(f"*run_id={self.name}/**/*.log"))
        lines = [line for path in logs for line in path.read_text().splitlines()]
        marks = [line.partition("Waiting for the approval of request ")[2][:8] for line in lines]
        return [mark for mark in marks if mark][-1]

    def clear(self) -> None:
        """Clear the task."""
        url = f"{self._api.removesuffix('/dagRuns')}/clearTaskInstances"
        body = {"dry_run": False, "dag_run_id": self.name, "task_ids": ["tag"], "only_failed": False}
        call("POST", url, self._token, body)

    def kill(self) -> None:
        """Kill the process of the task."""
        os.kill(int((HOME / f"{self.name}.pid").read_text()), signal.SIGKILL)

    def tagged(self) -> int:
        """Return how many contacts have the tag."""
        return sum(self.name in row.tags for row in self._state.tables["talktohumans"].rows)

    def audit(self, outcome: str = "updated") -> list[tuple[str, str]]:
        """Return contact id and approver of the audit's rows."""
        with contextlib.closing(sqlite3.connect(WAREHOUSE, timeout=20)) as database:
            return database.execute(
                "SELECT contact_id, approver FROM contact_audit WHERE run_id = ? AND outcome = ?",
                (self.name, outcome),
            ).fetchall()


def expect(what: str, found: object, wanted: object) -> None:
    """Stop unless two values are equal."""
    if found != wanted:
        raise SystemExit(f"{what}: {found!r}, not {wanted!r}. The logs are in {HOME}.")


def check_answers(make: Any, references: list[dict[str, Any]]) -> None:
    """Approve, reject and ignore a request."""
    approved, rejected, ignored = (make(name) for name in ("approved", "rejected", "ignored"))
    approved.start(references)
    rejected.start(references)
    ignored.start(references, timeout="5s")
    for run in (approved, rejected):
        run.wait_for_request()
    expect("subject", approved.request()["subject"], f"Update {len(references)} contacts in TalkToHumans?")
    approved.answer()
    rejected.answer("Reject")
    approved.wait("success")
    for run in (rejected, ignored):
        run.wait("skipped")
    expect("tagged", [run.tagged() for run in (approved, rejected, ignored)], [len(references), 0, 0])
    expect("approvers", {approver for _, approver in approved.audit()}, {"Anonymous"})
    for run, user in ((rejected, "Anonymous"), (ignored, None)):
        expect(
            "audit of a rejection", run.audit("rejected"), [(one["contact_id"], user) for one in references]
        )
    print("Approved: written. Rejected and timed out: skipped, nothing written, in the audit.", flush=True)


def check_changed_contacts(make: Any, state: State, references: list[dict[str, Any]]) -> None:
    """Let an approved attempt fail, change its contacts, and check that the retry asks again."""
    run = make("changed")
    state.faults["talktohumans"] = [Fault(times=10**9, status=500, method="PATCH")]
    run.start(references[:10])
    run.wait_for_request()
    first = run.request()["params"]["request"]["value"]
    run.write(references[:11])
    run.answer()
    # It resumes with other contacts than those that were approved.
    wait_for("it asks again", lambda: run.current_number() != first)
    run.wait_for_request()
    expect("tagged before the second approval", run.tagged(), 0)
    # The form still shows the first request, so answering it approves nothing.
    run.answer(number=first)
    wait_for("it asks a third time", lambda: run.requests() >= 3)
    run.wait_for_request()
    expect("tagged after an answer to the first request", run.tagged(), 0)
    second = run.current_number()
    run.answer(number=second)
    run.wait("up_for_retry")
    run.write(references[:12])
    state.faults["talktohumans"] = []
    run.wait_for_request(try_number=2)
    expect("tagged after a retry with other contacts", run.tagged(), 0)
    run.answer(number=run.current_number())
    run.wait("success")
    expect("tagged", run.tagged(), 12)
    print("Changed contacts: asked again, also after a retry; nothing written in between.", flush=True)


def check_clear(make: Any, state: State, references: list[dict[str, Any]]) -> None:
    """Let an approved update fail for good, clear it, and check that it asks again."""
    run = make("cleared")
    state.faults["talktohumans"] = [Fault(times=10**9, status=401, method="PATCH")]
    run.start(references[:5])
    run.wait_for_request()
    run.answer()
    run.wait("failed")
    state.faults["talktohumans"] = []
    run.clear()
    run.wait_for_request(try_number=2)
    expect("tagged before the second approval", run.tagged(), 0)
    run.answer(number=run.current_number())
    run.wait("success", try_number=2)
    expect("tagged", run.tagged(), 5)
    print("Cleared after a failure: asked again.", flush=True)


def check_kill_after_approval(make: Any, state: State, references: list[dict[str, Any]]) -> None:
    """Kill a task between its approval and its first write."""
    run = make("killed")
    state.faults["talktohumans"] = [Fault(times=4, latency=30, method="PATCH")]
    run.start(references)
    run.wait_for_request()
    before = _writes(state)
    run.answer()
    wait_for("the first requests are in flight", lambda: _writes(state) > before)
    run.kill()
    state.faults["talktohumans"] = []
    if not HAS_STATE_STORE:
        run.wait_for_request(try_number=2)
        run.answer()
    run.wait("success", try_number=2)
    expect("tagged", run.tagged(), len(references))
    expect("requests", run.requests(), 1 if HAS_STATE_STORE else 2)
    again = "the retry asked again" if not HAS_STATE_STORE else "the retry did not ask again"
    print(f"Killed between approval and write: {again} and wrote everything.", flush=True)


def check_kill_before_audit(make: Any, state: State, references: list[dict[str, Any]]) -> None:
    """Kill a task between its writes and their rows in the audit."""
    run = make("unaudited")
    run.start(references)
    run.wait_for_request()
    state.faults["talktohumans"] = [Fault(times=10**9, latency=0.05, method="PATCH")]
    run.answer()
    wait_for("some contacts are in the audit", lambda: len(run.audit()) >= 5)
    with _locked(WAREHOUSE):
        time.sleep(2)  # the requests in flight are answered, and the task waits for the database
        written = run.tagged()
        run.kill()
    audited = len(run.audit())
    if not audited < written < len(references):
        raise SystemExit(f"The task was not killed in between: {audited} in the audit, {written} written.")
    state.faults["talktohumans"] = []
    if not HAS_STATE_STORE:
        run.wait_for_request(try_number=2)
        run.answer()
    run.wait("success", try_number=2)
    expect("in the audit", len({contact_id for contact_id, _ in run.audit()}), len(references))
    expect("tagged", run.tagged(), len(references))
    print(f"Killed after {written} writes, {audited} in the audit: the retry completed both.", flush=True)


@contextlib.contextmanager
def _locked(path: Any) -> Iterator[None]:
    database = sqlite3.connect(path, isolation_level=None, timeout=20)
    database.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        database.execute("ROLLBACK")
        database.close()


def _writes(state: State) -> int:
    return sum(entry["method"] == "PATCH" for entry in list(state.requests))


def _token(real: Airflow) -> str:
    with contextlib.suppress(OSError):
        token: str = call("GET", f"{real.url}/auth/token")["access_token"]
        return token
    return ""


def main() -> None:
    """Run all checks."""
    prepare(ROOT / "tests_airflow" / "dags" / "approved_update.py")
    state = create_state(200, 7, rate_limits=False)
    unique = {row.contact_id: row.reference("talktohumans") for row in state.tables["talktohumans"].rows}
    references = list(unique.values())[:60]
    port = free_port()
    with running(create_app(state)) as url:
        env = environment(url, port)
        env["AIRFLOW_CONN_WAREHOUSE"] = json.dumps({"conn_type": "sqlite", "host": str(WAREHOUSE)})
        connection = json.loads(env["AIRFLOW_CONN_TALKTOHUMANS_DEFAULT"])
        connection["extra"] = {**connection.get("extra", {}), "retry_limit": 0}
        env["AIRFLOW_CONN_TALKTOHUMANS_DEFAULT"] = json.dumps(connection)
        env["AIRFLOW__SCHEDULER__TRIGGER_TIMEOUT_CHECK_INTERVAL"] = "2"
        with airflow(env, port, "triggerer") as real:
            real.unpause(DAG_ID, trigger=False)
            token = wait_for("the API server answers", lambda: _token(real))

            def make(name: str) -> Run:
                return Run(real, state, token, name)

            check_answers(make, references)
            check_changed_contacts(make, state, references)
            if HAS_STATE_STORE:  # otherwise every retry asks again
                check_clear(make, state, references)
            check_kill_after_approval(make, state, references)
            check_kill_before_audit(make, state, references)
    print(f"{5 if HAS_STATE_STORE else 4} passed, 0 failed")


if __name__ == "__main__":
    main()
