"""How many polls of a sensor have failed in a row; test_contacts covers whole waits."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_contacts.sensors.failures import FailureCount
from tests.stores import BrokenStore, Store

LOG = logging.getLogger("test")


def count(store: Any, *, try_number: int = 1, enabled: bool = True) -> FailureCount:
    context: Any = {"ti": SimpleNamespace(try_number=try_number), "task_state_store": store}
    return FailureCount(context, LOG, enabled=enabled)


def test_failures_are_kept_for_one_attempt() -> None:
    store = Store()
    count(store).save(2)
    assert count(store).load(default=7) == 2
    assert count(store, try_number=2).load(default=7) == 0
    count(store).save(0)
    assert store.values == {}
    count(store).save(0)


def test_one_process_needs_no_store() -> None:
    store = Store()
    count(store, enabled=False).save(2)
    assert store.values == {}
    assert count(store, enabled=False).load(default=7) == 7
    assert count(None).load(default=7) == 0


@pytest.mark.parametrize("broken", ["get", "set", "delete"])
def test_failing_store_is_logged(broken: str, caplog: pytest.LogCaptureFixture) -> None:
    store = BrokenStore(broken)
    found = count(store)
    found.save(2)
    assert found.load(default=7) == (2 if broken == "delete" else 0)
    found.save(0)
    assert "Could not" in caplog.text
    assert "secret-of-the-test" not in caplog.text
