"""Digests of what is asked, for keys that may be logged."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping


def compute_fingerprint(
    filters: Mapping[str, object] | None, condition: Mapping[str, object], *more: str
) -> str:
    """Return a digest of filters, a condition and other text.

    :raises TypeError: if filters or condition are not JSON.
    """
    # No filters and empty filters are the same; anything else that is not a mapping fails in the poll.
    asked = json.dumps([{} if filters is None else filters, condition, *more], sort_keys=True)
    return hashlib.sha256(asked.encode()).hexdigest()[:32]
