"""Servers that misbehave, and input that is meant to hurt."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_provider_contacts.errors import (
    ContactsError,
    IncompleteListing,
    InvalidConnection,
    InvalidRequest,
    MalformedResponse,
    VendorUnavailable,
)
from airflow_provider_contacts.hooks.base import ContactsHook
from tests.conftest import Read, Sandbox
from tests.scripted import Asked, RawServer, Reply, ScriptedServer
from tests.vendors import CASES

SECRETS = ("secret-of-the-test", "Lovelace", "ada@engines.example")


@pytest.fixture
def tether(connect: Callable[..., str]) -> Callable[..., str]:
    """Point a Tether connection at a server."""

    def pointed(url: str, **changes: Any) -> str:
        extra = {"retry_limit": 2, **changes.pop("extra", {})}
        return connect("hostile", **{**CASES["tether"].parts, "host": url, "extra": extra, **changes})

    return pointed


def page(*records: Any, **more: Any) -> dict[str, Any]:
    return {"success": True, "data": {"contacts": list(records), **more}}


def answer(body: Any) -> bytes:
    content = json.dumps(body).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
        len(content),
        content,
    )


def everything_about(error: BaseException) -> str:
    """Return all text that a logger could find in an exception and those behind it."""
    shown, seen, waiting = [], set(), [error]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        shown += [repr(one), str(one), repr(vars(one)), repr(getattr(one, "object", ""))]
        waiting.append(one.__cause__)  # type: ignore[arg-type]
        if not one.__suppress_context__:
            waiting.append(one.__context__)  # type: ignore[arg-type]
    return "\n".join(shown)


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


def test_connection_errors_do_not_contain_the_query(tether: Callable[..., str], read: Read) -> None:
    with pytest.raises(VendorUnavailable) as caught:
        read(tether("http://127.0.0.1:9", extra={"retry_limit": 0}), {"search": "Lovelace"})
    assert "Lovelace" not in everything_about(caught.value)


@pytest.mark.parametrize("text", ["\ud800", "Lovelace\udfff"])
@pytest.mark.parametrize("name", ["search", "dateRange"])
def test_unencodable_text_is_rejected(text: str, name: str, sandbox: Sandbox, read: Read) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read("tether_default", {name: text if name == "search" else {"start": text}})
    assert "Lovelace" not in everything_about(caught.value)
    assert not sandbox.requests("tether")


@pytest.mark.parametrize("value", [{"a": object()}, {"a": float("nan")}, {"a": b"x"}, {"a": {1, 2}}])
def test_ranges_must_be_json(value: Any, sandbox: Sandbox, read: Read) -> None:
    with pytest.raises(InvalidRequest, match="`dateRange` must be an object"):
        read("tether_default", {"dateRange": value})


@pytest.mark.parametrize("vendor", ["talktohumans", "thoughtly", "tether"])
@pytest.mark.parametrize("key", ["ключ", "clé-secret"])
def test_key_that_cannot_be_sent_in_a_header(vendor: str, key: str, sandbox: Sandbox, read: Read) -> None:
    conn_id = sandbox.connect(vendor, password=key, login="")
    with pytest.raises(InvalidConnection, match="Check the field") as caught:
        read(conn_id)
    assert key not in everything_about(caught.value)
    worked, message = ContactsHook.for_connection(conn_id).test_connection()
    assert not worked
    assert "Check the field" in message


def test_token_that_cannot_be_sent_in_a_header(
    tether: Callable[..., str], scripted: ScriptedServer, read: Read
) -> None:
    scripted.replies = [Reply(body={"token": "secret-of-the-test\r\nX-Evil: 1"})]
    with pytest.raises(MalformedResponse, match="cannot be sent in a header") as caught:
        read(tether(scripted.url, login="a@b.example"))
    assert "secret-of-the-test" not in everything_about(caught.value)


def test_early_hints_do_not_answer_another_request(tether: Callable[..., str]) -> None:
    late = (b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", answer(page({"_id": "first"}, total=1)))
    with RawServer(late, answer(page({"_id": "second"}, total=1))) as server:
        hook = ContactsHook.for_connection(tether(server.url, extra={"retry_limit": 0}))
        try:
            first = [contact.contact_id for contact in hook.list_contacts()]
        except VendorUnavailable:
            first = ["first"]
        assert first == ["first"]
        assert [contact.contact_id for contact in hook.list_contacts()] == ["second"]


@pytest.mark.parametrize(
    "broken",
    [
        (b"HTTP/1.1 200 OK\r\nContent-Le", b"CLOSE"),
        (b"HTTP/1.1 200 OK\r\n\r\n", b"CLOSE"),
        (b"CLOSE",),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{", b"CLOSE"),
        (b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"a":\r\n', b"CLOSE"),
    ],
    ids=["mid-headers", "no body", "immediately", "short body", "chunks cut"],
)
def test_dropped_connection_is_retried(
    broken: tuple[bytes, ...], tether: Callable[..., str], read: Read
) -> None:
    with RawServer(broken, answer(page({"_id": "1"}, total=1))) as server:
        assert [contact.contact_id for contact in read(tether(server.url))] == ["1"]


def test_malformed_headers_do_not_log_the_query(
    tether: Callable[..., str],
    read: Read,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    good = answer(page({"_id": "1"}, total=1))
    with RawServer(good.replace(b"\r\n", b"\r\nnonsense line\r\n", 1)) as server:
        outcome = ""
        try:
            read(tether(server.url, extra={"retry_limit": 0, "timeout": 1}), {"search": "Lovelace"})
        except ContactsError as error:
            outcome = everything_about(error)
    assert "Lovelace" not in outcome + caplog.text + "".join(capsys.readouterr())


def test_one_login_for_many_pages(connect: Callable[..., str], scripted: ScriptedServer, read: Read) -> None:
    """The server takes its newest token alone, and drops it in the middle of the listing."""
    lock = threading.Lock()
    logins, served = 0, 0

    def decide(asked: Asked) -> Reply:
        nonlocal logins, served
        with lock:
            if asked.method == "POST":
                logins += 1
                return Reply(body={"token": f"token-{logins}"}, delay=0.1)
            served += 1
            if asked.headers["authorization"] != f"Bearer token-{max(logins, 1 if served < 3 else 2)}":
                return Reply(status=401, body={"message": "expired"})
        number = int(asked.params["page"][0])
        return Reply(body=page(*[{"_id": f"{number}-{n}"} for n in range(5)], total=40))

    scripted.decide = decide
    conn_id = connect("t", conn_type="tether", host=scripted.url, login="a@b.example", password="p-a-s-s")
    assert len(read(conn_id, page_size=5)) == 40
    assert logins == 2


def test_interpreter_exits_while_pages_wait(scripted: ScriptedServer) -> None:
    def decide(asked: Asked) -> Reply:
        number = int(asked.params["page"][0])
        if number > 2:
            return Reply(status=503, headers={"Retry-After": "60"})
        return Reply(body=page(*[{"_id": f"{number}-{n}"} for n in range(5)], total=40))

    scripted.decide = decide
    connection = json.dumps({**CASES["tether"].parts, "host": scripted.url})
    code = (
        "import os\n"
        f"os.environ['AIRFLOW_CONN_T'] = {connection!r}\n"
        "from airflow_provider_contacts.hooks.base import ContactsHook\n"
        "contacts = ContactsHook.for_connection('t', page_size=5).list_contacts()\n"
        "for _ in range(7): next(contacts)\n"
    )
    started = time.monotonic()
    subprocess.run([sys.executable, "-c", code], check=True, timeout=50, capture_output=True)
    assert time.monotonic() - started < 40


def test_failed_listing_sends_nothing_more(tether: Callable[..., str], scripted: ScriptedServer) -> None:
    slow = threading.Event()

    def decide(asked: Asked) -> Reply:
        number = int(asked.params["page"][0])
        if number == 1:
            return Reply(body=page(*[{"_id": f"1-{n}"} for n in range(5)], total=40))
        if number == 2:
            slow.wait(5)
            return Reply(status=400, body={"message": "no"})
        return Reply(status=503, headers={"Retry-After": "60"})

    scripted.decide = decide
    hook = ContactsHook.for_connection(tether(scripted.url), page_size=5)
    contacts = hook.list_contacts()
    for _ in range(5):
        next(contacts)
    threading.Timer(0.5, slow.set).start()
    with pytest.raises(InvalidRequest):
        next(contacts)
    threads = [thread for thread in threading.enumerate() if thread.name == "contacts-page"]
    for thread in threads:
        thread.join(5)
        assert not thread.is_alive()
    assert len(scripted.asked) == 5


def test_closing_releases_threads_that_wait_for_the_rate_limit(sandbox: Sandbox) -> None:
    conn_id = sandbox.connect(
        "tether", conn_id="slow", login="", password="sandbox-token", extra={"requests_per_minute": 2}
    )
    contacts = ContactsHook.for_connection(conn_id, page_size=5).list_contacts()
    for _ in range(6):
        next(contacts)
    contacts.close()  # type: ignore[attr-defined]
    for thread in [one for one in threading.enumerate() if one.name == "contacts-page"]:
        thread.join(5)
        assert not thread.is_alive()


def test_a_gzip_bomb(tether: Callable[..., str], scripted: ScriptedServer, read: Read) -> None:
    bomb = gzip.compress(b'{"success": true, "data": "' + b" " * (150 << 20), 9)
    scripted.replies = [Reply(body=bomb, headers={"Content-Encoding": "gzip"})]
    with pytest.raises(MalformedResponse, match="more than 128 MiB"):
        read(tether(scripted.url))
    assert len(scripted.asked) == 1


def test_vendor_that_ignores_the_page_but_reports_a_total(
    tether: Callable[..., str], scripted: ScriptedServer, read: Read
) -> None:
    scripted.replies = [Reply(body=page(*[{"_id": str(n)} for n in range(200)], total=40_000))]
    with pytest.raises(IncompleteListing):
        read(tether(scripted.url))
    assert len(scripted.asked) < 30


@pytest.mark.parametrize("total", [10**400, -5])
def test_implausible_total(
    total: int, tether: Callable[..., str], scripted: ScriptedServer, read: Read
) -> None:
    body = json.dumps(page({"_id": "1"})).replace('"contacts"', f'"total": {total}, "contacts"').encode()
    scripted.replies = [Reply(body=body)]
    with pytest.raises(MalformedResponse):
        read(tether(scripted.url))
    assert len(scripted.asked) < 5


def test_endless_cursors(connect: Callable[..., str], scripted: ScriptedServer, read: Read) -> None:
    def cursors() -> Iterator[int]:
        yield from range(10_000)

    numbers = cursors()
    scripted.decide = lambda _asked: Reply(
        body={
            "data": {
                "contacts": [{"contact_id": "1"}],
                "pagination": {"has_more": True, "next_cursor": str(next(numbers))},
            }
        }
    )
    conn_id = connect("t", **{**CASES["talktohumans"].parts, "host": scripted.url})
    with pytest.raises(MalformedResponse, match="100 pages in a row contained no new contact"):
        read(conn_id)


def test_no_proxy_for_loopback(
    sandbox: Sandbox, scripted: ScriptedServer, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted.replies = [Reply(status=500)]
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, scripted.url)
    assert len(read("talktohumans_default")) == 60
    assert scripted.asked == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("HTTPS_PROXY", "foo://x"), ("HTTPS_PROXY", "http://x:99999"), ("REQUESTS_CA_BUNDLE", "/none")],
)
def test_bad_environment(
    name: str, value: str, tether: Callable[..., str], read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    monkeypatch.setenv(name.lower(), value)
    with pytest.raises(ContactsError):
        read(tether("https://tether.invalid", extra={"retry_limit": 0}))


DEEP = b"[" * 100_000 + b"]" * 100_000


@pytest.mark.parametrize(
    "reply",
    [
        Reply(body=DEEP),
        Reply(status=400, body=DEEP),
        Reply(body=b'{"success": true, "data": {"contacts": [{"_id": "1", "meta": ' + DEEP + b"}]}}"),
    ],
    ids=["body", "error", "record"],
)
def test_json_nested_too_deeply(
    reply: Reply, tether: Callable[..., str], scripted: ScriptedServer, read: Read
) -> None:
    scripted.replies = [reply]
    with pytest.raises(ContactsError):
        read(tether(scripted.url))


@pytest.mark.parametrize(
    "record",
    [
        {"_id": "1", "createdAt": "0001-01-01T00:00:00+05:00"},
        {"_id": "1", "createdAt": "9999-12-31T23:59:59-05:00"},
        {"_id": "1", "email": [[[]]]},
    ],
)
def test_mistyped_values_lose_only_the_field(
    record: Any, tether: Callable[..., str], scripted: ScriptedServer, read: Read
) -> None:
    scripted.replies = [Reply(body=page(record, total=1))]
    [contact] = read(tether(scripted.url))
    assert contact.created_at is None


@pytest.mark.parametrize("value", ["1e400", "9" * 5000, '"' + "9" * 5000 + '"'])
def test_numbers_of_any_size(
    value: str, connect: Callable[..., str], scripted: ScriptedServer, read: Read
) -> None:
    body = '{"status": "ok", "total_found": 1, "data": [{"id": "contact_1", "email": "a@b.example", "created": %s}]}'
    scripted.replies = [Reply(body=(body % value).encode())]
    [contact] = read(connect("m", **{**CASES["mailstand"].parts, "host": scripted.url}), raw=False)
    assert (contact.contact_id, contact.email) == ("contact_1", "a@b.example")


@pytest.mark.parametrize("value", ["Mon, 01 Jan 99999999999999 00:00:00 GMT", "-5", "soon", "1e999"])
def test_invalid_retry_after(
    value: str, tether: Callable[..., str], scripted: ScriptedServer, read: Read
) -> None:
    scripted.replies = [Reply(status=503, headers={"Retry-After": value}), Reply(body=page(total=0))]
    assert read(tether(scripted.url)) == []


def test_cookies_are_not_kept(tether: Callable[..., str], scripted: ScriptedServer, read: Read) -> None:
    def decide(asked: Asked) -> Reply:
        number = int(asked.params["page"][0])
        return Reply(body=page({"_id": str(number)}, total=3), headers={"Set-Cookie": "a=b; Path=/"})

    scripted.decide = decide
    assert len(read(tether(scripted.url))) == 3
    assert not any("cookie" in asked.headers for asked in scripted.asked)


@pytest.mark.parametrize("lengths", [(50, 49, 50), (0, 50, 3), (50, 50)])
def test_thoughtly_pages_of_any_length(
    lengths: tuple[int, ...], connect: Callable[..., str], scripted: ScriptedServer, read: Read
) -> None:
    def decide(asked: Asked) -> Reply:
        number = int(asked.params["page"][0])
        length = lengths[number] if number < len(lengths) else 0
        return Reply(body={"data": {"contacts": [{"id": f"{number}-{n}"} for n in range(length)]}})

    scripted.decide = decide
    conn_id = connect("t", **{**CASES["thoughtly"].parts, "host": scripted.url})
    assert len(read(conn_id)) == sum(lengths)


@pytest.mark.parametrize(
    "host",
    [
        "https://.example.com",
        "https://*.example.com",
        "https://exa%zzmple",
        "https://a\x00b",
        "https://ex\\ample",
    ],
)
def test_invalid_hosts(host: str, connect: Callable[..., str], read: Read) -> None:
    with pytest.raises(InvalidConnection, match="Host of connection"):
        read(connect("t", **{**CASES["tether"].parts, "host": host}))
