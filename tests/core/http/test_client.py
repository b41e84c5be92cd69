"""Token renewal and logins."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from airflow_provider_contacts.hooks.base import ContactsHook
from tests.conftest import Read, Sandbox
from tests.scripted import Reply, ScriptedServer


def test_token_is_renewed_after_it_expired(sandbox: Sandbox, read: Read) -> None:
    read("tether_default", page_size=7)
    logins = [entry for entry in sandbox.requests("tether") if entry["path"] == "/api/auth/login"]
    assert len(logins) == 1
    hook = ContactsHook.for_connection("tether_default", page_size=7)
    contacts = hook.list_contacts()
    next(contacts)
    sandbox.state.tokens.clear()
    assert len(list(contacts)) == 59


def test_rejected_login_is_not_retried(sandbox: Sandbox, read: Read) -> None:
    from airflow_provider_contacts.errors import AuthenticationError

    with pytest.raises(AuthenticationError, match=r"POST /api/auth/login returned 401.*E-mail"):
        read(sandbox.connect("tether", password="wrong"))
    assert len(sandbox.requests("tether")) == 1


def test_token_that_is_always_rejected(
    connect: Callable[..., str], scripted: ScriptedServer, read: Read
) -> None:
    from airflow_provider_contacts.errors import AuthenticationError

    scripted.respond = lambda request: (
        Reply(body={"token": "t-o-k-e-n"})
        if request.method == "POST"
        else Reply(status=401, body={"message": "bad token t-o-k-e-n"})
    )
    conn_id = connect("t", conn_type="tether", host=scripted.url, login="a@b.example", password="p-a-s-s")
    with pytest.raises(AuthenticationError, match=r"bad token \*\*\*"):
        read(conn_id)
    assert [request.method for request in scripted.received] == ["POST", "GET", "POST", "GET"]


def test_login_without_a_token(connect: Callable[..., str], scripted: ScriptedServer, read: Read) -> None:
    from airflow_provider_contacts.errors import MalformedResponse

    scripted.replies = [Reply(body={"user": {}})]
    with pytest.raises(MalformedResponse, match="POST /api/auth/login returned no token"):
        read(connect("t", conn_type="tether", host=scripted.url, login="a@b.example", password="p-a-s-s"))


def test_a_fetched_token_is_masked_in_logs(sandbox: Sandbox, read: Read) -> None:
    from airflow.sdk.log import redact

    read("tether_default")
    [token] = sandbox.state.tokens
    assert token not in str(redact(f"a line with {token}"))
