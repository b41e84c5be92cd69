"""Print rows as a table, or as JSON or YAML with their types and non-ASCII text."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence


def print_rows(rows: Sequence[Mapping[str, object]], output: str) -> None:
    """Print rows on stdout.

    :param output: ``table``, ``plain``, ``json`` or ``yaml``.
    """
    if output == "json":
        print(json.dumps(rows, ensure_ascii=False, indent=2))  # noqa: T201
    elif output == "yaml":
        import yaml  # type: ignore[import-untyped]

        yaml.safe_dump(list(rows), sys.stdout, allow_unicode=True, sort_keys=False)
    elif rows:
        from airflow.cli.simple_table import AirflowConsole

        shown = [{name: _cell(value) for name, value in row.items()} for row in rows]
        AirflowConsole().print_as(data=shown, output=output)


def without_empty_columns(rows: Sequence[Mapping[str, object]]) -> list[dict[str, object]]:
    """Return the rows without the columns that are empty in every row."""
    filled = {name for row in rows for name, value in row.items() if value not in (None, (), [], "")}
    return [{name: value for name, value in row.items() if name in filled} for row in rows]


def count_of(count: int, noun: str) -> str:
    """Return a number and a noun, such as ``2 contacts``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def print_note(text: str) -> None:
    """Print a line on stderr, where it does not mix with the result."""
    print(text, file=sys.stderr)  # noqa: T201


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value)
