"""Divide many items into batches, as ``itertools.batched`` does from Python 3.12 on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")


def batched(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Yield the items in lists of ``size``, the last one shorter, with one list in memory."""
    remaining = iter(items)
    while batch := list(islice(remaining, size)):
        yield batch
        del batch
