"""Stand-ins for the state stores that Airflow provides."""

from __future__ import annotations

import json
from typing import Any


class Store:
    """A stand-in for Airflow's ``task_state_store``."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def get(self, key: str) -> Any:
        return self.values.get(key)

    def set(self, key: str, value: Any) -> None:
        assert value is not None
        self.values[key] = json.loads(json.dumps(value))

    def delete(self, key: str) -> None:
        del self.values[key]


class BrokenStore(Store):
    """A store in which some calls fail."""

    def __init__(self, *broken: str) -> None:
        super().__init__()
        self.broken = broken
        self.calls = 0

    def _call(self, name: str) -> None:
        self.calls += 1
        if name in self.broken:
            raise RuntimeError("secret-of-the-test")

    def get(self, key: str) -> Any:
        self._call("get")
        return super().get(key)

    def set(self, key: str, value: Any) -> None:
        self._call("set")
        super().set(key, value)

    def delete(self, key: str) -> None:
        self._call("delete")
        super().delete(key)
