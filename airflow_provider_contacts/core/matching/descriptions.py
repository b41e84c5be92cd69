"""What a vendor supports, for the command line and the documentation."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_contacts.conditions import SIMPLE_CONDITIONS, Condition, get_condition_name
from airflow_provider_contacts.core.vendor import ConditionSupport, Vendor


@dataclass(frozen=True, slots=True)
class ConditionDescription:
    """How a vendor supports a condition.

    :param name: the name in JSON.
    :param text: an example, as it is written on the command line.
    :param python: the same in Python.
    :param meaning: when it is true, as a sentence.
    :param support: ``server``, ``server only`` or ``record``, each with the filter that is needed,
        if any; or ``no``.
    """

    name: str
    text: str
    python: str
    meaning: str
    support: str


def describe_conditions(vendor: Vendor) -> list[ConditionDescription]:
    """Return all simple conditions, and how a vendor supports each."""
    return [_describe(condition_class, vendor) for condition_class in SIMPLE_CONDITIONS]


def _describe(condition_class: type[Condition], vendor: Vendor) -> ConditionDescription:
    name = get_condition_name(condition_class)
    field = condition_class.text_field
    argument = condition_class.example
    example = condition_class(**{field: argument}) if argument else condition_class()
    keyword = "" if field == "name" else f"{field}="
    summary = (condition_class.__doc__ or "").partition("\n")[0]
    return ConditionDescription(
        name=name,
        text=f"{name}:{argument}" if argument else name,
        python=f'{condition_class.__name__}({keyword}"{argument}")'
        if argument
        else f"{condition_class.__name__}()",
        meaning=summary,
        support=_describe_support(vendor.contacts.conditions.get(name), example),
    )


def _describe_support(support: ConditionSupport | None, example: Condition) -> str:
    if support is None:
        return "no"
    if support.to_filters(example, True) is not None:
        level = "server" if support.is_on_record else "server only"
        return f"{level}, with the filter `{support.record_filter}`" if support.record_filter else level
    level = "record" if support.is_on_record else "server only"
    return f"{level}, with the filter `{support.required_filter}`" if support.required_filter else level
