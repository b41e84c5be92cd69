"""The memory of a watcher."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_contacts.contact import Reference
from airflow_provider_contacts.triggers.seen import SeenStore

LOG = logging.getLogger("test")


class AsyncStore:
    """A stand-in for Airflow's state store of one asset."""

    def __init__(self, *failures: Exception) -> None:
        self.values: dict[str, Any] = {}
        self.failures = list(failures)
        self.writes = 0

    async def aget(self, key: str) -> Any:
        if self.failures:
            raise self.failures.pop(0)
        return self.values.get(key)

    async def aset(self, key: str, value: Any) -> None:
        self.writes += 1
        self.values[key] = value


def reference(account_id: str, contact_id: str) -> Reference:
    return {"vendor": "v", "account_id": account_id, "contact_id": contact_id}


@given(st.lists(st.tuples(st.text(), st.text()), unique=True, max_size=30))
def test_each_contact_has_a_digest_of_its_own(identities: list[tuple[str, str]]) -> None:
    seen = SeenStore(AsyncStore(), None, "poll", LOG)
    # Ids cannot contain the separator.
    separated = [one for one in identities if "\0" not in "".join(one) and _is_encodable("".join(one))]
    digests = {seen.digest(reference(*identity)) for identity in separated}
    assert len(digests) == len(separated)
    assert all(len(digest) == 11 for digest in digests)


def _is_encodable(text: str) -> bool:
    return not any(0xD800 <= ord(char) < 0xE000 for char in text)


def test_digests_differ_between_polls() -> None:
    one, other = (SeenStore(AsyncStore(), None, name, LOG) for name in ("one", "other"))
    assert one.digest(reference("a", "1")) != other.digest(reference("a", "1"))


def test_loads_what_was_saved_and_writes_changes_only() -> None:
    store = AsyncStore()

    async def go() -> None:
        seen = SeenStore(store, None, "poll", LOG)
        assert await seen.load() is None
        await seen.save({"b", "a"})
        await seen.save({"a", "b"})
        assert store.writes == 1
        again = SeenStore(store, None, "poll", LOG)
        assert await again.load() == {"a", "b"}
        await again.save({"a", "b"})
        assert store.writes == 1
        await again.save(set())
        assert await SeenStore(store, None, "poll", LOG).load() == set()

    asyncio.run(go())


def test_waits_for_a_store_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    store = AsyncStore(RuntimeError("ada@secret.test"))
    store.values["contacts-seen-poll"] = ["a"]
    assert asyncio.run(SeenStore(store, None, "poll", LOG).load()) == {"a"}
    assert "Could not read the asset's state store" in caplog.text
    assert "secret" not in caplog.text


def test_several_assets_are_ambiguous(caplog: pytest.LogCaptureFixture) -> None:
    store = AsyncStore(ValueError("Task has 2 concrete inlets and outlets"))
    assert asyncio.run(SeenStore(store, None, "poll", LOG).load()) is None
    assert "Set asset_name" in caplog.text


def test_no_store_remembers_nothing(caplog: pytest.LogCaptureFixture) -> None:
    seen = SeenStore(None, None, "poll", LOG)
    assert asyncio.run(seen.load()) is None
    asyncio.run(seen.save({"a"}))
    assert "no asset state store" in caplog.text
