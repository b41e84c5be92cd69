"""Contacts that are added, removed, moved and tagged while they are listed, step by step.

Everything that existed throughout is returned exactly once, or the listing is incomplete.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any, ClassVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.errors import IncompleteListing
from airflow_provider_contacts.hooks.base import ContactsHook
from airflow_provider_contacts.sandbox.app import create_app, create_state, running
from airflow_provider_contacts.sandbox.connections import connections

_PAGE_SIZE = 10


class _App:
    """Serves the sandbox of the current example."""

    current: ClassVar[Any] = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await _App.current(scope, receive, send)


_context = running(_App())
_url = _context.__enter__()


class MovingContacts(RuleBasedStateMachine):
    """A listing that is read contact by contact, and changes in between.

    A removal and an addition between the same two requests leave no trace in a total, so there is
    at most one change for each request.
    """

    vendor: ClassVar[str]
    can_remove: ClassVar[bool] = True
    can_reorder: ClassVar[bool] = True

    @initialize(count=st.integers(0, 60))
    def start(self, count: int) -> None:
        self.state = create_state(count, 7, rate_limits=False)
        _App.current = create_app(self.state)
        parts = connections(_url)[f"{self.vendor}_default"]
        extra = {**parts.get("extra", {}), "max_concurrency": 1, "requests_per_minute": 1_000_000}
        os.environ["AIRFLOW_CONN_MOVING"] = json.dumps({**parts, "extra": extra})
        self.table = self.state.tables[self.vendor]
        self.always = {self.key(row) for row in self.table.rows}
        self.found: list[tuple[str, str]] = []
        self.contacts: Iterator[Contact] | None = ContactsHook.for_connection(
            "moving", page_size=_PAGE_SIZE
        ).list_contacts(raw=False)
        self.requests_at_change = -1
        self.is_incomplete = False

    @staticmethod
    def key(row: Any) -> tuple[str, str]:
        return (row.account_id, row.contact_id)

    @property
    def may_change(self) -> bool:
        return self.contacts is not None and len(self.state.requests) != self.requests_at_change

    @rule(count=st.integers(1, 25))
    def read(self, count: int) -> None:
        for _ in range(count if self.contacts is not None else 0):
            assert self.contacts is not None
            try:
                contact = next(self.contacts)
            except StopIteration:
                self.finish()
                return
            except IncompleteListing:
                self.is_incomplete = True
                self.contacts = None
                return
            self.found.append((contact.account_id, contact.contact_id))

    def finish(self) -> None:
        self.contacts = None
        assert len(self.found) == len(set(self.found)), "a contact was returned twice"
        assert self.always <= set(self.found), "a contact that existed throughout was lost"

    def changed(self) -> None:
        self.table._query_cache.clear()
        self.requests_at_change = len(self.state.requests)

    @precondition(lambda self: self.may_change)
    @rule()
    def add(self) -> None:
        self.table.add(1)
        self.changed()

    @precondition(lambda self: self.may_change and self.can_remove and self.table.rows)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        row = data.draw(st.sampled_from(self.table.rows))
        self.always.discard(self.key(row))
        self.table.remove(row)
        self.changed()

    @precondition(lambda self: self.may_change and self.can_reorder and self.table.rows)
    @rule(data=st.data())
    def move_to_the_front(self, data: st.DataObject) -> None:
        rows = self.table.rows
        rows.insert(0, rows.pop(data.draw(st.integers(0, len(rows) - 1))))
        self.changed()

    @precondition(lambda self: self.may_change and self.table.rows)
    @rule(data=st.data())
    def change_a_field(self, data: st.DataObject) -> None:
        self.table.invalidate(data.draw(st.sampled_from(self.table.rows)))
        self.changed()

    def teardown(self) -> None:
        while getattr(self, "contacts", None) is not None:
            self.read(25)


class MovingMailstand(MovingContacts):
    """Numbered pages with a total."""

    vendor = "mailstand"


class MovingTether(MovingContacts):
    """Numbered pages with a total."""

    vendor = "tether"


class MovingTalkToHumans(MovingContacts):
    """Cursors, which continue after the last contact, wherever it is now. Its order is that of the ids."""

    vendor = "talktohumans"
    can_reorder = False


class MovingThoughtly(MovingContacts):
    """Numbered pages without a total: a contact that moves forward can be missed, as documented."""

    vendor = "thoughtly"
    can_remove = False
    can_reorder = False


_settings = settings(
    max_examples=150, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
TestMailstand = MovingMailstand.TestCase
TestTether = MovingTether.TestCase
TestTalkToHumans = MovingTalkToHumans.TestCase
TestThoughtly = MovingThoughtly.TestCase
for _case in (TestMailstand, TestTether, TestTalkToHumans, TestThoughtly):
    _case.settings = _settings
