"""Answers to approval requests; TestApproval in tests/operators/test_base_update.py covers the rest."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_contacts.errors import ContactsError
from airflow_provider_contacts.safeguards.approval import (
    Answer,
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
        (answer(), Answer(True, "shown", "Ada")),
        (answer(request="abc"), Answer(True, "abc", "Ada")),
        (answer(request=" abc "), Answer(True, "abc", "Ada")),
        (answer("Reject"), Answer(False, "shown", "Ada")),
        (answer("Reject", None), Answer(False, "shown", None)),
        (answer("approve"), Answer(False, "shown", "Ada")),
        ({**answer(), "params_input": None}, Answer(True, "shown", "Ada")),
        ({**answer(), "responded_by_user": {"id": "7", "name": ""}}, Answer(True, "shown", "7")),
        (
            {**answer(), "responded_by_user": SimpleNamespace(id="7", name="Eve")},
            Answer(True, "shown", "Eve"),
        ),
        ({**answer(), "responded_by_user": {}}, Answer(True, "shown", "unknown")),
    ],
)
def test_answers(event: dict[str, Any], expected: Answer) -> None:
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
    request = ApprovalRequest.create("0123456789abcdef", lambda number: ("subject", f"body {number}"))
    assert (request.number, request.body) == ("0123456789abcdef", "body 0123456789abcdef")


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
