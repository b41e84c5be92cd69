"""A server between the client and the sandbox that answers some requests wrongly."""

from __future__ import annotations

import contextlib
import http.client
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

_FORWARDED_HEADERS = ("authorization", "x-api-token", "team_id", "content-type")


_REFUSAL_SECONDS = 0.4


def _shut(sock: socket.socket) -> None:
    """Close a socket, also for a thread that waits for it."""
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
    sock.close()


@dataclass
class Exchange:
    """A request, and the connection on which it is answered."""

    sock: socket.socket
    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    upstream: str

    @property
    def path(self) -> str:
        """The path without the query."""
        return urlsplit(self.target).path

    def forward(self) -> tuple[int, bytes]:
        """Return status and body of the sandbox's response."""
        parts = urlsplit(self.upstream)
        connection = http.client.HTTPConnection(parts.netloc, timeout=30)
        headers = {name: value for name, value in self.headers.items() if name in _FORWARDED_HEADERS}
        connection.request(self.method, parts.path + self.target, self.body or None, headers)
        response = connection.getresponse()
        found = response.status, response.read()
        connection.close()
        return found

    def head(self, status: int, length: int | None, **headers: str) -> bytes:
        """Return the head of a response."""
        lines = [f"HTTP/1.1 {status} X", "Content-Type: application/json"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        lines.append("Connection: close" if length is None else f"Content-Length: {length}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def reply(self, status: int, body: bytes, **headers: str) -> None:
        """Send a whole response."""
        self.sock.sendall(self.head(status, len(body), **headers) + body)

    def reset(self) -> None:
        """Close the connection with a reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


Answer = Callable[[Exchange], None]


@dataclass
class FaultyServer:
    """Forwards requests to the sandbox, except those that a fault answers.

    :param upstream: URL of the vendor in the sandbox.
    :param concerns: whether a fault applies to a request.
    """

    upstream: str
    concerns: Callable[[Exchange], bool]
    fault: Answer | None = None
    once: bool = False
    requests: int = 0
    faulty: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _socks: set[socket.socket] = field(default_factory=set)
    _stopped: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._address = self._listener.getsockname()
        self.url = f"http://127.0.0.1:{self._address[1]}"
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        _shut(self._listener)

    def refuse(self) -> None:
        """Close all connections, and refuse new ones for a while, or until :meth:`accept` is called."""
        with self._lock:
            _shut(self._listener)
            for sock in self._socks:
                _shut(sock)
        threading.Thread(target=self._count_refusals, daemon=True).start()

    def accept(self) -> None:
        """Accept connections again."""
        with self._lock:
            if self._listener.fileno() == -1:
                self._listener = socket.create_server(self._address)
                threading.Thread(target=self._serve, daemon=True).start()

    def _count_refusals(self) -> None:
        # A server cannot see the connections that are refused, so periods are counted.
        while not self._stopped.wait(_REFUSAL_SECONDS) and self._listener.fileno() == -1:
            self.faulty += 1
            if self.once:
                self.accept()

    def _serve(self) -> None:
        listener = self._listener
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            with self._lock:
                self._socks.add(sock)
            threading.Thread(target=self._talk, args=(sock,), daemon=True).start()

    def _talk(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError), sock, sock.makefile("rb") as reader:
            while line := reader.readline():
                method, target, _ = line.decode().split(" ", 2)
                headers = {}
                while (header := reader.readline().decode().strip()) != "":
                    name, _, value = header.partition(":")
                    headers[name.lower()] = value.strip()
                body = reader.read(int(headers.get("content-length", 0)))
                exchange = Exchange(sock, method, target, headers, body, self.upstream)
                answer = self._choose(exchange)
                if answer is None:
                    exchange.reply(*exchange.forward())
                else:
                    answer(exchange)
                    if sock.fileno() == -1:
                        return

    def _choose(self, exchange: Exchange) -> Answer | None:
        with self._lock:
            self.requests += 1
            if self.fault is None or not self.concerns(exchange) or (self.once and self.faulty):
                return None
            self.faulty += 1
            return self.fault
