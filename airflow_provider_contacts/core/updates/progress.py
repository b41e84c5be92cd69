"""Which contacts of an update are done, remembered across task attempts."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from airflow_provider_contacts.core.logs import Log
from airflow_provider_contacts.core.updates.targets import Target, digest_targets
from airflow_provider_contacts.errors import wrap_unexpected

_STATE_KEY = "contacts-update"
_TARGETS_PER_BLOCK = 500


class Store(Protocol):
    """Storage that outlives a task attempt, such as Airflow's ``task_state_store``."""

    def get(self, key: str) -> object:
        """Return the stored value, or None."""

    def set(self, key: str, value: object) -> None:
        """Store a JSON value."""

    def delete(self, key: str) -> None:
        """Delete the stored value."""


def find_store(context: Mapping[str, object]) -> Store | None:
    """Return the state store of a task, which Airflow has since 3.3, or None."""
    return dict(context).get("task_state_store")  # type: ignore[return-value]


class Progress:
    """Remembers which targets are done.

    A digest identifies the update: the connection, and the targets in any order with their changes.
    It is part of every block, so that a block of another update is never taken for one of this
    update.

    Each block of 500 targets is stored as a bitmask of those that are done. Every write to the
    store is a request to Airflow's API server, and one block is at most 150 characters, however
    many contacts there are (docs/adr/0004).

    The store is not essential: if it fails, the update goes on, and only resuming it is lost.

    :param store: where to keep it, or None to keep nothing.
    :param scope: identifies the connection.
    :param log: where a failing store is reported.
    """

    def __init__(self, store: Store | None, scope: str, targets: Sequence[Target], log: Log) -> None:
        self._store = store
        self._log = log
        self._has_failed = False
        ids = [(target.account_id, target.contact_id) for target in targets]
        order = sorted(range(len(ids)), key=ids.__getitem__)
        self._rank = {index: rank for rank, index in enumerate(order)}
        self._digest = digest_targets(scope, targets)[:24] if store is not None else ""
        self._blocks = [0] * -(-len(targets) // _TARGETS_PER_BLOCK)
        if store is not None:
            with self._tolerate_store_errors(
                "read", "Contacts that a previous attempt has updated are updated again."
            ):
                self._load(store)
        self.done = [
            index
            for index, rank in sorted(self._rank.items())
            if self._blocks[rank // _TARGETS_PER_BLOCK] >> rank % _TARGETS_PER_BLOCK & 1
        ]

    def add(self, indexes: Iterable[int]) -> None:
        """Remember that targets are done.

        :param indexes: positions in the list of targets.
        """
        changed = set()
        for index in indexes:
            number, bit = divmod(self._rank[index], _TARGETS_PER_BLOCK)
            self._blocks[number] |= 1 << bit
            changed.add(number)
        # A store that fails is slow as well, so it is not tried again.
        if self._store is not None and not self._has_failed:
            with self._tolerate_store_errors("written", "A retry will update these contacts again."):
                for number in sorted(changed):
                    self._store.set(_block_key(number), f"{self._digest}:{self._blocks[number]:x}")

    def clear(self) -> None:
        """Delete everything, so that the same update starts from the beginning next time."""
        if self._store is None:
            return
        with self._tolerate_store_errors(
            "cleared", "If this task is cleared, it may skip contacts that it has updated."
        ):
            for number, block in enumerate(self._blocks):
                if block:
                    self._store.delete(_block_key(number))
            # Last: as long as it is there, the blocks are found.
            self._store.delete(_STATE_KEY)

    @contextlib.contextmanager
    def _tolerate_store_errors(self, what: str, consequence: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self._has_failed = True
            self._log.warning(
                "The task's state store could not be %s. %s %s", what, consequence, wrap_unexpected(error)
            )

    def _load(self, store: Store) -> None:
        stored = store.get(_STATE_KEY)
        header = stored if isinstance(stored, dict) else {}
        if header.get("digest") == self._digest:
            for number in range(len(self._blocks)):
                self._blocks[number] = self._parse_block(store.get(_block_key(number)))
            return
        for number in range(header.get("blocks", 0)):
            if store.get(_block_key(number)) is not None:
                store.delete(_block_key(number))
        store.set(_STATE_KEY, {"digest": self._digest, "blocks": len(self._blocks)})

    def _parse_block(self, stored: object) -> int:
        digest, _, mask = stored.partition(":") if isinstance(stored, str) else ("", "", "")
        return int(mask, 16) if digest == self._digest else 0


def _block_key(number: int) -> str:
    return f"{_STATE_KEY}-{number}"
