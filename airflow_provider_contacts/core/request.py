"""A request, before it has an address."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, repr=False)
class Request:
    """A request before it has an address and credentials. Its repr shows the method and the path alone."""

    method: str
    path: str
    params: tuple[tuple[str, str], ...] = ()
    json: Any = None

    def __repr__(self) -> str:
        return f"{self.method} {self.path}"
