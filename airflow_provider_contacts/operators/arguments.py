"""Arguments of operators, which a class of options declares with the functions that parse them.

The function checks an argument when the DAG is parsed, unless a template or an upstream task
decides its value, and parses it when the task starts, before any request.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.sdk import BaseOperator

from airflow_provider_contacts.core.validation import is_empty_argument
from airflow_provider_contacts.errors import InvalidRequest

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Init = TypeVar("Init", bound=Callable[..., None])
OptionsT = TypeVar("OptionsT", bound="DataclassInstance")

_REQUIRED = inspect.Parameter.empty
_ARGUMENT = "argument"
_TEMPLATE_MARKS = ("{{", "{%", "{#")


def check_literals(operator: BaseOperator, check: Callable[..., object], *values: object) -> None:
    """Call ``check`` with values that are known, so that a DAG file with invalid ones fails.

    Other values are checked by the same function when the task runs. Subclasses in other packages
    are not checked, because they may set attributes later; neither are mapped tasks, which exist
    only when they run.

    :param operator: the operator, after ``BaseOperator.__init__``.
    :param check: raises InvalidRequest if the values are invalid.
    """
    is_mapped = getattr(operator, "_BaseOperator__from_mapped", False)
    is_ours = type(operator).__module__.startswith("airflow_provider_contacts.")
    if is_ours and not is_mapped and all(is_literal(value, operator) for value in values):
        check(*values)


def is_literal(value: object, operator: BaseOperator) -> bool:
    """Return whether a value is known when the DAG is parsed: no template, no task's output."""
    if isinstance(value, str):
        return _is_final_text(value, operator)
    if isinstance(value, Mapping):
        return all(is_literal(part, operator) for pair in value.items() for part in pair)
    if isinstance(value, list | tuple | set | frozenset):
        return all(is_literal(part, operator) for part in value)
    # Anything else may be the output of a task, or an argument that Airflow fills in for a mapped
    # task.
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
    """Check that filters are a mapping. Their names depend on the vendor.

    :raises InvalidRequest: if they are something else.
    """
    if filters is not None and not isinstance(filters, Mapping):
        raise InvalidRequest(
            '`filters` must be a mapping of names to values, such as {"stage": "Interested"}.'
        )


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of an operator.

    :param parse: takes the argument's name and its value, and returns the parsed value.
    :param default: the value if the author sets none.
    :param is_safeguard: whether a value that was set must not become empty when its template is
        rendered.
    """

    parse: Callable[[str, Any], object]
    default: object
    is_safeguard: bool


def argument(
    parse: Callable[[str, Any], object], default: object = _REQUIRED, *, is_safeguard: bool = False
) -> Any:
    """Declare an argument as a field of a dataclass. Without a default, it is required."""
    return field(metadata={_ARGUMENT: Argument(parse, default, is_safeguard)})


def list_arguments(options_class: type[DataclassInstance]) -> dict[str, Argument]:
    """Return the arguments that a class of options declares, by name."""
    return {one.name: one.metadata[_ARGUMENT] for one in fields(options_class)}


def declares(options_class: type[DataclassInstance]) -> Callable[[Init], Init]:
    """Add declared arguments to the signature of an ``__init__``, where Airflow looks for them."""

    def decorate(init: Init) -> Init:
        signature = inspect.signature(init)
        *own, other = signature.parameters.values()
        declared = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=one.default)
            for name, one in list_arguments(options_class).items()
        ]
        init.__signature__ = signature.replace(parameters=[*own, *declared, other])  # type: ignore[attr-defined]
        return init

    return decorate


def pop_arguments(options_class: type[DataclassInstance], kwargs: dict[str, Any]) -> dict[str, object]:
    """Remove declared arguments from keyword arguments, and return those that are given."""
    return {name: kwargs.pop(name) for name in list_arguments(options_class) if name in kwargs}


def set_arguments(
    operator: BaseOperator, options_class: type[DataclassInstance], given: Mapping[str, object]
) -> list[str]:
    """Set declared arguments as attributes, unparsed, and check those that are known.

    :return: the safeguards that are set, and so must not become empty. A mapped task has only
        values, so that each safeguard it is given counts as set.
    :raises InvalidRequest: if one is invalid.
    """
    is_mapped = getattr(operator, "_BaseOperator__from_mapped", False)
    required = []
    for name, one in list_arguments(options_class).items():
        value = given.get(name, one.default)
        setattr(operator, name, value)
        check_literals(operator, partial(one.parse, name), value)
        if one.is_safeguard and (not is_empty_argument(value) or (is_mapped and name in given)):
            required.append(name)
    return required


def parse_arguments(
    operator: BaseOperator, options_class: type[OptionsT], required: Sequence[str] = ()
) -> OptionsT:
    """Return the options of an operator whose templates are rendered.

    :param required: safeguards that must not be empty.
    :raises InvalidRequest: if one is invalid, or a safeguard that was set has become empty.
    """
    for name in required:
        if is_empty_argument(getattr(operator, name)):
            raise InvalidRequest(
                f"`{name}` is set on the operator but has become empty, so nothing was written. Check its "
                "template or, in a mapped task, its values."
            )
    values: dict[str, Any] = {
        name: one.parse(name, getattr(operator, name)) for name, one in list_arguments(options_class).items()
    }
    for name in required:
        # Such as an empty output of a mapped task.
        if values[name] == "" or values[name] == []:
            raise InvalidRequest(f"`{name}` is set on the operator but is empty, so nothing was written.")
    return options_class(**values)
