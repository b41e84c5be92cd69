"""Run the example DAGs and a sensor against the sandbox, in a separate Airflow, and show what they did."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import IO, Any, NoReturn

from local_airflow import (
    AIRFLOW,
    EXAMPLES,
    ROOT,
    api_server,
    environment,
    get_json,
    handle_signals,
    post_json,
    sandbox,
)
from rich.console import Console

HOME = ROOT / ".demo"
LOG = HOME / "airflow.log"
# contacts_tag_hygiene passes contacts as XCom, which suits small numbers only.
MAX_CONTACTS_FOR_ALL_DAGS = 1000
LOG_LINES_SHOWN = 15
REPLY_TIMEOUT_SECONDS = 90
APPROVAL_TIMEOUT_SECONDS = 120
# What the demo shows of a contact.
SHOWN_RAW = (
    "id",
    "email",
    "stage",
    "full_name",
    "title",
    "mobile_phone",
    "company_name",
    "created",
)
SHOWN_FIELDS = (
    "vendor",
    "account_id",
    "contact_id",
    "name",
    "email",
    "phone",
    "company",
    "stage",
    "created_at",
)

console = Console(highlight=False)


def say(text: str = "") -> None:
    """Print a line."""
    print(text, flush=True)


@contextlib.contextmanager
def step(title: str) -> Iterator[None]:
    """Print a title, and on a terminal a spinner while the block runs."""
    say(f"\n{title}")
    if not console.is_terminal:
        yield
        return
    with console.status("running …"):
        yield


def run(arguments: list[str], env: dict[str, str], log: IO[str]) -> None:
    """Run an ``airflow`` command with its output in the log."""
    log.flush()
    if subprocess.run([*AIRFLOW, *arguments], env=env, stdout=log, stderr=subprocess.STDOUT).returncode:
        fail(f"`airflow {' '.join(arguments[:3])}` failed")


def fail(problem: str) -> NoReturn:
    """Stop with a message that names the log."""
    tail = "".join(LOG.read_text(errors="replace").splitlines(keepends=True)[-LOG_LINES_SHOWN:])
    raise SystemExit(f"{tail}\nThe demo failed: {problem}. See Airflow's log: {LOG}")


def xcoms(env: dict[str, str], dag_id: str, task_id: str) -> list[Any]:
    """Return what the instances of a task returned in the newest run of a DAG.

    :param task_id: a name, or a pattern with ``%``.
    """
    with closing(sqlite3.connect(Path(env["AIRFLOW_HOME"]) / "airflow.db")) as database:
        rows = database.execute(
            "SELECT value FROM xcom WHERE dag_id = ? AND task_id LIKE ? AND key = 'return_value' "
            "AND run_id = (SELECT run_id FROM dag_run WHERE dag_id = ? ORDER BY id DESC)",
            (dag_id, task_id, dag_id),
        ).fetchall()
    values = [json.loads(row[0]) for row in rows]
    return [json.loads(value) if isinstance(value, str) else value for value in values]


def talktohumans_contacts(base_url: str) -> Iterator[dict[str, Any]]:
    """Yield the TalkToHumans contacts, as the sandbox serves them."""
    cursor = ""
    while True:
        url = f"{base_url}/talktohumans/v1/contacts?limit=25{cursor}"
        request = urllib.request.Request(url, headers={"Authorization": "Bearer sandbox-key"})
        data = get_json(request)["data"]
        yield from data["contacts"]
        if not data["pagination"]["has_more"]:
            return
        cursor = f"&cursor={data['pagination']['next_cursor']}"


def has_replied(contact: dict[str, Any]) -> bool:
    """Return whether a contact has replied."""
    return bool(contact["sequence"]) and contact["sequence"]["status"] == "replied"


def main() -> None:
    """Run the demo."""
    contacts = int(os.environ.get("DEMO_CONTACTS", "250"))
    runs_all = contacts <= MAX_CONTACTS_FOR_ALL_DAGS
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir()
    env = environment(HOME, EXAMPLES)
    say(
        f"This demo simulates four outreach tools, with {contacts} fictional contacts each, and runs a "
        "separate Airflow in .demo."
    )
    say(
        "It runs the example DAGs and a sensor. "
        + ("It takes about two minutes." if runs_all else "It takes a few minutes.")
    )
    started = time.monotonic()
    with LOG.open("w") as log, sandbox(contacts, env, log) as (base_url, connections):
        env.update(connections)
        show_sync(env, log, base_url)
        if runs_all:
            show_warehouse(env, log, base_url)
            show_tags(env, log, base_url)
            show_wait(env, log, base_url)
            show_suppressions(env, log)
            show_approval(env, log, base_url)
            show_people(env, log, base_url)
        violations = get_json(f"{base_url}/sandbox/violations")
    if violations:
        fail(f"the sandbox rejected requests: {violations[:3]}")
    say(f"\nDone in {time.monotonic() - started:.0f} s. Next:")
    say("  make ui                       the DAGs in Airflow's UI, with the sandbox's control page")
    say("  example_dags/                 the DAGs; most of them ran here")
    say(f"  {LOG.relative_to(ROOT)}             Airflow's log of this run")


def show_sync(env: dict[str, str], log: IO[str], base_url: str) -> None:
    """Export all contacts, and fail if the files do not contain what the sandbox has."""
    with step("1. contacts_sync writes the contacts of every vendor to a file."):
        run(["db", "migrate"], env, log)
        folder = json.dumps({"folder": (HOME / "contacts").as_uri()})
        run(["dags", "test", "contacts_sync", "--conf", folder], env, log)
    population = get_json(f"{base_url}/sandbox/population")
    [reports] = xcoms(env, "contacts_sync", "report")
    say(f"\n   {'vendor':<14}{'contacts':>9}{'requests':>10}   file")
    for row in sorted(reports, key=lambda report: report["vendor"]):
        path = Path(row["path"].removeprefix("file://"))
        say(f"   {row['vendor']:<14}{row['seen']:>9}{row['requests']:>10}   {path.relative_to(ROOT)}")
        with path.open("rb") as file:
            lines = sum(1 for _ in file)
        if not lines == row["seen"] == population.pop(row["vendor"]):
            fail(f"the file of {row['vendor']} has another number of contacts than the sandbox")
    if population:
        fail(f"these vendors were not exported: {', '.join(sorted(population))}")
    with (HOME / "contacts" / "mailstand_default.jsonl").open() as file:
        contact = next(one for line in file if (one := json.loads(line))["phone"] and one["stage"])
    say("\n   A contact as Mailstand sends it:")
    show_fields({name: contact["raw"].get(name) for name in SHOWN_RAW})
    say("   and in the schema that all vendors share:")
    show_fields({name: contact[name] for name in SHOWN_FIELDS})


def show_fields(fields: dict[str, Any]) -> None:
    """Print some fields as JSON."""
    for line in json.dumps(fields, ensure_ascii=False, indent=2).splitlines():
        say(f"   {line}")


def show_warehouse(env: dict[str, str], log: IO[str], base_url: str) -> None:
    """Load a table twice, with changes in between, and show that the second run writes only those."""
    env["AIRFLOW_CONN_WAREHOUSE"] = json.dumps({"conn_type": "sqlite", "host": str(HOME / "warehouse.db")})
    with step("2. contacts_warehouse writes all contacts to one SQL table."):
        run(["dags", "test", "contacts_warehouse"], env, log)
    first = sum_counts(env)
    say(f"\n   First run:   {describe_counts(first)}")
    contact = next(one for one in talktohumans_contacts(base_url) if not has_replied(one))
    reply(base_url, contact)
    post_json(f"{base_url}/sandbox/add", {"vendor": "tether", "count": 2})
    with step("   Then one contact replies in TalkToHumans, and Tether gets two new ones."):
        run(["dags", "test", "contacts_warehouse"], env, log)
    second = sum_counts(env)
    say(f"\n   Second run:  {describe_counts(second)}")
    if (second["new"], second["changed"], second["unchanged"]) != (2, 1, first["new"] - 1):
        fail("the second run did not write what has changed")


def sum_counts(env: dict[str, str]) -> Counter[str]:
    """Return the counts of all tasks that load contacts, in the newest run."""
    counts: Counter[str] = Counter()
    for load in xcoms(env, "contacts_warehouse", "load_%"):
        counts.update({name: load[name] for name in ("new", "changed", "unchanged")})
    return counts


def describe_counts(counts: Counter[str]) -> str:
    """Return counts as text."""
    return ", ".join(f"{counts[name]} {name}" for name in ("new", "changed", "unchanged"))


def reply(base_url: str, contact: dict[str, Any]) -> None:
    """Let a TalkToHumans contact reply."""
    body = {
        "vendor": "talktohumans",
        "contact_id": contact["contact_id"],
        "account_id": contact["account"]["account_id"],
    }
    post_json(f"{base_url}/sandbox/reply", body)


def show_tags(env: dict[str, str], log: IO[str], base_url: str) -> None:
    """Run the tag DAG, first as a preview, and show who has the tag before and after."""

    def count_tagged() -> int:
        return sum(
            any(tag["name"] == "Replied" for tag in one["tags"]) for one in talktohumans_contacts(base_url)
        )

    replied = sum(map(has_replied, talktohumans_contacts(base_url)))
    before = count_tagged()
    with step("3. contacts_tag_hygiene tags the TalkToHumans contacts who have replied, first as a preview."):
        run(["dags", "test", "contacts_tag_hygiene", "--conf", '{"preview": true}'], env, log)
        [preview] = xcoms(env, "contacts_tag_hygiene", "tag_replied")
        previewed = count_tagged()
        run(["dags", "test", "contacts_tag_hygiene", "--conf", '{"preview": false}'], env, log)
        after = count_tagged()
    would = len(preview["would_update"])
    say(f"\n   {replied} contacts have replied; {before} have the tag `Replied`.")
    say(f"   Preview:  would tag {would}; nothing is written, and {previewed} have the tag.")
    say(f"   Run:      {after} have the tag.")
    if previewed != before or would != replied - before:
        fail("the preview is wrong, or changed tags")
    if after != replied:
        fail("the tag Replied does not match the contacts who have replied")


def show_wait(env: dict[str, str], log: IO[str], base_url: str) -> None:
    """Start a sensor, simulate the reply that it waits for, and show what it returns."""
    contact = next(one for one in talktohumans_contacts(base_url) if not has_replied(one))
    requests_url = f"{base_url}/sandbox/requests?vendor=talktohumans"
    before = len(get_json(requests_url))
    problems: list[str] = []

    def simulate_reply() -> None:
        polls = 0
        end = time.monotonic() + REPLY_TIMEOUT_SECONDS
        while polls < 2 and time.monotonic() < end:
            polls = sum("cursor" not in entry["params"] for entry in get_json(requests_url)[before:])
            time.sleep(0.1)
        if polls < 2:
            problems.append("the sensor did not poll")
        reply(base_url, contact)
        say(f"\n   The sensor has polled twice. Now {contact['name']} replies.")

    demo_env = {**env, "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "scripts" / "demo_dags")}
    parameters = json.dumps({"contact_id": contact["contact_id"]})
    with step(f"4. A deferrable sensor waits for contact {contact['contact_id']} to reply."):
        thread = threading.Thread(target=simulate_reply, daemon=True)
        thread.start()
        run(["dags", "test", "demo_wait", "--conf", parameters], demo_env, log)
        thread.join()
    [found] = xcoms(env, "demo_wait", "report")
    say(f"   The sensor returns a reference, without personal data: {json.dumps(found[0])}")
    if problems or {one["contact_id"] for one in found} != {contact["contact_id"]}:
        fail(problems[0] if problems else "the sensor returned another contact")


def show_suppressions(env: dict[str, str], log: IO[str]) -> None:
    """Suppress everyone who has opted out of e-mails."""
    env["AIRFLOW_CONN_CONTACTS_SUPPRESSIONS"] = json.dumps(
        {"conn_type": "generic", "password": secrets.token_hex(32)}
    )
    with step("5. contacts_optout_sync suppresses everyone who unsubscribed or bounced in Mailstand."):
        run(["dags", "test", "contacts_optout_sync"], env, log)
    written = xcoms(env, "contacts_optout_sync", "suppress_%")
    count = sum(one["suppressed"] for one in written)
    with closing(sqlite3.connect(HOME / "warehouse.db")) as database:
        row = database.execute(
            "SELECT kind, substr(key_hash, 1, 16), reason FROM contact_suppressions WHERE kind = 'email'"
        ).fetchone()
    say(f"\n   {count} people are suppressed at all vendors, as keyed hashes, such as:")
    say(f"   {row[0]}  {row[1]}…  {row[2]}")


def show_approval(env: dict[str, str], log: IO[str], base_url: str) -> None:
    """Run a DAG that waits for an approval, approve it through Airflow's API, and show who was left alone."""
    problems: list[str] = []
    title = "6. contacts_approved_tagging asks before it tags the contacts who have replied."
    with step(title), api_server(env, log) as url:
        thread = threading.Thread(target=approve, args=(url, problems), daemon=True)
        thread.start()
        run(["dags", "test", "contacts_approved_tagging"], env, log)
        thread.join()
    [result] = xcoms(env, "contacts_approved_tagging", "tag")
    tagged = {
        (one["account"]["account_id"], one["contact_id"])
        for one in talktohumans_contacts(base_url)
        if any(tag["name"] == "Follow up" for tag in one["tags"])
    }
    suppressed = {(one["account_id"], one["contact_id"]) for one in result["suppressed"]}
    with closing(sqlite3.connect(HOME / "warehouse.db")) as database:
        rows = database.execute(
            "SELECT outcome, approver, count(*) FROM contact_audit WHERE task_id = 'tag' GROUP BY 1, 2 ORDER "
            "BY 1 DESC"
        ).fetchall()
    say(f"\n   {len(tagged)} contacts are tagged; {len(suppressed)} are suppressed and were skipped.")
    for outcome, approver, count in rows:
        say(f"   Audit:  {count} {outcome}{(approver and f', approved by {approver}') or ''}")
    if problems or not suppressed or tagged & suppressed or len(tagged) != len(result["updated"]):
        fail(problems[0] if problems else "a suppressed contact was tagged, or the tags are wrong")


def show_people(env: dict[str, str], log: IO[str], base_url: str) -> None:
    """Let a person reply, and check that outreach stops at the other vendors, but not for a colleague with the same phone."""
    with step("7. contacts_stop_everywhere_from_table finds out which contacts belong to one person."):
        run(["dags", "test", "contacts_stop_everywhere_from_table"], env, log)
    [result] = xcoms(env, "contacts_stop_everywhere_from_table", "resolve_people")
    say(f"\n   {result['contacts']} contacts belong to {result['people']} people.")
    for channels, count in result["by_channels"].items():
        say(f"   {count:>4} people at {channels} {'vendor' if channels == '1' else 'vendors'}")
    say(f"   {sum(result['set_aside'].values()):>4} keys set aside, such as role mailboxes and office phones")
    contacts, colleagues = find_person_with_colleague(HOME / "warehouse.db")
    replied = contacts["talktohumans"]
    post_json(f"{base_url}/sandbox/reply", replied)
    before = list_writes(base_url)
    title = f"   {replied['name']} is at all four vendors and replies in TalkToHumans. contacts_stop_everywhere stops the others."
    keys = ("vendor", "account_id", "contact_id")
    configuration = {"preview": False, "contacts": "/".join(replied[key] for key in keys)}
    with step(title):
        run(["dags", "test", "contacts_stop_everywhere", "--conf", json.dumps(configuration)], env, log)
    [stopped] = xcoms(env, "contacts_stop_everywhere", "stop_outreach")
    [person] = stopped["people"]
    say(f"\n   Matched on {', '.join(person['matched_on'])}:")
    for action in person["actions"]:
        say(f"   {action['vendor']:<14}{action['action']:<46}{action['outcome']}")
    for colleague in colleagues:
        say(f"   {colleague['vendor']:<14}{'another person with the same phone':<46}not changed")
    written = {path.rpartition("/")[2] for path in list_writes(base_url)[len(before) :]}
    expected = {contacts[vendor]["contact_id"] for vendor in ("mailstand", "tether")}
    stopped_ids = {one["contact_id"] for one in [*stopped["updated"], *stopped["marked"]]}
    if written != expected or stopped_ids != expected:
        fail("contacts of other people were changed")
    with step("   A second run changes nothing."):
        run(["dags", "test", "contacts_stop_everywhere", "--conf", json.dumps(configuration)], env, log)
    [again] = xcoms(env, "contacts_stop_everywhere", "stop_outreach")
    changed = [*again["updated"], *again["marked"]]
    before_now = again["counts"].get("stopped_before", 0)
    say(f"\n   {len(changed)} changed, {before_now} stopped before")
    if changed or before_now != len(expected):
        fail("the second run changed contacts again")


def find_person_with_colleague(warehouse: Path) -> tuple[dict[str, dict[str, Any]], list[dict[str, Any]]]:
    """Return the contacts of a person at all vendors, by vendor, and the contacts of others with the same phone."""
    query = (
        "SELECT c.vendor, c.account_id, c.contact_id, c.name, c.phone, c.stage, p.person_id FROM contacts c "
        "JOIN contact_people p USING (vendor, account_id, contact_id)"
    )
    people: dict[str, list[dict[str, Any]]] = {}
    with closing(sqlite3.connect(warehouse)) as database:
        database.row_factory = sqlite3.Row
        rows = [dict(row) for row in database.execute(query)]
    for row in rows:
        people.setdefault(row["person_id"], []).append(row)
    for person_id, found in people.items():
        contacts = {row["vendor"]: row for row in found}
        if len(found) != 4 or len(contacts) != 4 or contacts["tether"]["stage"] == "Lost":
            continue
        phone = contacts["thoughtly"]["phone"]
        others = [row for row in rows if phone and row["phone"] == phone and row["person_id"] != person_id]
        if others:
            return contacts, others
    fail("no person at four vendors shares a phone with another one")


def list_writes(base_url: str) -> list[str]:
    """Return the paths of all requests that changed a contact."""
    return [
        entry["path"]
        for entry in get_json(f"{base_url}/sandbox/requests")
        if entry["method"] in ("PATCH", "PUT")
    ]


def approve(url: str, problems: list[str]) -> None:
    """Wait for the approval request of the demo, print it, and approve it."""
    api = f"{url}/api/v2/dags/contacts_approved_tagging/dagRuns"
    try:
        token = get_json(f"{url}/auth/token")["access_token"]
        request: dict[str, Any] = {}
        end = time.monotonic() + APPROVAL_TIMEOUT_SECONDS
        while not request and time.monotonic() < end:
            time.sleep(0.5)
            listing = urllib.request.Request(
                f"{api}/~/hitlDetails", headers={"Authorization": f"Bearer {token}"}
            )
            request = next(iter(get_json(listing)["hitl_details"]), {})
        if not request:
            problems.append(f"no approval request arrived within {APPROVAL_TIMEOUT_SECONDS} s")
            return
        say(f"\n   Airflow asks: {request['subject']}")
        for line in request["body"].splitlines()[:8]:
            say(f"   | {line}")
        say("   | …\n   The demo approves it through Airflow's API.")
        run_id = urllib.parse.quote(request["task_instance"]["dag_run_id"])
        answer = f"{api}/{run_id}/taskInstances/tag/-1/hitlDetails"
        post_json(answer, {"chosen_options": ["Approve"]}, method="PATCH", token=token)
    except (OSError, KeyError) as error:
        problems.append(f"the request could not be approved ({type(error).__name__})")


if __name__ == "__main__":
    handle_signals()
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("The demo was interrupted.")
