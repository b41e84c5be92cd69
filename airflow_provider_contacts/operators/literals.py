"""Check arguments when the DAG is parsed, if they contain no template."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date

from airflow_provider_contacts.errors import InvalidRequest

_TEMPLATE_MARKS = ("{{", "{%", "{#")


def check_literals(check: Callable[..., object], *values: object) -> None:
    """Call ``check`` with the values if all of them are known, so that the DAG file fails to import if they are invalid.

    Values that contain a template or come from another task are checked by the same function when the task runs.

    :param check: raises InvalidRequest if the values are invalid.
    """
    if all(map(is_literal, values)):
        check(*values)


def is_literal(value: object) -> bool:
    """Return whether a value is known when the DAG is parsed: it contains no template and no output of a task."""
    if isinstance(value, str):
        return not any(mark in value for mark in _TEMPLATE_MARKS)
    if isinstance(value, Mapping):
        return all(is_literal(part) for pair in value.items() for part in pair)
    if isinstance(value, list | tuple | set | frozenset):
        return all(map(is_literal, value))
    # Anything else may be the output of a task, or an argument that Airflow fills in for a mapped task.
    return value is None or isinstance(value, bool | int | float | date)


def check_filters(filters: object) -> None:
    """Check that filters are a mapping. Their names depend on the vendor, which is known when the task runs.

    :raises InvalidRequest: if they are something else.
    """
    if filters is not None and not isinstance(filters, Mapping):
        raise InvalidRequest(
            '`filters` must be a mapping of names to values, such as {"stage": "Interested"}.'
        )
