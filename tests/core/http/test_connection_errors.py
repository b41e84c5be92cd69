"""Errors of requests that get no response."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_contacts.errors import (
    VendorUnavailable,
)
from tests.conftest import Read
from tests.leaks import everything_about
from tests.scripted import RawServer
from tests.tether import answer, page


def test_untrusted_certificate_is_not_retried(connect: Callable[..., str], read: Read, tmp_path: Any) -> None:
    import ssl
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


def test_connection_errors_do_not_contain_the_query(tether: Callable[..., str], read: Read) -> None:
    with pytest.raises(VendorUnavailable) as caught:
        read(tether("http://127.0.0.1:9", extra={"retry_limit": 0}), {"search": "Lovelace"})
    assert "Lovelace" not in everything_about(caught.value)


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
