"""Scripted responses of Tether: numbered pages, a total, and a token that needs no login."""

from __future__ import annotations

import json
from typing import Any


def page(*records: Any, **more: Any) -> dict[str, Any]:
    """Return a page of contacts; ``more`` adds keys next to the records, such as the total."""
    return {"success": True, "data": {"contacts": list(records), **more}}


def answer(body: Any) -> bytes:
    """Return a whole HTTP response with JSON."""
    content = json.dumps(body).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
        len(content),
        content,
    )
