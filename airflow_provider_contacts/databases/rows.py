"""Read rows of tables and files."""

from __future__ import annotations

import json

# Lists are JSON text in tables and CSV files.
_LIST_COLUMNS = ("tags", "unknown_fields")


def parse_lists(row: dict[str, object]) -> dict[str, object]:
    """Turn the columns of a row that contain lists from JSON text into lists, and return the row."""
    for name in _LIST_COLUMNS:
        text = row.get(name)
        if isinstance(text, str):
            try:
                row[name] = json.loads(text)
            except ValueError:
                del row[name]  # then it is not known
    return row
