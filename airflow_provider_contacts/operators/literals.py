"""Check arguments when the DAG is parsed, unless they are only known when the task runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date

from airflow.sdk import BaseOperator

from airflow_provider_contacts.errors import InvalidRequest

_TEMPLATE_MARKS = ("{{", "{%", "{#")


def check_literals(operator: BaseOperator, check: Callable[..., object], *values: object) -> None:
    """Call ``check`` with the values if all of them are known, so that the DAG file fails to import if they are invalid.

    Other values are checked by the same function when the task runs. Subclasses in other packages are not checked, because
    they may set attributes later; neither are mapped tasks, which exist only when they run.

    :param operator: the operator, after ``BaseOperator.__init__``.
    :param check: raises InvalidRequest if the values are invalid.
    """
    is_mapped = getattr(operator, "_BaseOperator__from_mapped", False)
    is_ours = type(operator).__module__.startswith("airflow_provider_contacts.")
    if is_ours and not is_mapped and all(is_literal(value, operator) for value in values):
        check(*values)


def is_literal(value: object, operator: BaseOperator) -> bool:
    """Return whether a value is known when the DAG is parsed: it contains no template and no output of a task."""
    if isinstance(value, str):
        return _is_final_text(value, operator)
    if isinstance(value, Mapping):
        return all(is_literal(part, operator) for pair in value.items() for part in pair)
    if isinstance(value, list | tuple | set | frozenset):
        return all(is_literal(part, operator) for part in value)
    # Anything else may be the output of a task, or an argument that Airflow fills in for a mapped task.
    return value is None or isinstance(value, bool | int | float | date)


def _is_final_text(text: str, operator: BaseOperator) -> bool:
    """Return whether Airflow renders a text to itself."""
    if not operator.has_dag():
        return False  # its DAG may have other template marks
    dag = operator.dag
    # Native templates turn text such as "[1]" into other types.
    renders_differently = dag.render_template_as_native_obj or dag.jinja_environment_kwargs
    is_file = text.endswith(tuple(operator.template_ext or ()))
    return not (renders_differently or is_file or any(mark in text for mark in _TEMPLATE_MARKS))


def check_filters(filters: object) -> None:
    """Check that filters are a mapping. Their names depend on the vendor, which is known when the task runs.

    :raises InvalidRequest: if they are something else.
    """
    if filters is not None and not isinstance(filters, Mapping):
        raise InvalidRequest(
            '`filters` must be a mapping of names to values, such as {"stage": "Interested"}.'
        )
