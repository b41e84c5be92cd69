"""Places for state, as Airflow gives them to tasks."""

from __future__ import annotations

import json
from typing import Any


class Store:
    """What Airflow's ``task_state_store`` does, for JSON values."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def get(self, key: str) -> Any:
        return self.values.get(key)

    def set(self, key: str, value: Any) -> None:
        assert value is not None
        self.values[key] = json.loads(json.dumps(value))

    def delete(self, key: str) -> None:
        del self.values[key]
