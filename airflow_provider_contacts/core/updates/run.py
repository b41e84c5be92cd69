"""Update many contacts, several at a time."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.core.batches import batched
from airflow_provider_contacts.core.changes import Change, NotesChange, StageChange, TagChange
from airflow_provider_contacts.core.http.client import Transport
from airflow_provider_contacts.core.updates.progress import Progress
from airflow_provider_contacts.core.updates.targets import Target, change_of
from airflow_provider_contacts.core.workers import submit
from airflow_provider_contacts.errors import ContactsError, OptedOut, wrap_unexpected

_MAX_CAUSES_SHOWN = 5
_MAX_FAILURES_IN_A_ROW = 10
# How often to check whether contacts may still be updated.
_SECONDS_BETWEEN_CHECKS = 60.0
_MIN_WAIT_SECONDS = 0.05
# How long requests in flight may take to finish after an error has ended the update.
_SHUTDOWN_GRACE_SECONDS = 5.0


@dataclass(slots=True, repr=False)
class Outcome:
    """Result of an update, by index into the targets."""

    updated: list[int] = field(default_factory=list)
    failed: dict[int, ContactsError] = field(default_factory=dict)
    opted_out: list[int] = field(default_factory=list)

    @property
    def processed(self) -> int:
        """How many targets were looked at."""
        return len(self.updated) + len(self.failed) + len(self.opted_out)

    def causes(self, targets: Sequence[Target]) -> str:
        """Return why targets failed, grouped, most frequent first."""
        counts = Counter(
            f"{type(error).__name__}: {str(error).replace(targets[index].contact_id, '…')}"
            for index, error in self.failed.items()
        )
        shown = [f"{count} x {cause.rstrip('.')}" for cause, count in counts.most_common(_MAX_CAUSES_SHOWN)]
        more = len(counts) - len(shown)
        return "; ".join(shown) + (f"; and {more} other causes." if more else ".")


class Journal(Protocol):
    """Where the outcome of every contact is recorded."""

    def record(self, updated: Sequence[int], failed: Mapping[int, ContactsError]) -> None:
        """Record contacts, by index into the targets, before anything else is done.

        :raises ContactsError: if that fails. The update then stops, and a retry updates these
            contacts again.
        """


# Takes the indexes of targets that wait, and of those whose requests are in flight. Returns those
# that must not be updated any more.
Guard = Callable[[Sequence[int], Sequence[int]], set[int]]


class Updater:
    """Makes one change to contacts.

    Call :meth:`Updater.create`, which asks the vendor what has to be known once for all contacts.
    """

    def __init__(self, transport: Transport, change: Change, *, keeps_opt_out: bool = True) -> None:
        self._transport = transport
        self._updates = transport.vendor.updates
        self._change = change
        knows_stage_id = isinstance(change, StageChange) and change.stage_id is not None
        can_batch = knows_stage_id and self._updates.bulk_stage is not None
        # Asked before each update: an exported stage may be out of date.
        self._read_stages = (
            self._updates.read_stages if keeps_opt_out and self._updates.would_leave_opt_out(change) else None
        )
        self.batch_size = self._updates.bulk_limit if can_batch else 1

    @classmethod
    def create(
        cls, transport: Transport, change: Change, count: int, *, keeps_opt_out: bool = True
    ) -> Updater:
        """Return an updater for a change that the vendor supports.

        :param count: how many contacts will be changed.
        :param keeps_opt_out: whether to ask the vendor, before each change of a stage, if the
            contact has opted out, where the vendor reports it.
        :raises InvalidRequest: if the vendor does not know the stage.
        """
        resolve_stage = transport.vendor.updates.resolve_stage
        if isinstance(change, StageChange) and resolve_stage is not None:
            change = transport.run(resolve_stage(change, count, transport.settings))
        return cls(transport, change, keeps_opt_out=keeps_opt_out)

    def update(self, target: Target, stop: threading.Event | None = None) -> Contact | None:
        """Change one contact and return it, or None if the vendor does not return it.

        :param stop: cancels pending retries when it is set.
        :raises OptedOut: if the contact has opted out at the vendor.
        """
        updates = self._updates
        change = self._change
        ids = (target.contact_id, target.account_id)
        updates.check_ids(*ids)
        if self._read_stages is not None:
            for stage in self._transport.run(self._read_stages(target.contact_id), stop):
                if updates.is_opt_out(stage):
                    raise OptedOut(
                        f"The contact has opted out: {self._transport.vendor.title} has it in the stage "
                        f"{stage}."
                    )
        if isinstance(change, TagChange) and updates.tags is not None:
            flow = updates.tags(*ids, change)
        elif isinstance(change, NotesChange) and updates.notes is not None:
            flow = updates.notes(*ids, change)
        else:
            assert isinstance(change, StageChange)
            assert updates.stage is not None
            flow = updates.stage(*ids, change)
        return self._transport.run(flow, stop)

    def update_batch(self, targets: list[Target], stop: threading.Event) -> None:
        """Change up to ``batch_size`` contacts, with one request if there are several.

        :raises ContactsError: if the vendor does not confirm that all of them were changed.
        """
        if len(targets) == 1:
            self.update(targets[0], stop)
            return
        for target in targets:
            self._updates.check_ids(target.contact_id, target.account_id)
        assert self._updates.bulk_stage is not None
        assert isinstance(self._change, StageChange)
        ids = [target.contact_id for target in targets]
        self._transport.run(self._updates.bulk_stage(ids, self._change), stop)


def update_all(
    targets: Sequence[Target],
    updaters: Mapping[Change, Updater],
    progress: Progress,
    max_concurrency: int,
    report: Callable[[int, int], None],
    *,
    skip: Collection[int] = (),
    journal: Journal | None = None,
    guard: Guard | None = None,
    abandon: Callable[[list[int]], None] | None = None,
) -> Outcome:
    """Update every target that is not done yet, up to ``max_concurrency`` requests at a time.

    Outcomes are recorded, and progress is saved, before the next request is sent.

    :param report: gets the number of targets that this call has processed, and has to process.
    :param skip: indexes of the targets that must not be updated.
    :param guard: is called at the start, every 60 s, and before each request for several targets.
    :param abandon: gets the targets that were in flight when an error ended the update.
    :raises ContactsError: if all other requests would fail too, or ten in a row fail transiently.
    """
    outcome = Outcome(list(progress.done))
    failures = _Failures(outcome, len(targets), journal)
    waiting = deque(_batches(targets, updaters, {*progress.done, *skip}))
    total = sum(map(len, waiting))
    checks = _Checks(guard)
    in_flight: dict[Future[None], list[int]] = {}
    stop = threading.Event()
    try:
        while waiting or in_flight:
            checks.ask_if_due(waiting, in_flight.values())
            while len(in_flight) < max_concurrency and (batch := checks.take(waiting)):
                in_flight[_submit([targets[index] for index in batch], updaters, stop)] = batch
                checks.ask_if_due(waiting, in_flight.values())
            finished, _ = wait(in_flight, checks.seconds_left, return_when=FIRST_COMPLETED)
            results = [(in_flight.pop(future), future.exception()) for future in finished]
            written = [index for batch, error in results if error is None for index in batch]
            if written:
                _record(written, {}, progress, journal)
                outcome.updated += written
                failures.in_a_row = 0
            waiting.extendleft(failures.handle_all(results))
            report(outcome.processed - len(progress.done), total)
    except BaseException:
        stop.set()
        _record_late(in_flight, progress, journal, abandon)
        raise
    outcome.updated.sort()
    return outcome


def _submit(batch: list[Target], updaters: Mapping[Change, Updater], stop: threading.Event) -> Future[None]:
    """Start to update targets with one change in another thread."""
    updater = updaters[change_of(batch[0])]
    return submit(partial(updater.update_batch, batch, stop), "contacts-update")


class _Checks:
    """Asks again, while contacts are updated, whether they may be."""

    def __init__(self, guard: Guard | None) -> None:
        self._guard = guard
        self._held: set[int] = set()
        self._due_at = time.monotonic()

    @property
    def seconds_left(self) -> float | None:
        """How long to wait for requests before the guard is asked again, or None without one."""
        return None if self._guard is None else max(_MIN_WAIT_SECONDS, self._due_at - time.monotonic())

    def ask_if_due(self, waiting: Iterable[list[int]], in_flight: Iterable[list[int]]) -> None:
        """Ask about all targets, if it is time."""
        if self._guard is None or time.monotonic() < self._due_at:
            return
        rest = [index for batch in waiting for index in batch if index not in self._held]
        self._held |= self._guard(rest, [index for batch in in_flight for index in batch])
        self._due_at = time.monotonic() + _SECONDS_BETWEEN_CHECKS

    def take(self, waiting: deque[list[int]]) -> list[int]:
        """Remove the next batch that may be updated, and return what is left of it, or nothing."""
        while waiting:
            batch = self._leave_out_held(waiting.popleft())
            if len(batch) > 1 and self._guard is not None:
                self._held |= self._guard(batch, ())
                batch = self._leave_out_held(batch)
            if batch:
                return batch
        return []

    def _leave_out_held(self, batch: list[int]) -> list[int]:
        return [index for index in batch if index not in self._held]


def _record(
    written: list[int], failed: Mapping[int, ContactsError], progress: Progress, journal: Journal | None
) -> None:
    if journal is not None:
        journal.record(written, failed)
    if written:
        progress.add(written)


def _record_late(
    in_flight: Mapping[Future[None], list[int]],
    progress: Progress,
    journal: Journal | None,
    abandon: Callable[[list[int]], None] | None,
) -> None:
    """Record what was written when an error ended the update. Errors here matter less than that."""
    finished, unfinished = wait(in_flight, timeout=_SHUTDOWN_GRACE_SECONDS)
    if abandon is not None:
        abandon([index for future in unfinished for index in in_flight[future]])
    results = [(in_flight[future], future.exception()) for future in finished]
    written = [index for batch, error in results if error is None for index in batch]
    failed = {
        index: wrap_unexpected(error)
        for batch, error in results
        if isinstance(error, Exception)
        for index in batch
    }
    if written or failed:
        with contextlib.suppress(ContactsError):
            _record(written, failed, progress, journal)


def _batches(
    targets: Sequence[Target], updaters: Mapping[Change, Updater], finished: set[int]
) -> list[list[int]]:
    """Divide the remaining targets into batches of one change, as large as requests may be."""
    indexes: dict[Change, list[int]] = {change: [] for change in updaters}
    for index, target in enumerate(targets):
        if index not in finished:
            indexes[change_of(target)].append(index)
    return [
        batch
        for change, updater in updaters.items()
        for batch in batched(indexes[change], updater.batch_size)
    ]


@dataclass(slots=True, repr=False)
class _Failures:
    """Records failed requests, and decides what follows from them."""

    outcome: Outcome
    count: int
    journal: Journal | None
    in_a_row: int = 0
    fatal: list[ContactsError] = field(default_factory=list)

    def handle_all(self, results: Iterable[tuple[list[int], BaseException | None]]) -> list[list[int]]:
        """Record the failed ones of some requests, and return what to try instead.

        :raises ContactsError: if the update has to end.
        """
        instead = [one for batch, error in results if error is not None for one in self._handle(batch, error)]
        if self.fatal:
            raise self.fatal[0]
        return instead

    def _handle(self, batch: list[int], error: BaseException) -> list[list[int]]:
        """Record a failed request, and return what to try instead: a rejected batch, one by one."""
        if not isinstance(error, Exception):
            raise error
        error = wrap_unexpected(error)
        if len(batch) > 1 and not error.transient and not error.aborts_bulk_update:
            return [[index] for index in reversed(batch)]
        if self.journal is not None:
            self.journal.record((), dict.fromkeys(batch, error))
        if error.aborts_bulk_update:
            self.fatal.append(error)
            return []
        if isinstance(error, OptedOut):
            self.outcome.opted_out += batch
            self.in_a_row = 0
            return []
        # More requests would only add to the vendor's load. Airflow's retry continues where this
        # attempt ends.
        self.in_a_row = 0 if error.permanent else self.in_a_row + len(batch)
        if self.in_a_row >= _MAX_FAILURES_IN_A_ROW:
            self.fatal.append(
                error.at(
                    f"The update has stopped, because {self.in_a_row} contacts in a row failed. "
                    f"{len(self.outcome.updated)} of {self.count} contacts were updated, and a retry "
                    "continues from there"
                )
            )
            return []
        self.outcome.failed.update(dict.fromkeys(batch, error))
        return []
