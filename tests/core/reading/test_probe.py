"""Testing a connection."""

from __future__ import annotations

import time
from collections.abc import Callable

from airflow_provider_contacts.core.reading.probe import PROBE_TIMEOUT_SECONDS, probe_connection
from airflow_provider_contacts.hooks.mailstand import MailstandHook
from airflow_provider_contacts.hooks.tether import TetherHook
from tests.conftest import Sandbox
from tests.scripted import Reply, ScriptedServer
from tests.vendors import CASES


def test_connection_test_has_a_deadline(connect: Callable[..., str], scripted: ScriptedServer) -> None:
    scripted.replies = [Reply(body=b"{" + b" " * 10_000, drip=0.05)]
    conn_id = connect("scripted", **{**CASES["tether"].parts, "host": scripted.url})
    started = time.monotonic()
    hook = TetherHook(conn_id)
    worked, message = probe_connection(hook.vendor, hook.settings, hook.log, print, max_seconds=1.0)
    assert not worked
    assert "within 1 s. Check Host" in message
    assert time.monotonic() - started < 3
    assert PROBE_TIMEOUT_SECONDS == 10.0


def test_messages_do_not_contain_the_id_of_the_connection(sandbox: Sandbox) -> None:
    # Airflow's form tests a copy under a random id.
    for changes in ({"password": ""}, {"password": "wrong"}, {"host": "https://api.example.com?x=1"}):
        conn_id = sandbox.connect("tether", conn_id="x5uM8udkN", login="", **changes)
        worked, message = TetherHook(conn_id).test_connection()
        assert not worked
        assert "connection" in message
        assert conn_id not in message


def test_slow_list_of_workspaces_hides_nothing(sandbox: Sandbox) -> None:
    conn_id = sandbox.connect("mailstand", extra={"workspace": "space_other"})
    sandbox.fail("mailstand", path="/workspaces", latency=6.0)
    started = time.monotonic()
    worked, message = MailstandHook(conn_id).test_connection()
    assert not worked
    assert "Missing Record" in message
    assert time.monotonic() - started < 6
