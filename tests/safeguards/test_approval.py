"""Answers to approval requests; TestApproval in tests/operators/test_base_update.py covers the rest."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_contacts.errors import ContactsError
from airflow_provider_contacts.safeguards.approval import (
    ApprovalAnswer,
    ApprovalMemory,
    ApprovalRequest,
    parse_answer,
    require_known_approvers,
)
from tests.approvals import answer
from tests.stores import Store

LOG = logging.getLogger("test")


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (answer(), ApprovalAnswer(True, "shown", "Ada")),
        (answer(request="abc"), ApprovalAnswer(True, "abc", "Ada")),
        (answer(request=" abc "), ApprovalAnswer(True, "abc", "Ada")),
        (answer("Reject"), ApprovalAnswer(False, "shown", "Ada")),
        (answer("Reject", None), ApprovalAnswer(False, "shown", None)),
        (answer("approve"), ApprovalAnswer(False, "shown", "Ada")),
        ({**answer(), "params_input": None}, ApprovalAnswer(True, "shown", "Ada")),
        ({**answer(), "responded_by_user": {"id": "7", "name": ""}}, ApprovalAnswer(True, "shown", "7")),
        (
            {**answer(), "responded_by_user": SimpleNamespace(id="7", name="Eve")},
            ApprovalAnswer(True, "shown", "Eve"),
        ),
        ({**answer(), "responded_by_user": {}}, ApprovalAnswer(True, "shown", "unknown")),
    ],
)
def test_answers(event: dict[str, Any], expected: ApprovalAnswer) -> None:
    assert parse_answer(event, "shown") == expected


@pytest.mark.parametrize("event", [{}, {"chosen_options": []}, {"error": "x", "error_type": "validation"}])
def test_events_without_an_answer(event: dict[str, Any]) -> None:
    with pytest.raises(ContactsError, match="without an answer to the approval request") as caught:
        parse_answer(event, "shown")
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


def test_requests_are_numbered_by_their_digest() -> None:
    def create(*digests: str) -> ApprovalRequest:
        return ApprovalRequest.create(digests, lambda number: ("subject", f"body {number}"))

    request = create("a" * 64, "b" * 64)
    assert request.number == request.digest[:32]
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
