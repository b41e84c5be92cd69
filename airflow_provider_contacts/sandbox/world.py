"""What is true in the sandbox: contacts, what was asked, what went wrong, what shall go wrong."""

from __future__ import annotations

import bisect
import itertools
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import msgspec

VENDORS = ("talktohumans", "thoughtly", "mailstand", "tether")
_LOG_LENGTH = 200_000


class Row:
    """One contact at one vendor: a place in the listing, and its JSON, made when it is first asked for."""

    __slots__ = ("account_id", "contact_id", "ordinal", "pages")

    def __init__(self, account_id: str, contact_id: str) -> None:
        self.account_id = account_id
        self.contact_id = contact_id
        self.ordinal = 0
        self.pages: dict[Any, bytes] = {}

    def record(self, variant: Any) -> dict[str, Any]:
        """Return the record as the vendor sends it; ``variant`` is what it depends on beside the contact."""
        raise NotImplementedError

    def json(self, variant: Any = None) -> bytes:
        """Return the record's JSON."""
        encoded = self.pages.get(variant)
        if encoded is None:
            encoded = self.pages[variant] = msgspec.json.encode(self.record(variant))
        return encoded


AnyRow = TypeVar("AnyRow", bound=Row)


class Table(Generic[AnyRow]):
    """The contacts of one vendor, in the order in which they were added.

    :param make: makes the contact of a number.
    :param count: how many there are to begin with.
    """

    def __init__(self, make: Callable[[int], AnyRow], count: int) -> None:
        self._make = make
        self._numbers = itertools.count()
        self._rows: list[AnyRow] | None = None
        self._count = count
        self._found: dict[Any, list[AnyRow]] = {}
        self._by_key: dict[tuple[str, str], AnyRow] = {}
        self._by_id: dict[str, list[AnyRow]] = {}

    @property
    def rows(self) -> list[AnyRow]:
        """All contacts."""
        if self._rows is None:
            self._rows = []
            self.add(self._count)
        return self._rows

    def add(self, count: int = 1) -> list[AnyRow]:
        """Add contacts at the end."""
        rows = self.rows
        new = []
        for number in itertools.islice(self._numbers, count):
            row = self._make(number)
            row.ordinal = number
            rows.append(row)
            new.append(row)
            self._by_key[row.account_id, row.contact_id] = row
            self._by_id.setdefault(row.contact_id, []).append(row)
        self._found.clear()
        return new

    def remove(self, row: AnyRow) -> None:
        """Take a contact away."""
        self.rows.remove(row)
        del self._by_key[row.account_id, row.contact_id]
        self._by_id[row.contact_id].remove(row)
        self._found.clear()

    def changed(self, row: AnyRow) -> None:
        """Forget what was made of a contact before it changed."""
        row.pages.clear()
        self._found.clear()

    def find(self, contact_id: str, account_id: str | None = None) -> list[AnyRow]:
        """Return the contacts of an id, in one account or in all."""
        self.rows  # noqa: B018 - makes them
        if account_id is None:
            return list(self._by_id.get(contact_id, ()))
        row = self._by_key.get((account_id, contact_id))
        return [row] if row else []

    def matching(self, question: Any, test: Callable[[AnyRow], bool] | None) -> list[AnyRow]:
        """Return the contacts that pass ``test``; ``question`` is what the test depends on."""
        if test is None:
            return self.rows
        found = self._found.get(question)
        if found is None:
            if len(self._found) > 100:
                self._found.clear()
            found = self._found[question] = [row for row in self.rows if test(row)]
        return found

    @staticmethod
    def after(rows: list[AnyRow], ordinal: int) -> int:
        """Return where in ``rows`` those begin that come after ``ordinal``."""
        return bisect.bisect_right(rows, ordinal, key=lambda row: row.ordinal)


@dataclass
class Fault:
    """Something that shall go wrong with coming requests of a vendor.

    :param times: how many requests it hits.
    :param after: how many requests pass untouched first.
    :param status: HTTP status to answer with.
    :param body: body to answer with, as text.
    :param content_type: its content type.
    :param retry_after: value of a ``Retry-After`` header.
    :param location: value of a ``Location`` header.
    :param latency: seconds to wait before answering.
    :param reset: break the connection off without an answer.
    :param cut: send only half of the body.
    :param path: hit only requests whose path ends like this.
    :param method: hit only requests of this method.
    """

    times: int = 1
    after: int = 0
    status: int | None = None
    body: str | None = None
    content_type: str = "application/json"
    retry_after: str | None = None
    location: str | None = None
    latency: float = 0.0
    reset: bool = False
    cut: bool = False
    path: str = ""
    method: str = ""


@dataclass
class World:
    """The whole state of a sandbox.

    :param contacts: contacts per vendor to begin with.
    :param seed: which people they are.
    :param rate_limits: whether vendors refuse requests above their published rates.
    """

    contacts: int
    seed: int
    rate_limits: bool = True
    tables: dict[str, Table[Any]] = field(default_factory=dict)
    requests: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=_LOG_LENGTH))
    violations: list[dict[str, Any]] = field(default_factory=list)
    faults: dict[str, list[Fault]] = field(default_factory=lambda: {vendor: [] for vendor in VENDORS})
    tokens: set[str] = field(default_factory=set)
    _recent: dict[str, deque[float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def random(self, *parts: Any) -> random.Random:
        """Return a random source that the seed and ``parts`` determine."""
        return random.Random(":".join(map(str, (self.seed, *parts))))

    def person_number(self, vendor: str, number: int) -> int:
        """Return which person a vendor's contact is; neighbouring vendors share three quarters of theirs."""
        return number + VENDORS.index(vendor) * max(1, self.contacts // 4)

    def violation(self, vendor: str, method: str, path: str, problem: str) -> None:
        """Record that a client broke the rules of an API page."""
        self.violations.append({"vendor": vendor, "method": method, "path": path, "problem": problem})

    def take_fault(self, vendor: str, method: str, path: str) -> Fault | None:
        """Return what shall go wrong with this request."""
        with self._lock:
            for fault in self.faults[vendor]:
                if not path.endswith(fault.path) or fault.method not in ("", method):
                    continue
                if fault.after > 0:
                    fault.after -= 1
                    continue
                fault.times -= 1
                if fault.times <= 0:
                    self.faults[vendor].remove(fault)
                return fault
        return None

    def too_many(self, vendor: str, limit: int, seconds: float) -> bool:
        """Count a request against a rate, and tell whether it is one too many."""
        if not self.rate_limits:
            return False
        now = time.monotonic()
        recent = self._recent.setdefault(vendor, deque())
        while recent and recent[0] <= now - seconds:
            recent.popleft()
        if len(recent) >= limit:
            return True
        recent.append(now)
        return False

    def forget(self) -> None:
        """Forget requests, violations and faults, but no contact."""
        self.requests.clear()
        self.violations.clear()
        self._recent.clear()
        for faults in self.faults.values():
            faults.clear()


def join_json(rows: Iterable[bytes]) -> bytes:
    """Return a JSON array of encoded records."""
    return b"[" + b",".join(rows) + b"]"
