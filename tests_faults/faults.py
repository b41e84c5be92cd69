"""What can go wrong with a response."""

from __future__ import annotations

import email.utils
import gzip
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests_faults.server import Answer, Exchange

TIMEOUT_SECONDS = 1.5
DEADLINE_SECONDS = 3.0


@dataclass(frozen=True)
class Fault:
    """A fault.

    :param is_harmless: whether the result is right although every response is like this.
    :param recovers: whether the result is right if only one response is like this.
    :param needs_total: whether it makes sense only if the vendor reports a total.
    :param for_updates: whether it makes sense for the response to an update.
    """

    name: str
    answer: Answer
    is_harmless: bool = False
    recovers: bool = False
    needs_total: bool = False
    for_updates: bool = True


def status(code: int, body: bytes | None = None, **headers: Any) -> Answer:
    """Answer with a status."""

    def answer(exchange: Exchange) -> None:
        exchange.forward() if code < 300 else None
        text = {name: value() if callable(value) else value for name, value in headers.items()}
        content = json.dumps({"message": "no"}).encode() if body is None else body
        exchange.reply(code, content, **text)

    return answer


def changed(change: Callable[[bytes], bytes], **headers: str) -> Answer:
    """Answer as the sandbox does, with other bytes."""

    def answer(exchange: Exchange) -> None:
        code, body = exchange.forward()
        exchange.reply(code, change(body), **headers)

    return answer


def changed_json(change: Callable[[Any], Any]) -> Answer:
    """Answer as the sandbox does, with other JSON."""
    return changed(lambda body: json.dumps(change(json.loads(body))).encode())


def _reset_inside(exchange: Exchange) -> None:
    code, body = exchange.forward()
    exchange.sock.sendall(exchange.head(code, len(body)) + body[: len(body) // 2])
    time.sleep(0.05)
    exchange.reset()


def _cut(exchange: Exchange) -> None:
    code, body = exchange.forward()
    exchange.sock.sendall(exchange.head(code, len(body)) + body[: len(body) // 2])
    exchange.sock.shutdown(1)
    exchange.sock.close()


def _cut_without_length(exchange: Exchange) -> None:
    code, body = exchange.forward()
    exchange.sock.sendall(exchange.head(code, None) + body[: len(body) // 2])
    exchange.sock.shutdown(1)
    exchange.sock.close()


def _slow(exchange: Exchange) -> None:
    time.sleep(TIMEOUT_SECONDS + 0.5)
    exchange.reply(*exchange.forward())


def _drip(exchange: Exchange) -> None:
    code, body = exchange.forward()
    exchange.sock.sendall(exchange.head(code, len(body)))
    for byte in body:
        exchange.sock.sendall(bytes([byte]))
        time.sleep(0.2)


def _lists(value: Any) -> list[list[Any]]:
    """Return the lists of records inside JSON."""
    found = []
    for part in value.values() if isinstance(value, dict) else []:
        if isinstance(part, list) and all(isinstance(one, dict) for one in part):
            found.append(part)
        else:
            found += _lists(part)
    return found


def _empty(value: Any) -> Any:
    for records in _lists(value):
        records.clear()
    for holder in (value, value.get("data")):
        if isinstance(holder, dict):
            holder.update({name: 0 for name in ("total", "total_found", "total_pages") if name in holder})
            if "pagination" in holder:
                holder["pagination"] = {"has_more": False, "next_cursor": None}
    return value


def _with_total(change: Callable[[int], int]) -> Callable[[Any], Any]:
    def apply(value: Any) -> Any:
        for holder in (value, value.get("data")):
            if isinstance(holder, dict):
                holder.update(
                    {name: change(holder[name]) for name in ("total", "total_found") if name in holder}
                )
                holder.pop("total_pages", None)
        return value

    return apply


def _in_first_record(name: str, text: str) -> Callable[[bytes], bytes]:
    """Add a field to the first record, or to the whole response if it has none."""

    def apply(body: bytes) -> bytes:
        value = json.loads(body)
        lists = [records for records in _lists(value) if records]
        (lists[0][0] if lists else value)[name] = "@@"
        return json.dumps(value).encode().replace(b'"@@"', text.encode("utf-8", "surrogatepass"))

    return apply


def _duplicate_keys(body: bytes) -> bytes:
    return b'{"zz": 1, "zz": 2, ' + body.lstrip()[1:]


HTML = b"<html><body><h1>Bad gateway</h1></body></html>"
BOMB = gzip.compress(b'{"data": "' + b" " * (140 << 20), 9)
DEEP = "[" * 20_000 + "]" * 20_000


def refuse(_exchange: Exchange) -> None:
    """Stand for connections that are refused: the server then accepts none, and this is never called."""
    raise AssertionError("the server has accepted a connection")


FAULTS = [
    Fault("connection refused", refuse, recovers=True),
    Fault("reset before the response", Exchange.reset, recovers=True),
    Fault("reset inside the response", _reset_inside, recovers=True),
    Fault("body cut short", _cut, recovers=True),
    Fault("body cut short, without a length", _cut_without_length, recovers=True),
    Fault("slow first byte", _slow, recovers=True),
    Fault("dripping body", _drip, recovers=True),
    Fault("408", status(408), recovers=True),
    Fault("429", status(429), recovers=True),
    Fault("429, Retry-After in seconds", status(429, Retry_After="1"), recovers=True),
    Fault(
        "429, Retry-After as a date",
        status(429, Retry_After=lambda: email.utils.formatdate(time.time() + 2, usegmt=True)),
        recovers=True,
    ),
    Fault(
        "429, Retry-After as a Unix time",
        status(429, Retry_After=lambda: str(int(time.time()) + 1)),
        recovers=True,
    ),
    Fault("429, absurd Retry-After", status(429, Retry_After="9" * 30), recovers=True),
    Fault("429, negative Retry-After", status(429, Retry_After="-5"), recovers=True),
    Fault("500", status(500), recovers=True),
    Fault("502", status(502, HTML), recovers=True),
    Fault("503", status(503), recovers=True),
    Fault("504", status(504, HTML), recovers=True),
    Fault("web page with 200", status(200, HTML)),
    Fault("web page with 403", status(403, HTML), recovers=True),
    Fault("web page with 404", status(404, HTML), recovers=True),
    Fault("error in a 200", status(200, b'{"error": {"code": "broken", "message": "no"}}')),
    Fault("JSON of another shape", status(200, b'{"data": {"things": 5}}')),
    Fault("JSON that is an array", status(200, b"[]")),
    Fault("empty list", changed_json(_empty), for_updates=False),
    Fault("total too low", changed_json(_with_total(lambda total: total // 2)), needs_total=True),
    Fault("total of the page", changed_json(_with_total(lambda _total: 50)), needs_total=True),
    Fault("total too high", changed_json(_with_total(lambda total: total + 3)), needs_total=True),
    Fault("gzip", changed(gzip.compress, Content_Encoding="gzip"), is_harmless=True),
    Fault("gzip bomb", lambda exchange: exchange.reply(200, BOMB, Content_Encoding="gzip")),
    Fault("record of 1 MB", changed(_in_first_record("zz", '"' + "x" * (1 << 20) + '"')), is_harmless=True),
    Fault("deep nesting", changed(_in_first_record("zz", DEEP))),
    Fault("NaN", changed(_in_first_record("zz", "NaN"))),
    Fault("duplicate keys", changed(_duplicate_keys), is_harmless=True),
    Fault(
        "invalid UTF-8",
        changed(lambda body: _in_first_record("zz", '"##"')(body).replace(b"##", b"\xff\xfe")),
    ),
    Fault("lone surrogate", changed(_in_first_record("zz", '"\\ud800"'))),
    Fault("byte order mark", changed(lambda body: b"\xef\xbb\xbf" + body), is_harmless=True),
]  # fmt: skip - one line per fault
