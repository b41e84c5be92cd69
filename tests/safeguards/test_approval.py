"""Answers to approval requests; TestApproval in tests/operators/updating/test_base.py covers the rest."""

from __future__ import annotations

import logging
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from airflow_provider_contacts.errors import ContactsError, InvalidRequest
from airflow_provider_contacts.safeguards.approval import (
    ApprovalAnswer,
    ApprovalMemory,
    ApprovalRequest,
    parse_answer,
    require_approver,
    require_known_approvers,
    skip,
)
from tests.approvals import TaskAwaitingInput, answer, approvals, context
from tests.stores import BrokenStore, Store

LOG = logging.getLogger("test")
REQUEST = ApprovalRequest("a" * 64, "a" * 32, "", "")


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (answer(), ApprovalAnswer(True, "shown", "Ada", "1", "asked")),
        (answer(request="abc"), ApprovalAnswer(True, "abc", "Ada", "1", "asked")),
        (answer(request=" abc "), ApprovalAnswer(True, "abc", "Ada", "1", "asked")),
        (answer("Reject"), ApprovalAnswer(False, "shown", "Ada", "1", "asked")),
        (answer("Reject", None), ApprovalAnswer(False, "shown", None, None, "asked")),
        (answer("approve"), ApprovalAnswer(False, "shown", "Ada", "1", "asked")),
        ({**answer(), "params_input": None}, ApprovalAnswer(True, "shown", "Ada", "1", "asked")),
        (
            {**answer(), "responded_by_user": {"id": "7", "name": ""}},
            ApprovalAnswer(True, "shown", "7", "7", "asked"),
        ),
        (
            {**answer(), "responded_by_user": SimpleNamespace(id="7", name="Eve")},
            ApprovalAnswer(True, "shown", "Eve", "7", "asked"),
        ),
        (
            {**answer(), "responded_by_user": SimpleNamespace(id="7")},
            ApprovalAnswer(True, "shown", "7", "7", "asked"),
        ),
        ({**answer(), "responded_by_user": {}}, ApprovalAnswer(True, "shown", "unknown", None, "asked")),
    ],
)
def test_answers(event: dict[str, Any], expected: ApprovalAnswer) -> None:
    assert parse_answer(event, "shown", "asked") == expected


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"chosen_options": []},
        {"error": "x", "error_type": "validation"},
        {**answer(), "error": "x", "error_type": "validation"},
    ],
)
def test_events_without_an_answer(event: dict[str, Any]) -> None:
    with pytest.raises(ContactsError, match="without an answer to the approval request") as caught:
        parse_answer(event, "shown", "asked")
    assert caught.value.transient


def test_memory() -> None:
    request = ApprovalRequest("a" * 64, "a" * 12, "", "")
    store = Store()
    memory = ApprovalMemory(store, LOG)
    assert memory.find_approver(request) is None
    memory.clear()
    memory.save(request, "Ada")
    assert memory.find_approver(request) == "Ada"
    # The start of the digest is not enough.
    assert memory.find_approver(ApprovalRequest("a" * 63 + "b", "a" * 12, "", "")) is None
    memory.clear()
    assert store.values == {}
    assert ApprovalMemory(None, LOG).find_approver(request) is None


@pytest.mark.parametrize(
    ("broken", "call", "reported"),
    [
        ("get", lambda memory: memory.find_approver(REQUEST), "read in the task's state store. A retry"),
        ("set", lambda memory: memory.save(REQUEST, "Ada"), "written in the task's state store. A retry"),
        ("set", lambda memory: memory.clear(), "cleared in the task's state store. If this task is cleared, it"),
        ("delete", lambda memory: memory.clear(), "cleared in the task's state store. It is empty. "),
    ],
)  # fmt: skip
def test_store_that_fails_is_reported(
    broken: str, call: Callable[[ApprovalMemory], object], reported: str, caplog: pytest.LogCaptureFixture
) -> None:
    call(ApprovalMemory(BrokenStore(broken), LOG))
    [record] = [one for one in caplog.messages if f"The approval could not be {reported}" in one]
    assert "RuntimeError" in record
    assert "secret-of-the-test" not in record


def test_approval_that_cannot_be_deleted_does_not_count() -> None:
    store = BrokenStore("delete")
    memory = ApprovalMemory(store, LOG)
    memory.save(REQUEST, "Ada")
    memory.clear()
    assert memory.find_approver(REQUEST) is None
    assert list(store.values.values()) == [{}]


@pytest.mark.parametrize(
    ("user", "reason"), [("Ada", "Ada rejected the update"), (None, "No one approved the update in time")]
)
def test_a_rejected_task_is_skipped(user: str | None, reason: str, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(AirflowSkipException, match=f"^{reason}. Nothing was written"):
        skip(ApprovalAnswer(False, "", user), LOG)
    # Airflow logs the exception where the UI does not show it.
    assert f"{reason}. Nothing was written, and the task is skipped" in caplog.text


def test_approver_without_a_name() -> None:
    operator: Any = SimpleNamespace(log=LOG)
    answered = ApprovalAnswer(True, REQUEST.number, None, None, REQUEST.digest)
    assert require_approver(operator, context(), REQUEST, answered, [], None) == "unknown"


@pytest.mark.parametrize(
    ("params", "displayed"),
    [
        ({"request": {"value": "first"}}, "first"),
        ({"request": "first"}, "first"),
        ({"request": {}}, "None"),
        ({"request": None}, ""),
        ({}, ""),
        (None, ""),
    ],
)
def test_number_that_airflow_displays(params: object, displayed: str) -> None:
    operator = BaseOperator(task_id="wait")
    with approvals() as received:
        received.request = SimpleNamespace(params=params)
        with pytest.raises(TaskAwaitingInput) as waiting:
            require_approver(operator, context(), REQUEST, None, [], None)
    assert waiting.value.kwargs == {"displayed": displayed, "asked": REQUEST.digest}


def test_users_of_the_simple_auth_manager(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS", "False")
    monkeypatch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS", "ada:admin,bob:viewer:more, tim:user")
    require_known_approvers([{"id": name, "name": name} for name in ("ada", "bob", "tim")], LOG)
    with pytest.raises(InvalidRequest, match="users that Airflow does not know: 'eve'"):
        require_known_approvers([{"id": "ada", "name": "ada"}, {"id": "eve", "name": "eve"}], LOG)


def test_requests_are_numbered_by_their_digest() -> None:
    def create(*digests: str) -> ApprovalRequest:
        return ApprovalRequest.create(digests, lambda number: ("subject", f"body {number}"))

    request = create("a" * 64, "b" * 64)
    assert request.number == request.digest[:8]
    assert (request.subject, request.body) == ("subject", f"body {request.number}")
    assert create("b" * 64, "a" * 64) == request
    assert create("a" * 64).digest != request.digest


def test_users_of_other_auth_managers_are_not_known(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    eve = [{"id": "eve", "name": "eve"}]
    monkeypatch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS", "True")
    require_known_approvers(eve, LOG)
    assert "so `approvers` has no effect" in caplog.text
    monkeypatch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS", "False")
    monkeypatch.setenv("AIRFLOW__CORE__AUTH_MANAGER", "company.auth.CompanyAuthManager")
    require_known_approvers(eve, LOG)


def test_an_approval_is_for_one_run_of_a_task() -> None:
    store = Store()
    ApprovalMemory(store, LOG, max_tries=3).save(REQUEST, "Ada", "ada")
    assert ApprovalMemory(store, LOG, max_tries=3).find_approver(REQUEST) == "Ada"
    # Clearing a task raises the number of tries that it may have.
    assert ApprovalMemory(store, LOG, max_tries=4).find_approver(REQUEST) is None
    assert ApprovalMemory(store, LOG, max_tries=3).find_approver(REQUEST, {"ada"}) == "Ada"
    assert ApprovalMemory(store, LOG, max_tries=3).find_approver(REQUEST, {"eve"}) is None
