"""Count what runs when one page is listed, and when the tags of one contact are updated.

Both run against the sandbox. The counts are of this package without the sandbox: functions, the
classes that they belong to, their files, and how many frames of this package are on the stack when
a request is sent.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType

os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="contacts-call-path-"))

import json

from airflow.sdk import DAG

from airflow_provider_contacts.operators.contacts import ListContactsOperator
from airflow_provider_contacts.operators.updates import UpdateContactTagsOperator
from airflow_provider_contacts.sandbox.app import create_app, create_state, running
from airflow_provider_contacts.sandbox.connections import connections

PACKAGE = Path(__file__).resolve().parent.parent / "airflow_provider_contacts"
CONN_ID = "talktohumans_default"


@dataclass
class Trace:
    """What ran.

    :param depth: how many frames of the package are on the stack when a request is sent, at most.
    """

    codes: set[CodeType] = field(default_factory=set)
    depth: int = 0

    def __call__(self, frame: FrameType, event: str, _argument: object) -> None:
        """Record a call."""
        if event != "call":
            return
        if is_own(frame.f_code):
            self.codes.add(frame.f_code)
        elif frame.f_code.co_qualname == "HTTPAdapter.send":
            self.depth = max(self.depth, count_frames(frame))

    def describe(self, name: str) -> str:
        """Return the counts as a line."""
        functions = {(code.co_filename, code.co_qualname) for code in self.codes if is_function(code)}
        scopes = {(file, qualname.split(".<locals>")[0].rpartition(".")[0]) for file, qualname in functions}
        classes = {(file, scope) for file, scope in scopes if scope}
        files = {code.co_filename for code in self.codes}
        return f"{name}: {len(functions)} functions, {len(classes)} classes, {len(files)} files, {self.depth} frames on the way to a request"


def is_own(code: CodeType) -> bool:
    """Return whether code is of this package, and not of the sandbox."""
    path = Path(code.co_filename)
    return path.is_relative_to(PACKAGE) and not path.is_relative_to(PACKAGE / "sandbox")


def is_function(code: CodeType) -> bool:
    """Return whether code is a function or a lambda. Comprehensions depend on the version of Python."""
    return code.co_name == "<lambda>" or not code.co_name.startswith("<")


def count_frames(frame: FrameType | None) -> int:
    """Return how many frames of this package a call has above it, itself included."""
    count = 0
    while frame is not None:
        count += is_own(frame.f_code)
        frame = frame.f_back
    return count


def trace(function: Callable[[], object]) -> Trace:
    """Run a function twice, and record what runs the second time, in all threads: imports happen the first time."""
    function()
    found = Trace()
    threading.setprofile(found)
    sys.setprofile(found)
    try:
        function()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]
    return found


def main() -> None:
    """Print the counts."""
    state = create_state(1)
    with running(create_app(state)) as url:
        for conn_id, parts in connections(url).items():
            os.environ[f"AIRFLOW_CONN_{conn_id.upper()}"] = json.dumps(parts)
        row = state.tables["talktohumans"].rows[0]
        with DAG("call_path"):
            listing = ListContactsOperator(task_id="list", contacts_conn_id=CONN_ID)
            update = UpdateContactTagsOperator(
                task_id="update",
                contacts_conn_id=CONN_ID,
                contacts=[
                    {"vendor": "talktohumans", "account_id": row.account_id, "contact_id": row.contact_id}
                ],
                add=["Called"],
            )
        print(trace(lambda: listing.execute({})).describe("One page"))
        print(trace(lambda: update.execute({})).describe("One update"))


if __name__ == "__main__":
    main()
