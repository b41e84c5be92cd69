"""How long listings take if every response comes 50 ms late, compared with requesting one page after another."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from measuring import Vendors, interleave, vendors

LATENCY_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Case:
    """A listing.

    :param max_concurrency: how many requests may be in flight; 4 is the default of a connection.
    """

    name: str
    vendor: str
    pages: int
    page_size: int
    max_concurrency: int
    filters: Mapping[str, object] | None = None

    @property
    def contacts(self) -> int:
        """How many contacts there are."""
        return self.pages * self.page_size


ACCOUNTS = {"account_id": ["1", "2", "3", "4"]}
CASES = (
    Case("one cursor", "talktohumans", 80, 25, 4),
    Case("four accounts, a cursor each", "talktohumans", 80, 25, 4, ACCOUNTS),
    Case("numbered pages of 200", "mailstand", 80, 200, 4),
    Case("numbered pages of 200, 8 in flight", "mailstand", 80, 200, 8),
    Case("numbered pages of 2,000", "mailstand", 40, 2000, 4),
)


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds of a listing, and of the same listing with one request in flight."""

    seconds: float
    one_by_one: float


def read(served: Vendors, case: Case, max_concurrency: int) -> float:
    """Return how many seconds a listing takes."""
    from airflow_provider_contacts.hooks.base import ContactsHook

    served.connect(max_concurrency=max_concurrency)
    hook = ContactsHook.for_connection(f"{case.vendor}_default", page_size=case.page_size)
    started = time.perf_counter()
    count = sum(1 for _ in hook.list_contacts(case.filters))
    if count != case.contacts:
        raise SystemExit(f"Expected {case.contacts} contacts, {count} were read.")
    return time.perf_counter() - started


def measure(rounds: int) -> dict[str, Timing]:
    """Return the timing of each case."""
    timings = {}
    for case in CASES:
        with vendors(case.contacts) as served:
            runs = {
                "concurrent": partial(read, served, case, case.max_concurrency),
                "one by one": partial(read, served, case, 1),
            }
            runs["concurrent"]()  # makes the server's pages
            served.configure(latency=LATENCY_SECONDS)
            least = interleave(runs, rounds)
            timings[case.name] = Timing(least["concurrent"], least["one by one"])
    return timings


def main() -> None:
    """Print the table."""
    for case, (name, timing) in zip(CASES, measure(2).items(), strict=True):
        print(
            f"{name:<36}{case.pages:4} pages{timing.seconds:7.2f} s{timing.one_by_one / timing.seconds:6.2f} "
            "x faster, "
            f"{timing.seconds / (case.pages * LATENCY_SECONDS):5.2f} x the sum of latencies"
        )


if __name__ == "__main__":
    main()
