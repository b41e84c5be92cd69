"""Divide many items into batches, as ``itertools.batched`` does from Python 3.12 on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")


def batched(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Yield lists of ``size`` items; the last may be shorter. One list is in memory."""
    remaining = iter(items)
    while batch := list(islice(remaining, size)):
        yield batch
        del batch
