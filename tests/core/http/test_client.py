"""Retries, rate limits, logins and proxies, which do not depend on the vendor."""

from __future__ import annotations

import email.utils
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_contacts.core.http.rate_limit import RateLimiter, effective_rates
from airflow_provider_contacts.core.http.status import parse_retry_after
from airflow_provider_contacts.errors import VendorUnavailable
from airflow_provider_contacts.hooks.base import ContactsHook
from tests.conftest import Read, Sandbox
from tests.scripted import Reply, ScriptedServer


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("5", 5),
        ("0", 0),
        ("2.5", 2.5),
        ("-3", 0),
        (None, None),
        ("", None),
        ("soon", None),
        ("inf", None),
        ("nan", None),
    ],
)
def test_parse_retry_after_seconds(value: str | None, seconds: float | None) -> None:
    assert parse_retry_after(value) == seconds


def test_parse_retry_after_date() -> None:
    later = parse_retry_after(email.utils.formatdate(time.time() + 100, usegmt=True))
    assert later is not None
    assert 97 < later <= 100
    assert parse_retry_after(email.utils.formatdate(time.time() - 100, usegmt=True)) == 0


def test_retry_after_date_is_respected(sandbox: Sandbox, read: Read) -> None:
    date = email.utils.formatdate(time.time() + 3, usegmt=True)
    sandbox.fail("tether", path="/contacts", status=503, retry_after=date)
    read("tether_default")
    refused, again = [entry for entry in sandbox.requests("tether") if entry["path"].endswith("/contacts")]
    assert again["at"] - refused["at"] > 1.5


@pytest.mark.parametrize(
    ("published", "own", "kept"),
    [
        ((), None, ()),
        ((), 60, ((60, 60.0),)),
        (((100, 15.0),), None, ((100, 15.0),)),
        (((100, 15.0),), 60, ((60, 60.0),)),
        (((100, 15.0),), 200, ((100, 15.0), (200, 60.0))),
        (((100, 15.0),), 1000, ((1000, 60.0),)),
        (((100, 60.0),), 100, ((100, 60.0),)),
        (((100, 60.0),), 10, ((10, 60.0),)),
    ],
)
def test_effective_rates(published: Any, own: int | None, kept: Any) -> None:
    assert effective_rates(published, own) == kept


@given(
    st.lists(st.tuples(st.integers(1, 500), st.sampled_from([1.0, 15.0, 60.0, 3600.0])), max_size=3),
    st.none() | st.integers(1, 5000),
)
def test_effective_rates_are_accepted_by_the_limiter(
    published: list[tuple[int, float]], own: int | None
) -> None:
    rates = effective_rates(tuple(published), own)
    if rates:
        assert RateLimiter(rates).acquire(threading.Event())
    if own is not None:
        assert any(limit / seconds <= own / 60 for limit, seconds in rates)


def test_limiter_is_shared_by_all_hooks_of_a_connection(sandbox: Sandbox, read: Read) -> None:
    conn_id = sandbox.connect("tether", extra={"requests_per_minute": 5}, login="", password="sandbox-token")
    for _ in range(5):
        read(conn_id)
    hook = ContactsHook.for_connection(conn_id)
    hook.list_contacts()
    limiter = hook._get_transport(hook.settings)._limiter
    assert limiter is not None
    stopped = threading.Event()
    stopped.set()
    assert limiter.acquire(stopped) is False
    assert len(sandbox.requests("tether")) == 5


def test_limiter_drops_expired_entries() -> None:
    limiter = RateLimiter(((1000, 0.05),))
    for _ in range(300):
        limiter.acquire(threading.Event())
        time.sleep(0.001)
    assert limiter._bucket.count() < 200


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

    scripted.decide = lambda asked: (
        Reply(body={"token": "t-o-k-e-n"})
        if asked.method == "POST"
        else Reply(status=401, body={"message": "bad token t-o-k-e-n"})
    )
    conn_id = connect("t", conn_type="tether", host=scripted.url, login="a@b.example", password="p-a-s-s")
    with pytest.raises(AuthenticationError, match=r"bad token \*\*\*"):
        read(conn_id)
    assert [asked.method for asked in scripted.asked] == ["POST", "GET", "POST", "GET"]


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


def test_proxies_come_from_the_environment(
    connect: Callable[..., str], scripted: ScriptedServer, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted.replies = [Reply(body={"success": True, "data": {"contacts": [], "total": 0}})]
    monkeypatch.setenv("HTTP_PROXY", scripted.url)
    monkeypatch.setenv("http_proxy", scripted.url)
    conn_id = connect(
        "t", conn_type="tether", host="http://tether.example", password="p-a-s-s", extra={"allow_http": True}
    )
    assert read(conn_id) == []
    assert scripted.asked[0].headers["host"] == "tether.example"


def test_untrusted_certificate_is_not_retried(connect: Callable[..., str], read: Read, tmp_path: Any) -> None:
    import ssl
    import subprocess
    import threading
    from http.server import BaseHTTPRequestHandler, HTTPServer

    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
    ]
    subprocess.run(
        [*command, "-keyout", str(tmp_path / "key"), "-out", str(tmp_path / "cert")],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert", tmp_path / "key")
    server = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    started = time.monotonic()
    try:
        with pytest.raises(VendorUnavailable, match="certificate is not trusted.*REQUESTS_CA_BUNDLE"):
            read(
                connect("t", conn_type="tether", host=f"https://localhost:{server.server_port}", password="p")
            )
    finally:
        server.shutdown()
        server.server_close()
    assert time.monotonic() - started < 3
