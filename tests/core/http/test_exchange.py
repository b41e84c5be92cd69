"""One attempt, and the login before it."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from airflow_provider_contacts.errors import (
    ContactsError,
    InvalidConnection,
    MalformedResponse,
)
from tests.conftest import Read
from tests.leaks import everything_about
from tests.scripted import ReceivedRequest, Reply, ScriptedServer
from tests.tether import page
from tests.vendors import CASES

SECRETS = ("secret-of-the-test", "Lovelace", "ada@engines.example")


def test_one_login_for_many_pages(connect: Callable[..., str], scripted: ScriptedServer, read: Read) -> None:
    """The server accepts only its newest token, and revokes it in the middle of the listing."""
    lock = threading.Lock()
    logins, served = 0, 0

    def respond(request: ReceivedRequest) -> Reply:
        nonlocal logins, served
        with lock:
            if request.method == "POST":
                logins += 1
                return Reply(body={"token": f"token-{logins}"}, delay=0.1)
            served += 1
            if request.headers["authorization"] != f"Bearer token-{max(logins, 1 if served < 3 else 2)}":
                return Reply(status=401, body={"message": "expired"})
        number = int(request.params["page"][0])
        return Reply(body=page(*[{"_id": f"{number}-{n}"} for n in range(5) if number <= 8], total=40))

    scripted.respond = respond
    conn_id = connect("t", conn_type="tether", host=scripted.url, login="a@b.example", password="p-a-s-s")
    assert len(read(conn_id, page_size=5)) == 40
    assert logins == 2


def test_token_that_cannot_be_sent_in_a_header(
    tether: Callable[..., str], scripted: ScriptedServer, read: Read
) -> None:
    scripted.replies = [Reply(body={"token": "secret-of-the-test\r\nX-Evil: 1"})]
    with pytest.raises(MalformedResponse, match="cannot be sent in a header") as caught:
        read(tether(scripted.url, login="a@b.example"))
    assert "secret-of-the-test" not in everything_about(caught.value)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(status=400, body={"message": "secret-of-the-test Lovelace ada@engines.example"}),
        Reply(status=200, body={"error": {"message": "secret-of-the-test Lovelace ada@engines.example"}}),
        Reply(status=200, body={"error": {"code": {"name": "Lovelace"}, "message": "x"}}),
        Reply(status=200, body=b'{"success": true, "data": {"contacts": [{"_id": "1", "x": "Lovelace\xff"}'),
        Reply(status=302, headers={"Location": "https://ada@engines.example/?search=Lovelace"}),
        Reply(status=503),
    ],
    ids=range(6),
)
def test_chained_exceptions_leak_nothing(
    reply: Reply, tether: Callable[..., str], scripted: ScriptedServer, read: Read
) -> None:
    scripted.replies = [reply]
    with pytest.raises(ContactsError) as caught:
        read(tether(scripted.url, extra={"retry_limit": 0}), {"search": "Lovelace"})
    shown = everything_about(caught.value)
    assert not [secret for secret in SECRETS if secret in shown], shown


@pytest.mark.parametrize(
    "location",
    [
        "http://{evil}\\@{good}/x?{query}",
        "http://{good}@{evil}/x?{query}",
        "http://u:p@{good}/x?{query}",
        "//{evil}/x?{query}",
        "https://{good}/x?{query}",
        "http://[",
        "//127.0.0.1:99999/",
        "http://{good} .evil.example/?{query}",
    ],
)
def test_no_redirect_sends_credentials_elsewhere(
    location: str, read: Read, scripted: ScriptedServer, tether: Callable[..., str]
) -> None:
    with ScriptedServer() as evil:
        evil.replies = [Reply(body=CASES["tether"].page())]

        def respond(request: ReceivedRequest) -> Reply:
            where = location.format(
                evil=evil.url.removeprefix("http://"),
                good=scripted.url.removeprefix("http://"),
                query=request.query,
            )
            return Reply(status=302, headers={"Location": where})

        scripted.respond = respond
        with pytest.raises(InvalidConnection, match="is redirected to"):
            read(tether(scripted.url))
        assert evil.received == []
    assert len(scripted.received) == 1
