"""Print rows as a table, or as JSON or YAML with their types and non-ASCII text."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime


def print_rows(rows: Sequence[Mapping[str, object]], output: str) -> None:
    """Print rows on stdout.

    :param output: ``table``, ``plain``, ``json`` or ``yaml``.
    """
    if output == "json":
        print(json.dumps(rows, ensure_ascii=False, indent=2, default=datetime.isoformat))  # noqa: T201
    elif output == "yaml":
        import yaml  # type: ignore[import-untyped]

        yaml.safe_dump(list(rows), sys.stdout, allow_unicode=True, sort_keys=False)
    elif rows:
        _print_text(rows, output)


def _print_text(rows: Sequence[Mapping[str, object]], output: str) -> None:
    shown = [{name: _cell(value) for name, value in row.items()} for row in rows]
    if output == "plain":
        from tabulate import tabulate  # type: ignore[import-untyped]

        # Otherwise ids that look like numbers are changed.
        print(tabulate(shown, headers="keys", tablefmt="plain", disable_numparse=True))  # noqa: T201
        return
    from airflow.cli.simple_table import AirflowConsole
    from rich.markup import escape

    escaped = [{name: escape(cell) for name, cell in row.items()} for row in shown]
    AirflowConsole().print_as(data=escaped, output=output)


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
    text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    # Control characters could change what the terminal shows.
    return "".join(char if char.isprintable() else " " for char in text)
