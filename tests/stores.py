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
