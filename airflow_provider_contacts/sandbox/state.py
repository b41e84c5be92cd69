"""State of a sandbox: contacts, requests, violations and injected faults."""

from __future__ import annotations

import bisect
import itertools
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import msgspec

_MAX_LOGGED_REQUESTS = 200_000
_MAX_CACHED_QUERIES = 100


class Row:
    """One contact at one vendor: a place in the listing, and its JSON, made when needed."""

    __slots__ = ("account_id", "contact_id", "encoded", "ordinal")

    def __init__(self, account_id: str, contact_id: str) -> None:
        self.account_id = account_id
        self.contact_id = contact_id
        self.ordinal = 0
        self.encoded: dict[Hashable, bytes] = {}

    def record(self, variant: Hashable) -> dict[str, object]:
        """Return the record as the vendor sends it.

        :param variant: what the record depends on in addition to the contact, such as the campaign
            of a listing.
        """
        raise NotImplementedError

    def json(self, variant: Hashable = None) -> bytes:
        """Return the record's JSON."""
        encoded = self.encoded.get(variant)
        if encoded is None:
            encoded = self.encoded[variant] = msgspec.json.encode(self.record(variant))
        return encoded

    def reference(self, vendor: str) -> dict[str, str]:
        """Return the reference of the contact."""
        return {"vendor": vendor, "account_id": self.account_id, "contact_id": self.contact_id}


AnyRow = TypeVar("AnyRow", bound=Row)


class Table(Generic[AnyRow]):
    """The contacts of one vendor, in the order in which they were added.

    :param make_row: makes the contact with a number.
    :param count: how many there are at the start.
    """

    def __init__(self, make_row: Callable[[int], AnyRow], count: int) -> None:
        self._make_row = make_row
        self._numbers = itertools.count()
        self._rows: list[AnyRow] | None = None
        self._count = count
        self._query_cache: dict[Hashable, list[AnyRow]] = {}
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
        added = []
        for number in itertools.islice(self._numbers, count):
            row = self._make_row(number)
            row.ordinal = number
            rows.append(row)
            added.append(row)
            self._by_key[row.account_id, row.contact_id] = row
            self._by_id.setdefault(row.contact_id, []).append(row)
        self._query_cache.clear()
        return added

    def remove(self, row: AnyRow) -> None:
        """Remove a contact."""
        self.rows.remove(row)
        del self._by_key[row.account_id, row.contact_id]
        self._by_id[row.contact_id].remove(row)
        self._query_cache.clear()

    def invalidate(self, row: AnyRow) -> None:
        """Drop what was cached for a contact before it changed."""
        row.encoded.clear()
        self._query_cache.clear()

    def find(self, contact_id: str, account_id: str | None = None) -> list[AnyRow]:
        """Return the contacts with an id, in one account or in all."""
        self.rows  # noqa: B018 - makes the contacts
        if account_id is None:
            return list(self._by_id.get(contact_id, ()))
        row = self._by_key.get((account_id, contact_id))
        return [row] if row else []

    def matching(self, cache_key: Hashable, test: Callable[[AnyRow], bool] | None) -> list[AnyRow]:
        """Return the contacts that pass a test.

        :param cache_key: what the test depends on.
        :param test: None for all contacts.
        """
        if test is None:
            return self.rows
        found = self._query_cache.get(cache_key)
        if found is None:
            if len(self._query_cache) > _MAX_CACHED_QUERIES:
                self._query_cache.clear()
            found = self._query_cache[cache_key] = [row for row in self.rows if test(row)]
        return found

    @staticmethod
    def index_after(rows: list[AnyRow], ordinal: int) -> int:
        """Return the index in ``rows`` of the first contact after ``ordinal``."""
        return bisect.bisect_right(rows, ordinal, key=lambda row: row.ordinal)


@dataclass
class Fault:
    """A failure of the next requests to a vendor.

    :param times: how many requests fail.
    :param after: how many requests succeed first.
    :param status: HTTP status of the response.
    :param body: body of the response, as text.
    :param content_type: content type of the response.
    :param retry_after: value of the ``Retry-After`` header.
    :param location: value of the ``Location`` header.
    :param latency: seconds to wait before the response.
    :param reset: close the connection without a response.
    :param cut: send half of the body only.
    :param path: affect only requests whose path ends like this.
    :param method: affect only requests with this method.
    """

    times: int = 1
    after: int = 0
    status: int | None = None
    body: str | None = None
    content_type: str = "application/json"
    retry_after: str | int | float | None = None
    location: str | None = None
    latency: float = 0.0
    reset: bool = False
    cut: bool = False
    path: str = ""
    method: str = ""


@dataclass
class State:
    """State of a sandbox.

    :param contacts: contacts per vendor at the start.
    :param seed: which people they are.
    :param rate_limits: whether vendors reject requests above their published rates.
    :param print_line: is called with a line for every request to a vendor.
    """

    contacts: int
    seed: int
    rate_limits: bool = True
    tables: dict[str, Table[Any]] = field(default_factory=dict)
    requests: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=_MAX_LOGGED_REQUESTS))
    violations: list[dict[str, str]] = field(default_factory=list)
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=set)
    print_line: Callable[[str], object] | None = None
    _recent: dict[str, deque[float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def make_random(self, *parts: object) -> random.Random:
        """Return a random source that the seed and ``parts`` determine."""
        return random.Random(":".join(map(str, (self.seed, *parts))))

    def person_number(self, number: int, offset: int) -> int:
        """Return which person a vendor's contact is.

        :param number: number of the contact.
        :param offset: the vendor's offset, in quarters of the population; adjacent vendors share
            three quarters.
        """
        return number + offset * max(1, self.contacts // 4)

    def add_violation(self, vendor: str, method: str, path: str, problem: str) -> None:
        """Record that a client broke a rule of the API docs."""
        self.violations.append({"vendor": vendor, "method": method, "path": path, "problem": problem})

    def take_fault(self, vendor: str, method: str, path: str) -> Fault | None:
        """Return how this request fails, or None if it does not."""
        with self._lock:
            faults = self.faults.get(vendor, [])
            for fault in faults:
                if not path.endswith(fault.path) or fault.method not in ("", method):
                    continue
                if fault.after > 0:
                    fault.after -= 1
                    continue
                fault.times -= 1
                if fault.times <= 0:
                    faults.remove(fault)
                return fault
        return None

    def exceeds_rate(self, vendor: str, limit: int, seconds: float) -> bool:
        """Count a request, and return whether it is above a rate."""
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

    def reset(self) -> None:
        """Drop requests, violations and faults, but keep the contacts."""
        self.requests.clear()
        self.violations.clear()
        self._recent.clear()
        for faults in self.faults.values():
            faults.clear()


def join_json(rows: Iterable[bytes]) -> bytes:
    """Return a JSON array of encoded records."""
    return b"[" + b",".join(rows) + b"]"
