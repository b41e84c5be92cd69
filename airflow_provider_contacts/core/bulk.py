"""Many updates: of which contacts, which of them need it, what was done, and going on after a kill."""

from __future__ import annotations

import hashlib
import json
import queue
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from airflow_provider_contacts.contact import Reference
from airflow_provider_contacts.core.changes import Change
from airflow_provider_contacts.errors import (
    AuthenticationError,
    ContactsError,
    InvalidRequest,
    PermissionDenied,
    QuotaExhausted,
)

# What every further request would meet as well.
_HOPELESS = (AuthenticationError, PermissionDenied, QuotaExhausted)
_BLOCK = 500
_GROUPS = 5


class Store(Protocol):
    """A place for progress that outlives a try, such as Airflow's ``task_state_store``."""

    def get(self, key: str) -> Any:
        """Return what is stored, or None."""

    def set(self, key: str, value: Any) -> None:
        """Store a JSON value."""

    def delete(self, key: str) -> None:
        """Forget what is stored."""


@dataclass(frozen=True, slots=True, repr=False)
class Target:
    """A contact to update, and what is known of it."""

    account_id: str
    contact_id: str
    known: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True, repr=False)
class Outcome:
    """What came of it, by the targets' positions."""

    updated: list[int] = field(default_factory=list)
    failed: dict[int, ContactsError] = field(default_factory=dict)

    def causes(self) -> str:
        """Return why targets failed, grouped, most frequent first."""
        counts = Counter(f"{type(error).__name__}: {error}" for error in self.failed.values())
        shown = [f"{count} x {cause}" for cause, count in counts.most_common(_GROUPS)]
        rest = len(counts) - _GROUPS
        return "; ".join(shown) + (f"; and {rest} other causes" if rest > 0 else "")


def targets_of(
    contacts: Any, vendor: str, title: str, check_id: Callable[[str], None]
) -> tuple[list[Target], int]:
    """Return the contacts to update, each once, and how many were named again.

    :param contacts: ids, references, or dicts as a list or a sensor returned them.
    :param vendor: connection type that they have to belong to.
    :param check_id: raises InvalidRequest for an id of a wrong form.
    :raises InvalidRequest: naming the first item that is none of these, or of another vendor.
    """
    if isinstance(contacts, str | int | Mapping) and contacts != "":
        contacts = [contacts]
    if isinstance(contacts, str) or not isinstance(contacts, Iterable):
        raise InvalidRequest("`contacts` must be a list of contacts, references or ids")
    found: dict[tuple[str, str], Target] = {}
    again = 0
    for number, item in enumerate(contacts, start=1):
        target = _target(item, number, vendor, title)
        try:
            check_id(target.contact_id)
        except InvalidRequest as error:
            raise InvalidRequest(f"item {number} of `contacts`: {error}") from None
        again += (target.account_id, target.contact_id) in found
        found.setdefault((target.account_id, target.contact_id), target)
    return list(found.values()), again


def _target(item: Any, number: int, vendor: str, title: str) -> Target:
    where = f"item {number} of `contacts`"
    if isinstance(item, str | int) and not isinstance(item, bool):
        return Target("", str(item))
    if not isinstance(item, Mapping):
        raise InvalidRequest(f"{where} is neither a contact nor a reference nor an id")
    contact_id, account_id = item.get("contact_id"), item.get("account_id") or ""
    if not isinstance(contact_id, str | int) or isinstance(contact_id, bool) or contact_id == "":
        raise InvalidRequest(f"{where} has no `contact_id`")
    if item.get("vendor", vendor) != vendor:
        raise InvalidRequest(f"{where} belongs to another vendor than {title}, whose connection this is")
    return Target(str(account_id), str(contact_id), item)


def reference(vendor: str, target: Target) -> Reference:
    """Return the reference of a target."""
    return {"vendor": vendor, "account_id": target.account_id, "contact_id": target.contact_id}


class Progress:
    """Which targets are done, kept where a later try finds it.

    The key holds a digest of targets and change, so that another question starts afresh. Targets are kept in
    blocks of 500 as a number whose bits are the targets of the block, so that a step writes little.

    :param store: where to keep it, or None for nowhere.
    """

    def __init__(self, store: Store | None, targets: list[Target], change: Change) -> None:
        self._store = store
        text = json.dumps([change.form(), [(target.account_id, target.contact_id) for target in targets]])
        self._digest = hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:24]
        self._blocks = [0] * -(-len(targets) // _BLOCK)
        if store is not None:
            for number in range(len(self._blocks)):
                stored = store.get(self._key(number))
                self._blocks[number] = int(stored, 16) if isinstance(stored, str) else 0
        self.done = [
            index for index in range(len(targets)) if self._blocks[index // _BLOCK] >> index % _BLOCK & 1
        ]

    def add(self, indexes: list[int]) -> None:
        """Remember that targets are done."""
        for index in indexes:
            self._blocks[index // _BLOCK] |= 1 << index % _BLOCK
        if self._store is not None:
            for number in sorted({index // _BLOCK for index in indexes}):
                self._store.set(self._key(number), f"{self._blocks[number]:x}")

    def forget(self) -> None:
        """Forget everything, so that the same update starts afresh the next time."""
        if self._store is not None:
            for number, block in enumerate(self._blocks):
                if block:
                    self._store.delete(self._key(number))

    def _key(self, number: int) -> str:
        return f"contacts-update-{self._digest}-{number}"


def update_all(
    targets: list[Target],
    write: Callable[[Target], None],
    progress: Progress,
    max_concurrency: int,
    report: Callable[[int], None],
) -> Outcome:
    """Write every target that is not done yet, some at a time.

    What is written is remembered before the next is begun, so that after a kill at most ``max_concurrency``
    are sent again.

    :param write: updates one contact; it is called from several threads.
    :param report: is told now and then how many targets are dealt with.
    :raises ContactsError: at once for what every further request would meet as well.
    """
    outcome = Outcome(list(progress.done))
    done = set(progress.done)
    todo = iter([index for index in range(len(targets)) if index not in done])
    finished: queue.SimpleQueue[tuple[int, BaseException | None]] = queue.SimpleQueue()

    def run(index: int) -> None:
        try:
            write(targets[index])
        except BaseException as error:
            finished.put((index, error))
        else:
            finished.put((index, None))

    def begin() -> int:
        index = next(todo, None)
        if index is None:
            return 0
        threading.Thread(target=run, args=(index,), name="contacts-update", daemon=True).start()
        return 1

    under_way = sum(begin() for _ in range(max_concurrency))
    while under_way:
        ended = [finished.get()]
        while not finished.empty():
            ended.append(finished.get())
        under_way -= len(ended)
        written = [index for index, error in ended if error is None]
        if written:
            progress.add(written)
            outcome.updated += written
        for index, error in ended:
            if isinstance(error, ContactsError) and not isinstance(error, _HOPELESS):
                outcome.failed[index] = error
            elif error is not None:
                raise error
        report(len(outcome.updated) + len(outcome.failed))
        under_way += sum(begin() for _ in ended)
    outcome.updated.sort()
    return outcome
