"""Sets of numbers that can be joined."""

from __future__ import annotations

from array import array
from collections.abc import Iterable


class UnionFind:
    """Sets of numbers that can be joined (union-find). A set is known by its smallest number."""

    def __init__(self, count: int) -> None:
        self._parents = array("q", range(count))

    def find(self, number: int) -> int:
        """Return the smallest number of the set that contains a number."""
        parents = self._parents
        while (parent := parents[number]) != number:
            parents[number] = parents[parent]
            number = parent
        return number

    def join(self, numbers: Iterable[int]) -> int:
        """Join the sets of some numbers, and return the smallest number of the new set."""
        roots = {self.find(number) for number in numbers}
        smallest = min(roots)
        for root in roots:
            self._parents[root] = smallest
        return smallest
