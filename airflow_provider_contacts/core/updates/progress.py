"""Which contacts of an update are done, remembered across task attempts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Protocol

from airflow_provider_contacts.core.changes import Change
from airflow_provider_contacts.core.updates.targets import Target

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


class Progress:
    """Remembers which targets are done.

    A digest identifies the update: the connection, the change, and the targets in any order. Progress of another update
    is deleted before the first write, so that it cannot be confused with this one's.

    Each block of 500 targets is stored as a bitmask of those that are done. Every write to the store is a request to
    Airflow's API server, and one block is at most 125 characters, however many contacts there are (docs/adr/0004).

    :param store: where to keep it, or None to keep nothing.
    :param scope: identifies the connection.
    """

    def __init__(self, store: Store | None, scope: str, targets: list[Target], change: Change) -> None:
        self._store = store
        ids = [(target.account_id, target.contact_id) for target in targets]
        order = sorted(range(len(ids)), key=lambda index: ids[index])
        self._rank = {index: rank for rank, index in enumerate(order)}
        identity = json.dumps([scope, change.to_json(), [ids[index] for index in order]])
        self._digest = hashlib.sha256(identity.encode()).hexdigest()[:24]
        self._blocks = [0] * -(-len(targets) // _TARGETS_PER_BLOCK)
        if store is not None:
            self._load(store)
        self.done = [index for index in range(len(targets)) if self._is_done(index)]

    def add(self, indexes: Iterable[int]) -> None:
        """Remember that targets are done.

        :param indexes: positions in the list of targets.
        """
        changed = set()
        for index in indexes:
            number, bit = divmod(self._rank[index], _TARGETS_PER_BLOCK)
            self._blocks[number] |= 1 << bit
            changed.add(number)
        if self._store is not None:
            for number in sorted(changed):
                self._store.set(_block_key(number), f"{self._blocks[number]:x}")

    def clear(self) -> None:
        """Delete everything, so that the same update starts from the beginning next time."""
        if self._store is not None:
            self._store.delete(_STATE_KEY)
            for number, block in enumerate(self._blocks):
                if block:
                    self._store.delete(_block_key(number))

    def _load(self, store: Store) -> None:
        stored = store.get(_STATE_KEY)
        header = stored if isinstance(stored, dict) else {}
        if header.get("digest") == self._digest:
            for number in range(len(self._blocks)):
                block = store.get(_block_key(number))
                self._blocks[number] = int(block, 16) if isinstance(block, str) else 0
            return
        for number in range(header.get("blocks", 0)):
            if store.get(_block_key(number)) is not None:
                store.delete(_block_key(number))
        store.set(_STATE_KEY, {"digest": self._digest, "blocks": len(self._blocks)})

    def _is_done(self, index: int) -> bool:
        number, bit = divmod(self._rank[index], _TARGETS_PER_BLOCK)
        return bool(self._blocks[number] >> bit & 1)


def _block_key(number: int) -> str:
    return f"{_STATE_KEY}-{number}"
