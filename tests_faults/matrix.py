"""Run every combination of vendor, operation and fault, and check that the result is right or the error clear.

It writes docs/reliability.md, and fails if a cell is lost, leaked or out of bounds.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import os
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HOME = Path(__file__).parent.parent / ".cache" / "airflow-faults"
REPORT = Path(__file__).parent.parent / "docs" / "reliability.md"
CONTACTS = 120
PAGE_SIZE = 50
# A throttled request waits for the published window, at most 60 s, and half of it as jitter, before
# it is sent again.
MAX_SECONDS = 240.0
MAX_REQUESTS = 120
# Processes, each with its own sandbox server.
WORKERS = 8


@dataclass(frozen=True)
class Cell:
    """What is tried."""

    vendor: str
    operation: str
    fault: str
    once: bool


@dataclass(frozen=True)
class Result:
    """What has happened: ``right``, ``error``, ``lost`` or ``leaked``, and why."""

    cell: Cell
    kind: str
    detail: str
    seconds: float
    requests: int


def cells() -> list[Cell]:
    """Return all cells that make sense."""
    from airflow_provider_contacts.hooks.registry import hook_classes
    from airflow_provider_contacts.sandbox.vendor import sandbox_vendors
    from tests_faults.faults import FAULTS
    from tests_faults.operations import OPERATIONS, UPDATES

    found = []
    vendors = {name: hook_class.vendor for name, hook_class in hook_classes().items()}
    for vendor, operation, fault, once in itertools.product(
        sandbox_vendors(), OPERATIONS, FAULTS, (True, False)
    ):
        is_update = operation in UPDATES
        if is_update and not vendors[vendor].updates.supports(operation):
            continue
        if is_update and (not fault.for_updates or fault.needs_total):
            continue
        if fault.needs_total and vendor not in ("mailstand", "tether"):
            continue
        found.append(Cell(vendor, operation, fault.name, once))
    return found


class _Sandboxes:
    """One server for all cells of a process."""

    def __init__(self) -> None:
        self.app: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


_served = _Sandboxes()
_url = ""
_stack = contextlib.ExitStack()


def prepare() -> None:
    """Prepare a process."""
    global _url
    from airflow_provider_contacts.sandbox.app import running

    _url = _stack.enter_context(running(_served))


def run(cell: Cell) -> Result:
    """Try one cell."""
    from airflow_provider_contacts.sandbox.app import create_app, create_state
    from airflow_provider_contacts.sandbox.connections import connections
    from airflow_provider_contacts.sandbox.vendor import sandbox_vendors
    from tests_faults.faults import DEADLINE_SECONDS, FAULTS, TIMEOUT_SECONDS, refuse
    from tests_faults.operations import OPERATIONS, UPDATES, Setting
    from tests_faults.server import Exchange, FaultyServer

    state = create_state(CONTACTS, 7, rate_limits=False)
    _served.app = create_app(state)
    vendor = sandbox_vendors()[cell.vendor]
    fault = next(one for one in FAULTS if one.name == cell.fault)

    def concerns(exchange: Exchange) -> bool:
        if cell.operation in UPDATES:
            return exchange.method in ("PATCH", "PUT")
        return exchange.method == "GET" and exchange.path == vendor.samples.path

    conn_id = f"cell_{time.monotonic_ns()}"
    started = time.monotonic()
    with FaultyServer(f"{_url}/{cell.vendor}", concerns, once=cell.once) as server:
        parts = dict(connections(_url)[f"{cell.vendor}_default"])
        extra = {
            "timeout": TIMEOUT_SECONDS,
            "request_deadline": DEADLINE_SECONDS,
            # Connections are refused for longer than the first retry waits.
            "retry_limit": 4 if fault.answer is refuse else 1,
            **parts.get("extra", {}),
        }
        if cell.vendor in ("mailstand", "tether"):
            extra["page_size"] = PAGE_SIZE
        os.environ[f"AIRFLOW_CONN_{conn_id.upper()}"] = json.dumps(
            {**parts, "host": server.url, "extra": extra}
        )

        def arm() -> None:
            if fault.answer is refuse:
                server.refuse()
            else:
                server.fault = fault.answer

        def disarm() -> None:
            server.fault = None
            server.accept()

        is_empty_right = cell.fault == "empty list"
        setting = Setting(vendor, state, server, conn_id, arm, disarm, is_empty_right)
        with captured() as read_output:
            kind, detail = _try(OPERATIONS[cell.operation], setting)
            output = read_output()
        seconds = time.monotonic() - started
        if leaked := _find_leak(output + detail, parts, state, cell.vendor):
            kind, detail = "leaked", leaked
        elif kind == "error" and (fault.is_harmless or (fault.recovers and cell.once)):
            kind, detail = "lost", f"should have succeeded: {detail}"
        elif seconds > MAX_SECONDS or server.requests > MAX_REQUESTS:
            kind, detail = "lost", f"out of bounds: {seconds:.0f} s, {server.requests} requests"
        elif server.faulty == 0:
            kind, detail = "lost", "the fault did not happen"
        return Result(cell, kind, detail.splitlines()[0] if detail else "", seconds, server.requests)


@contextlib.contextmanager
def captured() -> Iterator[Callable[[], str]]:
    """Capture everything that this process writes, at level DEBUG; provide a function that returns it."""
    root = logging.getLogger()
    with tempfile.TemporaryFile() as file:
        sys.stdout.flush()
        saved = [os.dup(descriptor) for descriptor in (1, 2)]
        handler = logging.StreamHandler(open(os.dup(file.fileno()), "w"))  # noqa: SIM115
        root.addHandler(handler)
        root.setLevel(logging.DEBUG)
        for descriptor in (1, 2):
            os.dup2(file.fileno(), descriptor)

        def read() -> str:
            sys.stdout.flush()
            handler.flush()
            file.seek(0)
            return file.read().decode(errors="replace")

        try:
            yield read
        finally:
            root.removeHandler(handler)
            handler.stream.close()
            for descriptor, original in zip((1, 2), saved, strict=True):
                os.dup2(original, descriptor)
                os.close(original)


def _try(operation: Any, setting: Any) -> tuple[str, str]:
    from airflow.sdk.exceptions import AirflowSensorTimeout

    from airflow_provider_contacts.errors import ContactsError
    from tests_faults.operations import CommandFailed

    try:
        is_right = operation(setting)
    except (ContactsError, AirflowSensorTimeout, CommandFailed) as error:
        print(_text_of(error))
        return "error", f"{type(error).__name__}: {error}"
    except Exception as error:
        print(_text_of(error))
        return "lost", f"unexpected {type(error).__name__}: {error}"
    return ("right", "") if is_right else ("lost", "wrong result")


def _text_of(error: BaseException) -> str:
    """Return what a log could show of an exception."""
    from tests.leaks import everything_about

    if hasattr(error, "raw"):
        # The record of a MalformedRecord is for the user's code; no message contains it.
        error.raw = b""
    return "".join([everything_about(error), *traceback.format_exception(error)])


def _find_leak(text: str, parts: dict[str, Any], state: Any, vendor: str) -> str:
    """Return what kind of secret or personal data a text contains, or an empty string."""
    if str(parts["password"]) in text or any(token in text for token in state.tokens):
        return "a credential"
    for row in state.tables[vendor].rows:
        person = row.person
        for kind, value in (("name", person.name), ("e-mail", person.email), ("phone", person.phone)):
            if value and len(value) > 6 and value in text:
                return f"a {kind}"
    return ""


def table(results: list[Result], label: str, key: Callable[[Cell], str]) -> str:
    """Return a table of counts by a property of the cell."""
    kinds = ("right", "error", "lost", "leaked")
    lines = [
        f"| {label} | cells | right result | clear error | lost | leaked | slowest | most requests |",
        "|---|---|---|---|---|---|---|---|",
    ]
    names = dict.fromkeys(key(result.cell) for result in results)
    for name in [*names, None]:
        some = [result for result in results if name is None or key(result.cell) == name]
        counts = Counter(result.kind for result in some)
        slowest, most = max(one.seconds for one in some), max(one.requests for one in some)
        cells = " | ".join(str(counts[kind]) for kind in kinds)
        lines.append(f"| {name or 'all'} | {len(some)} | {cells} | {slowest:.0f} s | {most} |")
    return "\n".join(lines)


REPORT_TEXT = """# Reliability

`make test-faults` writes this page. It tries every vendor with every operation while a server between the client and the
sandbox answers wrongly: {count} cells. In half of them one response is wrong, in the others all are.

- *right result*: the operation succeeds with the right contacts, although a response was wrong.
- *clear error*: it fails with the documented error, and what was there before is unchanged. A sensor may time out.
- *lost*: a wrong result, an unexpected exception, more time or requests than documented, or an error although a retry would
  have helped. The goal is 0.
- *leaked*: a credential, or a contact's name, address or phone number, in a log at level DEBUG, an exception or its cause.
  The goal is 0.

A request is retried once here, so that the numbers of requests are small. A 429 without a `Retry-After` pauses for the vendor's
published window (60 s at Thoughtly, 15 s at Mailstand) and up to half of it.

## By fault

{by_fault}

## By operation

{by_operation}

## By vendor

{by_vendor}
"""


def report(results: list[Result]) -> str:
    """Return the report."""
    results = sorted(results, key=lambda one: (one.cell.vendor, one.cell.operation))
    return REPORT_TEXT.format(
        count=len(results),
        by_fault=table(results, "fault", lambda cell: cell.fault),
        by_operation=table(results, "operation", lambda cell: cell.operation),
        by_vendor=table(results, "vendor", lambda cell: cell.vendor),
    )


def main() -> None:
    """Run all cells, or those whose description contains the words of the command line."""
    chosen = [cell for cell in cells() if all(word in str(cell) for word in sys.argv[1:])]
    # The long ones first, so that none is left at the end.
    chosen.sort(key=lambda cell: (cell.fault != "429", cell.vendor != "thoughtly"))
    results: list[Result] = []
    started = time.monotonic()
    with ProcessPoolExecutor(WORKERS, initializer=prepare) as pool:
        for result in pool.map(run, chosen):
            results.append(result)
            if result.kind in ("lost", "leaked"):
                print(f"{result.kind.upper()}: {result.cell}: {result.detail}", flush=True)
            if len(results) % 100 == 0:
                print(
                    f"{len(results)} of {len(chosen)} cells, {time.monotonic() - started:.0f} s", flush=True
                )
    if len(sys.argv) == 1:
        REPORT.write_text(report(results))
    counts = Counter(result.kind for result in results)
    print(f"{len(results)} cells in {time.monotonic() - started:.0f} s: {dict(counts)}")
    if counts["lost"] or counts["leaked"]:
        raise SystemExit(1)


if __name__ == "__main__":
    HOME.mkdir(parents=True, exist_ok=True)
    os.environ["AIRFLOW_HOME"] = str(HOME)
    os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
    os.environ.setdefault("TMPDIR", tempfile.gettempdir())
    main()
