"""Many updates: of which contacts, which of them need it, what was done, and going on after a kill."""

from __future__ import annotations

import hashlib
import json
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from airflow_provider_contacts.contact import Reference
from airflow_provider_contacts.core.changes import Change, StageChange, Steps, Writes, kind_of
from airflow_provider_contacts.errors import (
    AuthenticationError,
    ContactsError,
    InvalidRequest,
    PermissionDenied,
    QuotaExhausted,
    RateLimited,
)

# What every further request would meet as well.
_HOPELESS = (AuthenticationError, PermissionDenied, QuotaExhausted)
_BLOCK = 500
_GROUPS = 5
# Seconds that requests under way get to end.
_GRACE = 5.0
_INDEX = "contacts-update"


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

    def causes(self, targets: list[Target]) -> str:
        """Return why targets failed, grouped, most frequent first."""
        counts = Counter(
            f"{type(error).__name__}: {str(error).replace(targets[index].contact_id, '…')}"
            for index, error in self.failed.items()
        )
        shown = [f"{count} x {cause}" for cause, count in counts.most_common(_GROUPS)]
        rest = len(counts) - _GROUPS
        return "; ".join(shown) + (f"; and {rest} other causes" if rest > 0 else "")


def targets_of(
    contacts: Any,
    vendor: str,
    title: str,
    check_ids: Callable[[str, str], None],
    argument: str = "contacts",
) -> tuple[list[Target], int]:
    """Return the contacts to update, each once, and how many were named again.

    :param contacts: ids, references, or dicts as a list or a sensor returned them.
    :param vendor: connection type that they have to belong to.
    :param check_ids: raises InvalidRequest for a contact id or account id of a wrong form.
    :param argument: the argument's name, for messages.
    :raises InvalidRequest: naming the first item that is none of these, or of another vendor.
    """
    if isinstance(contacts, str) and contacts.strip().startswith(("[", "{")):
        raise InvalidRequest(
            f"`{argument}` is a list rendered as text; give `task.output`, or set render_template_as_native_obj=True on "
            "the DAG"
        )
    if isinstance(contacts, str) and "," in contacts:
        raise InvalidRequest(f"`{argument}` is text with commas; give a list")
    if isinstance(contacts, str | int | Mapping) and contacts != "":
        contacts = [contacts]
    if isinstance(contacts, str) or not isinstance(contacts, Iterable):
        raise InvalidRequest(f"`{argument}` must be a list of contacts, references or ids")
    found: dict[tuple[str, str], Target] = {}
    again = 0
    for number, item in enumerate(contacts, start=1):
        where = f"item {number} of `{argument}`"
        target = _target(item, where, vendor, title)
        try:
            check_ids(target.contact_id, target.account_id)
        except InvalidRequest as error:
            raise InvalidRequest(f"{where}: {error}") from None
        again += (target.account_id, target.contact_id) in found
        found.setdefault((target.account_id, target.contact_id), target)
    # A bare id beside a reference with an account means the same contact.
    accounts = Counter(contact_id for account_id, contact_id in found if account_id)
    bare = [key for key in found if not key[0] and accounts[key[1]] == 1]
    for key in bare:
        del found[key]
    return list(found.values()), again + len(bare)


def _target(item: Any, where: str, vendor: str, title: str) -> Target:
    if isinstance(item, str | int) and not isinstance(item, bool):
        _require_id(str(item), where)
        return Target("", str(item))
    if not isinstance(item, Mapping):
        raise InvalidRequest(f"{where} is neither a contact nor a reference nor an id")
    contact_id, account_id = item.get("contact_id"), item.get("account_id") or ""
    if not isinstance(contact_id, str | int) or isinstance(contact_id, bool) or contact_id == "":
        raise InvalidRequest(f"{where} has no `contact_id`")
    _require_id(str(contact_id), where)
    if item.get("vendor", vendor) != vendor:
        raise InvalidRequest(f"{where} belongs to another vendor than {title}, whose connection this is")
    if not isinstance(account_id, str | int) or isinstance(account_id, bool):
        raise InvalidRequest(f"{where} has an `account_id` that is no id")
    return Target(str(account_id), str(contact_id), item)


def _require_id(text: str, where: str) -> None:
    # Ids are named in messages. The ids of some vendors have no known form, but none is an e-mail address.
    if text in ("", "None"):
        raise InvalidRequest(f"{where} is empty; a template may have rendered to nothing")
    if "@" in text or any(char.isspace() for char in text):
        raise InvalidRequest(f"{where} is no contact id, but an e-mail address or other text")


def reference(vendor: str, target: Target) -> Reference:
    """Return the reference of a target."""
    return {"vendor": vendor, "account_id": target.account_id, "contact_id": target.contact_id}


class Progress:
    """Which targets are done, kept where a later try finds it.

    One key names what the progress is of: a digest of the connection, the change and the targets in whatever
    order. Progress of anything else is dropped before the first write, so that it can never be taken for this
    update's later on. Targets are kept in blocks of 500, as a number whose bits are the targets of the block,
    so that a step writes little.

    :param store: where to keep it, or None for nowhere.
    :param scope: the connection, in text.
    """

    def __init__(self, store: Store | None, scope: str, targets: list[Target], change: Change) -> None:
        self._store = store
        ordered = sorted(
            range(len(targets)), key=lambda index: (targets[index].account_id, targets[index].contact_id)
        )
        self._place = {index: place for place, index in enumerate(ordered)}
        named = [(targets[index].account_id, targets[index].contact_id) for index in ordered]
        self._digest = hashlib.sha256(json.dumps([scope, change.form(), named]).encode()).hexdigest()[:24]
        self._blocks = [0] * -(-len(targets) // _BLOCK)
        if store is not None:
            self._load(store)
        self.done = [index for index in range(len(targets)) if self._bit(index)]

    def _load(self, store: Store) -> None:
        stored = store.get(_INDEX)
        index = stored if isinstance(stored, dict) else {}
        if index.get("digest") == self._digest:
            for number in range(len(self._blocks)):
                block = store.get(self._key(number))
                self._blocks[number] = int(block, 16) if isinstance(block, str) else 0
            return
        for number in range(index.get("blocks", 0)):
            if store.get(self._key(number)) is not None:
                store.delete(self._key(number))
        store.set(_INDEX, {"digest": self._digest, "blocks": len(self._blocks)})

    def _bit(self, index: int) -> int:
        place = self._place[index]
        return self._blocks[place // _BLOCK] >> place % _BLOCK & 1

    def add(self, indexes: list[int]) -> None:
        """Remember that targets are done."""
        touched = set()
        for index in indexes:
            place = self._place[index]
            self._blocks[place // _BLOCK] |= 1 << place % _BLOCK
            touched.add(place // _BLOCK)
        if self._store is not None:
            for number in sorted(touched):
                self._store.set(self._key(number), f"{self._blocks[number]:x}")

    def forget(self) -> None:
        """Forget everything, so that the same update starts afresh the next time."""
        if self._store is not None:
            self._store.delete(_INDEX)
            for number, block in enumerate(self._blocks):
                if block:
                    self._store.delete(self._key(number))

    @staticmethod
    def _key(number: int) -> str:
        return f"{_INDEX}-{number}"


class Updater:
    """Makes one prepared change to contacts.

    :param writes: what the vendor lets one write.
    :param perform: sends the requests of some steps, unless an event is set, and returns what they return.
    """

    def __init__(
        self, writes: Writes, change: Change, perform: Callable[[Steps, threading.Event | None], Any]
    ) -> None:
        self._writes = writes
        self._change = change
        self._perform = perform
        by_id = isinstance(change, StageChange) and change.stage_id is not None
        self.most_at_once = writes.most_at_once if by_id and writes.stage_of_many else 1

    def one(self, target: Target, stop: threading.Event | None = None) -> Any:
        """Change one contact and return what the vendor says of it.

        :param stop: ends waiting for another try as soon as it is set.
        """
        self._writes.check_ids(target.contact_id, target.account_id)
        steps = getattr(self._writes, kind_of(self._change))
        return self._perform(steps(target.contact_id, target.account_id, self._change), stop)

    def many(self, targets: list[Target], stop: threading.Event) -> None:
        """Change up to ``most_at_once`` contacts with one request; an error says that not all may be changed."""
        for target in targets:
            self._writes.check_ids(target.contact_id, target.account_id)
        assert self._writes.stage_of_many is not None
        assert isinstance(self._change, StageChange)
        self._perform(
            self._writes.stage_of_many([target.contact_id for target in targets], self._change), stop
        )


def update_all(
    targets: list[Target],
    updater: Updater,
    progress: Progress,
    max_concurrency: int,
    report: Callable[[int], None],
) -> Outcome:
    """Write every target that is not done yet, some at a time.

    What is written is remembered before the next is begun, so that after a kill at most ``max_concurrency``
    requests are sent again. Where a request for several contacts fails, each of them is written on its own.

    :param report: is told now and then how many targets are dealt with.
    :raises ContactsError: at once for what every further request would meet as well.
    """
    outcome = Outcome(list(progress.done))
    done = set(progress.done)
    left = [index for index in range(len(targets)) if index not in done]
    size = updater.most_at_once
    todo = iter([left[start : start + size] for start in range(0, len(left), size)])
    stop = threading.Event()
    # What came of a target, or None for a thread that has ended.
    finished: queue.SimpleQueue[tuple[int, BaseException | None] | None] = queue.SimpleQueue()

    def run(indexes: list[int]) -> None:
        try:
            if len(indexes) > 1 and write_at_once(indexes):
                return
            for index in indexes:
                if stop.is_set():
                    return
                try:
                    updater.one(targets[index], stop)
                except BaseException as error:
                    finished.put((index, error))
                else:
                    finished.put((index, None))
        finally:
            finished.put(None)

    def write_at_once(indexes: list[int]) -> bool:
        try:
            updater.many([targets[index] for index in indexes], stop)
        except Exception as error:
            if not isinstance(error, ContactsError) or not _hopeless(error):
                return False
            finished.put((indexes[0], error))
        else:
            for index in indexes:
                finished.put((index, None))
        return True

    def begin() -> int:
        indexes = next(todo, None)
        if indexes is None:
            return 0
        threading.Thread(target=run, args=(indexes,), name="contacts-update", daemon=True).start()
        return 1

    under_way = sum(begin() for _ in range(max_concurrency))
    try:
        while under_way:
            results = [finished.get()]
            while not finished.empty():
                results.append(finished.get())
            ended = [result for result in results if result is not None]
            idle = len(results) - len(ended)
            under_way -= idle
            written = [index for index, error in ended if error is None]
            if written:
                progress.add(written)
                outcome.updated += written
            for index, error in ended:
                if isinstance(error, ContactsError) and not _hopeless(error):
                    outcome.failed[index] = error
                elif isinstance(error, Exception) and not isinstance(error, ContactsError):
                    outcome.failed[index] = ContactsError(f"unexpected {type(error).__name__}")
                elif error is not None:
                    raise error
            report(len(outcome.updated) + len(outcome.failed))
            under_way += sum(begin() for _ in range(idle))
    finally:
        # What was already sent when an error ended the update is still remembered.
        stop.set()
        end = time.monotonic() + _GRACE
        late: list[int] = []
        while under_way and (remaining := end - time.monotonic()) > 0:
            try:
                result = finished.get(timeout=remaining)
            except queue.Empty:
                break
            if result is None:
                under_way -= 1
            elif result[1] is None:
                late.append(result[0])
        if late:
            progress.add(late)
    if len(outcome.updated) + len(outcome.failed) != len(targets):
        raise ContactsError(
            "some contacts were neither updated nor refused; run the task again", transient=True
        )
    outcome.updated.sort()
    return outcome


def _hopeless(error: ContactsError) -> bool:
    """Tell whether every further request would meet the error as well."""
    return isinstance(error, _HOPELESS) or (isinstance(error, RateLimited) and error.retry_after is not None)
