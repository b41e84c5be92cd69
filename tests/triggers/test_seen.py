"""The memory of a watcher."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_contacts.contact import Reference
from airflow_provider_contacts.triggers import seen as seen_module
from airflow_provider_contacts.triggers.seen import SeenMemory, SeenStore

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
        store.writes = 0
        await seen.save({"b", "a"})
        # A block and the index.
        assert store.writes == 2
        await seen.save({"a", "b"})
        assert store.writes == 2
        again = SeenStore(store, None, "poll", LOG)
        assert await again.load() == {"a", "b"}
        await again.save({"a", "b"})
        assert store.writes == 2
        await again.save({"a", "b", "c"})
        assert store.writes == 3
        await again.save(set())
        assert await SeenStore(store, None, "poll", LOG).load() == set()

    asyncio.run(go())


@settings(max_examples=20)
@given(counts=st.lists(st.sampled_from([0, 1, 29, 30, 31, 100, 2000]), min_size=1, max_size=3))
def test_large_memories_are_stored_in_blocks(counts: list[int]) -> None:
    store = AsyncStore()
    digests = [SeenStore(store, None, "poll", LOG).digest(reference("a", str(n))) for n in range(max(counts))]

    async def go() -> None:
        seen = SeenStore(store, None, "poll", LOG, max_per_block=30)
        await seen.load()
        for count in counts:
            await seen.save(set(digests[:count]))
            assert await SeenStore(store, None, "poll", LOG).load() == set(digests[:count])
        store.writes = 0
        await seen.save({*digests[: counts[-1]], seen.digest(reference("b", "1"))})
        assert store.writes <= 2 or counts[-1] == 30

    asyncio.run(go())


def test_a_block_fits_into_a_value_of_the_store() -> None:
    store = AsyncStore()
    seen = SeenStore(store, None, "poll", LOG)
    digests = {seen.digest(reference("a", str(n))) for n in range(3000)}
    asyncio.run(seen.save(digests))
    # One block and the index.
    assert [len(json.dumps(value)) < 65_536 for value in store.values.values()] == [True, True]


@given(data=st.data())
def test_kill_between_writes_repeats_but_never_loses(data: st.DataObject) -> None:
    """Whatever was written when the triggerer is killed, what is loaded was seen."""

    class Killed(BaseException):
        pass

    class KilledStore(AsyncStore):
        left = 10**9

        async def aset(self, key: str, value: Any) -> None:
            self.left -= 1
            if self.left < 0:
                raise Killed
            await super().aset(key, value)

    store = KilledStore()
    all_digests = [SeenStore(store, None, "poll", LOG).digest(reference("a", str(n))) for n in range(4000)]

    async def go() -> None:
        seen = SeenStore(store, None, "poll", LOG)
        await seen.load()
        ever: set[str] = set()
        for count in data.draw(st.lists(st.sampled_from([5, 2000, 3001, 4000]), min_size=1, max_size=3)):
            store.left = data.draw(st.integers(0, 70))
            ever |= set(all_digests[:count])
            try:
                await seen.save(set(all_digests[:count]))
            except Killed:
                seen = SeenStore(store, None, "poll", LOG)
            store.left = 10**9
            seen = SeenStore(store, None, "poll", LOG)
            assert (await seen.load() or set()) <= ever

    asyncio.run(go())


def test_inactive_asset_is_not_new(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(seen_module, "_FIRST_RETRY_SECONDS", 0.01)

    class Inactive(AsyncStore):
        looks = 0

        async def aget(self, key: str) -> Any:
            self.looks += 1
            return None if self.looks <= 2 else await super().aget(key)

        async def aset(self, key: str, value: Any) -> None:
            if self.looks <= 2:
                raise RuntimeError("404")
            await super().aset(key, value)

    store = Inactive()
    store.values = {
        "contacts-seen-poll": {"width": 0, "blocks": [""]},
        "contacts-seen-poll-0-": ["a"],
    }
    assert asyncio.run(SeenStore(store, None, "poll", LOG).load()) == {"a"}
    assert "will retry" in caplog.text


digest_sets = st.sets(st.sampled_from([str(number) for number in range(30)]))


@given(polls=st.lists(st.tuples(digest_sets, st.booleans()), max_size=12))
def test_memory_emits_each_contact_once_until_it_is_forgotten(polls: list[tuple[set[str], bool]]) -> None:
    memory = SeenMemory(())
    last_seen: dict[str, int] = {}
    complete = 0
    for present, is_complete in polls:
        complete += is_complete
        for digest in memory.update(present, is_complete=is_complete):
            # New, or missing from three complete polls in a row.
            assert digest not in last_seen or complete - last_seen[digest] >= 3
        for digest in present:
            last_seen[digest] = complete
        assert present <= memory.digests


def test_memory_forgets_after_three_polls() -> None:
    memory = SeenMemory(["a", "b"])
    for _ in range(2):
        assert memory.update(["a"], is_complete=True) == []
    assert memory.update(["a", "b"], is_complete=True) == []
    for _ in range(3):
        memory.update(["a"], is_complete=True)
    assert memory.update(["a", "b"], is_complete=True) == ["b"]


def test_memory_holds_back_when_most_contacts_are_missing() -> None:
    digests = list(map(str, range(40)))
    memory = SeenMemory(digests)
    for _ in range(50):
        assert memory.update(digests[:10], is_complete=True) == []
        assert memory.is_holding_back
    assert memory.update(digests, is_complete=True) == []
    assert not memory.is_holding_back
    for _ in range(60):
        memory.update([], is_complete=True)
    assert len(memory.update(digests, is_complete=True)) == 40


def test_waits_for_a_store_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    store = AsyncStore(RuntimeError("ada@secret.test"))
    store.values = {
        "contacts-seen-poll": {"width": 0, "blocks": [""]},
        "contacts-seen-poll-0-": ["a"],
    }
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


def test_mass_that_comes_back_starts_from_zero() -> None:
    digests = list(map(str, range(1000)))
    memory = SeenMemory(digests)
    for _ in range(5):
        memory.update(digests[600:], is_complete=True)
    memory.update(digests[200:], is_complete=True)
    memory.update(digests[200:], is_complete=True)
    assert memory.update(digests, is_complete=True) == []
    for _ in range(5):
        memory.update(digests[500:], is_complete=True)
    assert memory.update(digests, is_complete=True) == []


def test_undecided_contacts_are_not_missing() -> None:
    memory = SeenMemory(["a", "b"])
    for _ in range(10):
        assert memory.update(["a"], {"b"}, is_complete=True) == []
    assert memory.update(["a", "b"], is_complete=True) == []


def test_unreadable_block_is_not_an_empty_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seen_module, "_FIRST_RETRY_SECONDS", 0.01)

    class Flaky(AsyncStore):
        misses = 2

        async def aget(self, key: str) -> Any:
            if key.endswith("-0-") and self.misses:
                self.misses -= 1
                return None
            return await super().aget(key)

    store = Flaky()
    store.values = {
        "contacts-seen-poll": {"width": 0, "blocks": [""]},
        "contacts-seen-poll-0-": ["a"],
    }
    assert asyncio.run(SeenStore(store, None, "poll", LOG).load()) == {"a"}
