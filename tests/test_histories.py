"""Random histories of exports, replies, opt-outs, suppressions, approvals, updates, stops and kills.

After every step: no update was sent to a suppressed or opted-out contact; no contact left an
opt-out stage; nothing was written without its audit row, or without its approval; and a stop
reaches all other contacts of the person, and none of another person. The sandbox knows which
contacts are one person's; the package has to find out.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from airflow_provider_contacts.core.updates import run as run_module
from airflow_provider_contacts.errors import ContactsError
from airflow_provider_contacts.hooks.base import ContactsHook
from airflow_provider_contacts.operators.stop_outreach import StopOutreachOperator
from airflow_provider_contacts.operators.suppressions import AllowContactsOperator, SuppressContactsOperator
from airflow_provider_contacts.operators.updates import UpdateContactStageOperator, UpdateContactTagsOperator
from airflow_provider_contacts.safeguards.keys import find_keys, find_keys_to_suppress
from tests.approvals import TaskAwaitingInput, answer, approvals, context
from tests.conftest import Sandbox
from tests.database import Database, load
from tests.stores import Store
from tests.vendors import VENDORS

CONTACTS = 12
ACTIONS = {
    "talktohumans_default": {"add_tags": ["Stopped"]},
    "thoughtly_default": "manual",
    "mailstand_default": "default",
    "tether_default": {"stage": "Lost"},
}
UPDATES: dict[str, tuple[Any, dict[str, Any]]] = {
    "talktohumans": (UpdateContactTagsOperator, {"add": ["Update"]}),
    "mailstand": (UpdateContactStageOperator, {"stage": "Nurture", "campaign": "all"}),
    "tether": (UpdateContactStageOperator, {"stage": "Qualified"}),
}
contacts_of = st.tuples(st.sampled_from(VENDORS), st.integers(0, CONTACTS - 1))
# More examples, and longer ones, with `make test-faults`.
EXAMPLES, STEPS = (150, 25) if os.environ.get("CONTACTS_LONG_HISTORIES") else (8, 12)

Key = tuple[str, str, str]


class History(RuleBasedStateMachine):
    """One sandbox and one database over many steps."""

    def __init__(self, sandbox: Sandbox, database: Database, on_write: list[Callable[[str], None]]) -> None:
        super().__init__()
        self.sandbox, self.database, self.on_write = sandbox, database, on_write
        sandbox.state.reset()
        for vendor in VENDORS:
            # One request at a time, so that it is known which came before a late suppression.
            extra = {"retry_limit": 0, "requests_per_minute": 100_000, "max_concurrency": 1}
            sandbox.connect(vendor, extra=extra)
        on_write.clear()
        # Tables of its own: earlier histories have used the database.
        name = uuid.uuid4().hex[:8]
        self.tables = {
            "contacts_table": f"contacts_{name}",
            "people_table": f"people_{name}",
            "suppressions_table": f"suppressions_{name}",
            "audit_table": f"audit_{name}",
        }
        self.suppressed: dict[str, dict[Key, set[str]]] = defaultdict(lambda: defaultdict(set))
        self.is_resolved = False
        self.stage = 0
        self.twins: list[tuple[str, int]] = []
        for row in self.rows("mailstand"):
            row.stage = "Prospecting"
            self.changed("mailstand", row)
        self.suppress_fields({"email": "unknown@example.com"}, ("", "", ""), "all")
        self.export()
        self.resolve()

    # What the sandbox knows.

    def rows(self, vendor: str) -> list[Any]:
        return self.sandbox.state.tables[vendor].rows

    def row(self, contact: tuple[str, int]) -> Any:
        return self.rows(contact[0])[contact[1] % len(self.rows(contact[0]))]

    def changed(self, vendor: str, row: Any) -> None:
        self.sandbox.state.tables[vendor].invalidate(row)

    def label(self, vendor: str, row: Any) -> object:
        if vendor == "mailstand":
            return row.stage, tuple(row.other_stages.items())
        if vendor == "tether":
            return row.status
        return tuple(row.tags)

    def labels(self) -> dict[Key, object]:
        return {
            (vendor, row.account_id, row.contact_id): self.label(vendor, row)
            for vendor in VENDORS
            for row in self.rows(vendor)
        }

    def has_opted_out(self, vendor: str, row: Any) -> bool:
        return vendor == "mailstand" and "Do Not Contact" in (row.stage, *row.other_stages.values())

    def is_suppressed(self, vendor: str, fields: dict[str, Any]) -> bool:
        return any(
            scopes & {"all", vendor} for key in find_keys(fields) for scopes in self.suppressed[key].values()
        )

    def listed(self, vendor: str) -> dict[str, dict[str, Any]]:
        hook = ContactsHook.for_connection(f"{vendor}_default")
        return {one.contact_id + one.account_id: one.to_dict() for one in hook.list_contacts()}

    @contextlib.contextmanager
    def watched(self) -> Iterator[dict[Key, object]]:
        """Check what every step has to keep, and provide the labels before it."""
        before = self.labels()
        audited = self.audited()
        opted_out = {row.contact_id for row in self.rows("mailstand") if self.has_opted_out("mailstand", row)}
        yield before
        now = self.labels()
        written = {key for key in before if now[key] != before[key]}
        recorded = self.audited() - audited
        assert not [key for key in written if not recorded[key]], "written without an audit row"
        for row in self.rows("mailstand"):
            if row.contact_id in opted_out:
                assert self.has_opted_out("mailstand", row), "left an opt-out stage"

    def audited(self) -> Counter[Key]:
        try:
            found = self.database.select(self.tables["audit_table"])
        except Exception:  # the table does not exist yet
            return Counter()
        return Counter(
            (row["vendor"], row["account_id"], row["contact_id"])
            for row in found
            if row["outcome"] == "updated"
        )

    # Steps.

    @rule()
    def export(self) -> None:
        for vendor in VENDORS:
            load(
                self.database, vendor, table=self.tables["contacts_table"], mark_removed=True, max_removed=99
            )
        self.is_resolved = False

    @rule()
    def resolve(self) -> None:
        from airflow_provider_contacts.operators.people import ResolvePeopleOperator

        ResolvePeopleOperator(
            task_id="resolve",
            sql_conn_id="warehouse",
            contacts_table=self.tables["contacts_table"],
            people_table=self.tables["people_table"],
        ).execute({})
        self.is_resolved = True

    @rule(contact=contacts_of)
    def opt_out(self, contact: tuple[str, int]) -> None:
        """A person unsubscribes, in one of several campaigns."""
        row = self.row(("mailstand", contact[1]))
        if contact[0] in ("mailstand", "tether"):
            row.stage = "Do Not Contact"
        else:
            row.other_stages = {"camp_other": "Do Not Contact"}
        self.changed("mailstand", row)

    def suppress_fields(self, fields: dict[str, Any], key: Key, scope: str) -> None:
        SuppressContactsOperator(
            task_id="suppress",
            contacts=[fields],
            sql_conn_id="warehouse",
            suppressions_table=self.tables["suppressions_table"],
            reason="test",
            scope=scope,
        ).execute({})
        for found in find_keys_to_suppress(fields):
            if "all" not in self.suppressed[found][key]:
                self.suppressed[found][key].add(scope)

    def fields_of(self, contact: tuple[str, int]) -> tuple[dict[str, Any], Key]:
        vendor, row = contact[0], self.row(contact)
        fields = self.listed(vendor)[row.contact_id + row.account_id]
        # Contacts with one id in several accounts are one person.
        return fields, (vendor, "", row.contact_id)

    @rule(contact=contacts_of, scope=st.sampled_from(["all", *VENDORS]))
    def suppress(self, contact: tuple[str, int], scope: str) -> None:
        self.suppress_fields(*self.fields_of(contact), scope)

    @rule(contact=contacts_of, others=st.lists(st.integers(0, CONTACTS - 1), max_size=6), late=contacts_of,
          whole=st.booleans(), with_people=st.booleans(), faults=st.lists(st.sampled_from([400, 500, 429]), max_size=2),
          approval=st.sampled_from([None, "approve", "reject", "ignore"]))  # fmt: skip
    def update(
        self,
        contact: tuple[str, int],
        others: list[int],
        late: tuple[str, int],
        whole: bool,
        with_people: bool,
        faults: list[int],
        approval: str | None,
    ) -> None:
        """Update contacts, while another opt-out arrives."""
        vendor = contact[0] if contact[0] in UPDATES else "talktohumans"
        kind, arguments = UPDATES[vendor]
        listed = self.listed(vendor)
        rows = {id(one): one for one in (self.row((vendor, index)) for index in (contact[1], *others))}
        items = [listed[row.contact_id + row.account_id] for row in rows.values()]
        must_not = {item["contact_id"] for item in items if self.is_suppressed(vendor, item)}
        must_not |= {row.contact_id for row in rows.values() if self.has_opted_out(vendor, row)}
        references = [{name: item[name] for name in ("vendor", "account_id", "contact_id")} for item in items]
        tables = {**self.tables, "people_table": self.tables["people_table"] if with_people else None}
        operator = kind(
            task_id="update",
            contacts_conn_id=f"{vendor}_default",
            contacts=items if whole else references,
            sql_conn_id="warehouse",
            require_approval=approval is not None,
            **arguments,
            **tables,
        )
        fields, key = self.fields_of((vendor, late[1]))

        def suppress_late(path: str) -> None:
            if not self.is_suppressed(vendor, fields) and not path.endswith("bulk-update-status"):
                self.suppress_fields(fields, key, "all")
                if not path.endswith(fields["contact_id"]):  # otherwise, it is in flight
                    must_not_later.add(fields["contact_id"])

        must_not_later: set[str] = set()
        self.sandbox.state.faults[vendor] = []
        for status in faults:
            self.sandbox.fail(vendor, method="PATCH", status=status, times=1)
        with self.watched() as before, contextlib.suppress(ContactsError):
            self.run_with_approval(operator, approval, suppress_late)
        self.on_write.clear()
        self.sandbox.state.faults[vendor] = []
        now = self.labels()
        written = {name[2] for name in before if now[name] != before[name]}
        assert not written & must_not, "a suppressed or opted-out contact was updated"
        assert not written & must_not_later, "a contact was updated after it was suppressed"
        if approval in ("reject", "ignore"):
            assert not written, "written without an approval"

    def run_with_approval(self, operator: Any, approval: str | None, late: Callable[[str], None]) -> None:
        store = Store()
        self.on_write.append(late)
        if approval is None:
            operator.execute(context(task_state_store=store))
            return
        from airflow.sdk.exceptions import AirflowSkipException

        with approvals() as asked, contextlib.suppress(AirflowSkipException, TaskAwaitingInput):
            try:
                operator.execute(context(task_state_store=store))
                return
            except TaskAwaitingInput as waiting:
                kwargs = waiting.kwargs or {}
            if approval != "ignore":
                option = "Approve" if approval == "approve" else "Reject"
                operator.execute_complete(
                    context(task_state_store=store), answer(option, request=asked.number), **kwargs
                )

    @rule(contact=contacts_of, others=st.lists(st.integers(0, CONTACTS - 1), max_size=6),
          requests=st.integers(1, 4))  # fmt: skip
    def kill_an_update(self, contact: tuple[str, int], others: list[int], requests: int) -> None:
        """A worker is killed, and the task is tried again."""
        vendor = contact[0] if contact[0] in UPDATES else "talktohumans"
        kind, arguments = UPDATES[vendor]
        listed = self.listed(vendor)
        rows = {id(one): one for one in (self.row((vendor, index)) for index in (contact[1], *others))}
        items = [listed[row.contact_id + row.account_id] for row in rows.values()]
        must_not = {item["contact_id"] for item in items if self.is_suppressed(vendor, item)}
        must_not |= {row.contact_id for row in rows.values() if self.has_opted_out(vendor, row)}
        operator = kind(
            task_id="update",
            contacts_conn_id=f"{vendor}_default",
            contacts=items,
            sql_conn_id="warehouse",
            **arguments,
            **self.tables,
        )
        with self.watched() as before:
            self.run_and_kill(operator, requests)
            result = operator.execute(context())
        now = self.labels()
        written = {name[2] for name in before if now[name] != before[name]}
        assert not written & must_not, "a suppressed or opted-out contact was updated"
        handled = {
            one["contact_id"]
            for name in ("updated", "unchanged", "suppressed", "unchecked")
            for one in result[name]
        }
        assert handled == {item["contact_id"] for item in items}, "a contact was lost"

    def run_and_kill(self, operator: Any, requests: int) -> None:
        """Run a task in a process that is killed while the vendor handles one of its changes."""
        process = multiprocessing.get_context("fork").Process(target=execute_quietly, args=(operator,))
        left = requests

        def count(_path: str) -> None:
            nonlocal left
            left -= 1
            if left:
                self.on_write.append(count)
            else:
                process.kill()

        self.on_write.append(count)
        process.start()
        process.join(20)
        process.kill()
        process.join()
        self.on_write.clear()

    @precondition(lambda self: self.is_resolved)
    @rule(contact=contacts_of, second=contacts_of, cause=st.sampled_from(["reply", "opt_out"]), preview=st.booleans(),
          faults=st.lists(st.tuples(st.sampled_from(VENDORS), st.sampled_from([500, 401])), max_size=2),
          killed=st.sampled_from([0, 0, 0, 1, 2]))  # fmt: skip
    def stop(
        self,
        contact: tuple[str, int],
        second: tuple[str, int],
        cause: str,
        preview: bool,
        faults: list[tuple[str, int]],
        killed: int,
    ) -> None:
        """Stop people, twice if a vendor failed or the worker was killed."""
        self.stage += 1
        if self.twins:
            contact = self.twins.pop()
        chosen = [contact, second]
        number = self.row(contact).person.number
        # Often another contact of the same person.
        same = [row for row in self.rows(second[0]) if row.person.number == number]
        if same:
            chosen[1] = (second[0], self.rows(second[0]).index(same[0]))
        caused_at = f"2026-03-01T00:00:{self.stage % 60:02}Z"
        references = [
            {**self.row(one).reference(one[0]), "cause": cause, "caused_at": caused_at} for one in chosen
        ]
        operator = StopOutreachOperator(
            task_id="stop",
            contacts=references,
            actions=ACTIONS,
            sql_conn_id="warehouse",
            preview=preview,
            on_unmatched="report",
            **self.tables,
        )
        for vendor, status in faults:
            for method in ("PATCH", "PUT"):
                self.sandbox.fail(vendor, method=method, status=status, times=1)
        task = context()
        result = None
        with self.watched() as before:
            if killed:
                self.run_and_kill(operator, killed)
            with contextlib.suppress(ContactsError):
                result = operator.execute(task)
            for vendor in VENDORS:
                self.sandbox.state.faults[vendor] = []
            if result is None:
                result = operator.execute(task)
        now = self.labels()
        written = {name for name in before if now[name] != before[name]}
        assert not (preview and written), "a preview has written"
        numbers = {self.row(one).person.number for one in chosen}
        strangers = [
            (vendor, row.contact_id)
            for vendor in VENDORS
            for row in self.rows(vendor)
            if (vendor, row.account_id, row.contact_id) in written and row.person.number not in numbers
        ]
        assert not strangers, "a stranger was stopped"
        if not preview:
            assert not any(result[name] for name in ("failed", "no_action", "outdated", "unmatched"))
            self.check_stopped(references)

    def check_stopped(self, references: list[dict[str, Any]]) -> None:
        """Check that all other contacts of the people are stopped."""
        people: dict[str, list[Key]] = defaultdict(list)
        for row in self.database.rows(self.tables["people_table"]):
            people[row["person_id"]].append((row["vendor"], row["account_id"], row["contact_id"]))
        named = {(one["vendor"], one["account_id"], one["contact_id"]) for one in references}
        for contacts in people.values():
            found_by = named.intersection(contacts)
            left_alone = found_by if len(found_by) == 1 else set()
            for vendor, account_id, contact_id in set(contacts) - left_alone if found_by else ():
                [row] = self.sandbox.state.tables[vendor].find(contact_id, account_id)
                is_stopped = {
                    "mailstand": lambda row: (
                        row.stage == "Not Interested" or self.has_opted_out("mailstand", row)
                    ),
                    "tether": lambda row: row.status == "Lost",
                    "talktohumans": lambda row: "Stopped" in row.tags,
                    "thoughtly": lambda row: True,  # its API changes nothing
                }
                assert is_stopped[vendor](row), f"a contact at {vendor} was not stopped"

    @rule(contact=contacts_of)
    def allow(self, contact: tuple[str, int]) -> None:
        fields, key = self.fields_of(contact)
        AllowContactsOperator(
            task_id="allow",
            contacts=[fields],
            sql_conn_id="warehouse",
            suppressions_table=self.tables["suppressions_table"],
            reason="test",
        ).execute({})
        keys = find_keys_to_suppress(fields)
        # Contacts that share an address, a profile or a reference are one person.
        own = {
            holder for found in keys if not found.startswith("phone:") for holder in self.suppressed[found]
        }
        for found in keys:
            for holder in own | {key}:
                self.suppressed[found].pop(holder, None)

    @rule(one=contacts_of, other=contacts_of)
    def switchboard(self, one: tuple[str, int], other: tuple[str, int]) -> None:
        """Two contacts turn out to have one number, and nothing else that identifies them."""
        self.twins = [one, other]
        ids = [self.row(contact).contact_id for contact in self.twins]
        self.database.run(
            f"UPDATE {self.tables['contacts_table']} SET phone = '+12015550188', email = NULL, "
            f"linkedin_url = NULL WHERE contact_id IN ('{ids[0]}', '{ids[1]}')"
        )
        self.resolve()

    @rule(seconds=st.sampled_from(["2000-01-01 00:00:00.000000", "2126-01-01 00:00:00.000000"]))
    def step_the_clock(self, seconds: str) -> None:
        """Rows that another clock has written."""
        self.database.run(f"UPDATE {self.tables['contacts_table']} SET changed_at = '{seconds}'")
        self.is_resolved = False

    @invariant()
    def no_rule_of_an_api_is_broken(self) -> None:
        assert self.sandbox.state.violations == []


def execute_quietly(operator: Any) -> None:
    with contextlib.suppress(BaseException):
        operator.execute(context())


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
@pytest.mark.sandbox(contacts=CONTACTS, rate_limits=False)
def test_random_histories(
    sandbox: Sandbox, database: Database, secret: str, sandboxes: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Suppressions are read again before each request.
    monkeypatch.setattr(run_module, "_SECONDS_BETWEEN_CHECKS", 0.0)
    on_write: list[Callable[[str], None]] = []
    name = sandbox.url.rpartition("/")[2]
    app = sandboxes.apps[name]

    async def served(scope: Any, receive: Any, send: Any) -> None:
        if scope.get("method") in ("PATCH", "PUT"):
            import asyncio

            if on_write:
                await asyncio.to_thread(on_write.pop(), scope["path"])
        await app(scope, receive, send)

    sandboxes.apps[name] = served
    run_state_machine_as_test(
        lambda: History(sandbox, database, on_write),
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
