"""Which contacts a watcher has seen, kept in Airflow's asset state store."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from typing import Any, Protocol

from airflow_provider_contacts.contact import Reference
from airflow_provider_contacts.core.logs import Log
from airflow_provider_contacts.errors import wrap_unexpected

_FIRST_RETRY_SECONDS = 1.0
_MAX_RETRY_SECONDS = 60.0
# Part of Airflow's message if a watcher has several assets (seen in 3.3.2). It has no public way to count them.
_AMBIGUOUS_STORE = "concrete inlets and outlets"


class AsyncStore(Protocol):
    """The state store of one asset."""

    async def aget(self, key: str) -> object:
        """Return the stored value, or None."""

    async def aset(self, key: str, value: Any) -> None:
        """Store a JSON value."""


class SeenStore:
    """Remembers which contacts a watcher has seen.

    Contacts are stored as digests of 64 bits, which do not identify a person. A cursor or a time would not suffice,
    because no vendor reports what changed (docs/adr/0004).

    :param stores: Airflow's state stores of the watched assets, or None on Airflow 3.2.
    :param asset_name: the asset whose store to use, if several assets have the same watcher.
    :param fingerprint: identifies what is polled; each has its own state.
    :param log: where problems are reported.
    """

    def __init__(self, stores: Any, asset_name: str | None, fingerprint: str, log: Log) -> None:
        self._key = f"contacts-seen-{fingerprint}"
        self._fingerprint = fingerprint
        self._log = log
        self._stored: set[str] | None = None
        self._store: AsyncStore | None = self._choose(stores, asset_name)

    def digest(self, reference: Reference) -> str:
        """Return the digest that identifies a contact."""
        identity = "\0".join(
            (self._fingerprint, reference["vendor"], reference["account_id"], reference["contact_id"])
        )
        digest = hashlib.blake2b(identity.encode(), digest_size=8).digest()
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")

    async def load(self) -> set[str] | None:
        """Return the digests of the seen contacts, or None if nothing was ever stored.

        It retries until the store works: without the stored digests, every contact would be emitted again.
        """
        pause = _FIRST_RETRY_SECONDS
        while self._store is not None:
            try:
                stored = await self._store.aget(self._key)
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
            else:
                if isinstance(stored, list) and all(isinstance(digest, str) for digest in stored):
                    self._stored = set(stored)
                return self._stored
        return None

    async def save(self, seen: set[str]) -> None:
        """Store the digests of the seen contacts, if they have changed."""
        if self._store is None or seen == self._stored:
            return
        try:
            await self._store.aset(self._key, sorted(seen))
        except Exception as error:
            self._log.error("Could not write the asset's state store; will retry. %s", wrap_unexpected(error))
        else:
            self._stored = seen

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
            "Several assets have this watcher. Set asset_name to the asset that keeps the state. Until then, matches"
            " while the triggerer is down are missed."
        )
