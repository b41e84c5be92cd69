"""Which contacts a watcher has seen, kept in Airflow's asset state store."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections import Counter
from collections.abc import Collection, Iterable
from typing import Any, Protocol

from airflow_provider_contacts.contact import Reference
from airflow_provider_contacts.core.logs import Log
from airflow_provider_contacts.errors import wrap_unexpected

_FIRST_RETRY_SECONDS = 1.0
_MAX_RETRY_SECONDS = 60.0
# Part of Airflow's message if a watcher has several assets (seen in 3.3.2). It has no public way to
# count them.
_AMBIGUOUS_STORE = "concrete inlets and outlets"
# Airflow logs a warning at every write of a value above 64 KiB, which is about 4,600 digests.
_MAX_DIGESTS_PER_BLOCK = 3000
_CHARS_OF_A_DIGEST = 64

# A contact that is missing in this many polls in a row is forgotten.
_MISSES_UNTIL_FORGOTTEN = 3
# If half of at least this many contacts are missing, the vendor has probably answered with a part.
_MASS_COUNT = 20
_POLLS_UNTIL_MASS_IS_FORGOTTEN = 60


class SeenMemory:
    """The contacts that a watcher has seen, as digests.

    One wrong answer of the vendor must not make it forget, because every contact would then be
    emitted again.

    :param digests: what it has seen before.
    """

    def __init__(self, digests: Iterable[str]) -> None:
        self._misses: Counter[str] = Counter(dict.fromkeys(digests, 0))
        self._polls_held_back = 0

    @property
    def digests(self) -> set[str]:
        """The digests of the contacts that it has not forgotten."""
        return set(self._misses)

    @property
    def is_holding_back(self) -> bool:
        """Whether so many contacts are missing that none is forgotten for the moment."""
        return self._polls_held_back > 0

    def update(
        self, current: Iterable[str], undecided: Collection[str] = (), *, is_complete: bool
    ) -> list[str]:
        """Record a poll, and return the digests of contacts that were not seen before.

        :param current: digests of the contacts that match now.
        :param undecided: digests of the contacts whose record does not report it. They are not
            missing.
        :param is_complete: whether contacts that are missing do not match any more.
        """
        present = dict.fromkeys(current, 0)
        new = [digest for digest in present if digest not in self._misses]
        if is_complete:
            self._count_misses({*present, *undecided})
        for digest in present:
            self._misses[digest] = 0
        return new

    def _count_misses(self, present: set[str]) -> None:
        missing = [digest for digest in self._misses if digest not in present]
        if len(self._misses) >= _MASS_COUNT and len(missing) * 2 >= len(self._misses):
            self._polls_held_back += 1
            if self._polls_held_back < _POLLS_UNTIL_MASS_IS_FORGOTTEN:
                return
            self._misses.update(dict.fromkeys(missing, _MISSES_UNTIL_FORGOTTEN))
        self._polls_held_back = 0
        for digest in missing:
            self._misses[digest] += 1
            if self._misses[digest] >= _MISSES_UNTIL_FORGOTTEN:
                del self._misses[digest]


class AsyncStore(Protocol):
    """The state store of one asset."""

    async def aget(self, key: str) -> object:
        """Return the stored value, or None."""

    async def aset(self, key: str, value: Any) -> None:
        """Store a JSON value."""


class SeenStore:
    """Remembers which contacts a watcher has seen.

    Contacts are stored as digests of 64 bits, which do not identify a person. A cursor or a time
    would not suffice, because no vendor reports what changed (docs/adr/0004). They are stored in
    blocks by their first characters, of which only the changed ones are written; an index says how
    many characters, and is written last.

    :param stores: Airflow's state stores of the watched assets, or None on Airflow 3.2.
    :param asset_name: the asset whose store to use, if several assets have the same watcher.
    :param fingerprint: identifies what is polled; each has its own state.
    :param log: where problems are reported.
    :param max_per_block: how many digests a value of the store holds.
    """

    def __init__(
        self,
        stores: Any,
        asset_name: str | None,
        fingerprint: str,
        log: Log,
        max_per_block: int = _MAX_DIGESTS_PER_BLOCK,
    ) -> None:
        self._max_per_block = max_per_block
        self._key = f"contacts-seen-{fingerprint}"
        self._fingerprint = fingerprint
        self._log = log
        self._blocks: dict[str, set[str]] = {}
        self._width: int | None = None
        self._store: AsyncStore | None = self._choose(stores, asset_name)

    def digest(self, reference: Reference) -> str:
        """Return the digest that identifies a contact."""
        return self.digest_of(reference["account_id"], reference["contact_id"])

    def digest_of(self, account_id: str, contact_id: str) -> str:
        """Return the digest that identifies a contact; its vendor follows from what is polled."""
        identity = "\0".join((self._fingerprint, account_id, contact_id))
        digest = hashlib.blake2b(identity.encode(), digest_size=8).digest()
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")

    async def load(self) -> set[str] | None:
        """Return the digests of the seen contacts, or None if nothing was ever stored.

        It retries until the store works: without the stored digests, every contact would be emitted
        again, or none.
        """
        pause = _FIRST_RETRY_SECONDS
        while self._store is not None:
            try:
                return await self._load(self._store)
            except Exception as error:
                if isinstance(error, ValueError) and _AMBIGUOUS_STORE in str(error):
                    self._report_ambiguous_store()
                    self._store = None
                    return None
                self._log.warning(
                    "Could not read the asset's state store; will retry. %s", wrap_unexpected(error)
                )
                await asyncio.sleep(pause)
                pause = min(pause * 2, _MAX_RETRY_SECONDS)
        return None

    async def _load(self, store: AsyncStore) -> set[str] | None:
        index = await store.aget(self._key)
        if index is None:
            # Airflow reports an asset that is inactive for a moment as if it had no state. Writing
            # to it fails.
            await store.aset(f"{self._key}-check", True)
            index = await store.aget(self._key)
        if not isinstance(index, dict) or not isinstance(index.get("blocks"), list):
            return None
        self._width = int(index["width"])
        for name in index["blocks"]:
            block = await store.aget(self._block_key(self._width, str(name)))
            if not isinstance(block, list):
                # Every block of the index was written, so the store cannot be read at the moment.
                raise LookupError  # noqa: TRY004
            self._blocks[str(name)] = {digest for digest in block if isinstance(digest, str)}
        return set().union(*self._blocks.values())

    async def save(self, seen: set[str]) -> None:
        """Store the digests of the seen contacts, as far as they have changed."""
        if self._store is None:
            return
        width = _width_for(len(seen), self._max_per_block, self._width)
        blocks: dict[str, set[str]] = {}
        for digest in seen:
            blocks.setdefault(digest[:width], set()).add(digest)
        stored = self._blocks if width == self._width else {}
        try:
            for name in sorted(blocks.keys() | stored.keys()):
                digests = blocks.get(name, set())
                if digests != stored.get(name, set()):
                    await self._store.aset(self._block_key(width, name), sorted(digests))
            if width != self._width or blocks.keys() - stored.keys():
                # Names of blocks that have become empty stay, which is harmless.
                names = sorted(blocks.keys() | stored.keys())
                await self._store.aset(self._key, {"width": width, "blocks": names})
        except Exception as error:
            self._log.error("Could not write the asset's state store; will retry. %s", wrap_unexpected(error))
            return
        self._width = width
        self._blocks = {**{name: set() for name in stored}, **blocks}

    def _block_key(self, width: int, name: str) -> str:
        return f"{self._key}-{width}-{name}"

    def _choose(self, stores: Any, asset_name: str | None) -> Any:
        if stores is None:
            self._log.warning(
                "This Airflow has no asset state store. Matches while the triggerer is down are missed."
            )
            return None
        if asset_name is not None:
            from airflow.sdk import Asset

            try:
                return stores[Asset(name=asset_name)]
            except (KeyError, ValueError):
                self._log.error("No asset %r has this watcher. Check asset_name.", asset_name)
        # If exactly one asset has this watcher, its store can be used without naming it.
        return stores

    def _report_ambiguous_store(self) -> None:
        self._log.error(
            "Several assets have this watcher. Set asset_name to the asset that keeps the state. Until "
            "then, matches while the triggerer is down are missed."
        )


def _width_for(count: int, max_per_block: int, current: int | None) -> int:
    """Return by how many first characters digests are divided into blocks.

    :param current: what is in use; blocks are not merged when contacts are forgotten.
    """
    width = current or 0
    while count > max_per_block * _CHARS_OF_A_DIGEST**width:
        width += 1
    return width
