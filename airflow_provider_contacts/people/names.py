"""Whether two names may be those of one person. This module does no I/O."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_WORD = re.compile(r"[^\W\d_]+")


@lru_cache(maxsize=4096)
def split_name(name: str) -> tuple[str, ...]:
    """Return the words of a name, in lower case and without accents."""
    plain = unicodedata.normalize("NFKD", name.casefold())
    return tuple(_WORD.findall("".join(char for char in plain if not unicodedata.combining(char))))


def may_be_same_name(one: str | None, other: str | None) -> bool:
    """Return whether two names may be one person's. An unknown name may be anyone's.

    Each word of the shorter name must be in the longer one, where an initial stands for a word:
    ``A. Patel`` may be ``Ana Maria Patel``.
    """
    shorter, longer = sorted((split_name(one or ""), split_name(other or "")), key=len)
    left = list(longer)
    rest = []
    # Whole words first, so that an initial does not take the word of another.
    for word in shorter:
        if word in left:
            left.remove(word)
        else:
            rest.append(word)
    for word in rest:
        match = next((found for found in left if _may_be_initial(word, found)), None)
        if match is None:
            return False
        left.remove(match)
    return True


def _may_be_initial(one: str, other: str) -> bool:
    return min(len(one), len(other)) == 1 and one[0] == other[0]
