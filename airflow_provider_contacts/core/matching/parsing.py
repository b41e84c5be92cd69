"""Parse conditions from JSON, from templates and from text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TypeAlias

import msgspec

from airflow_provider_contacts.conditions import (
    SIMPLE_CONDITIONS,
    AllOf,
    AnyCondition,
    AnyOf,
    Condition,
    Not,
    get_condition_name,
)
from airflow_provider_contacts.core.validation import closest, did_you_mean
from airflow_provider_contacts.errors import InvalidRequest

_ALL_CONDITIONS: tuple[type[Condition], ...] = (*SIMPLE_CONDITIONS, AllOf, AnyOf, Not)
_CONDITIONS = {get_condition_name(condition): condition for condition in _ALL_CONDITIONS}
_NAMES_BY_CLASS = {
    condition.__name__.lower(): get_condition_name(condition) for condition in SIMPLE_CONDITIONS
}
_KNOWN_NAMES = f"Known conditions: {', '.join(_CONDITIONS)}."
_NAME = re.compile(r"[a-z][a-z_]{0,39}", re.ASCII)

# A condition, its JSON, or text such as `tagged:Hot lead`.
ConditionLike: TypeAlias = Condition | Mapping[str, object] | str


def parse_condition(value: ConditionLike | None) -> Condition | None:
    """Parse a condition from an object, JSON or shorthand text.

    :param value: a condition, a mapping such as ``{"condition": "replied"}``, JSON text,
        ``replied``, ``tagged:Hot lead``, or None, which stays None.
    :raises InvalidRequest: if it is not a valid condition.
    """
    if value is None or isinstance(value, Condition):
        return value
    if isinstance(value, type) and issubclass(value, Condition):
        raise InvalidRequest(f"The condition is a class, not an instance. Write {value.__name__}(…).")
    payload = _parse_text(value) if isinstance(value, str) else value
    try:
        condition: Condition = msgspec.convert(payload, AnyCondition)
    except RecursionError:
        raise InvalidRequest("The condition is nested too deeply.") from None
    except msgspec.ValidationError as error:
        raise InvalidRequest(_explain(payload, str(error))) from None
    return condition


def to_templatable(condition: object) -> object:
    """Return a condition as JSON types: Airflow renders templates in mappings, not in structs.

    :param condition: any value; one that is not a condition is returned unchanged and checked when
        the task runs.
    :raises InvalidRequest: if it is a condition's class instead of a condition.
    """
    if isinstance(condition, Condition):
        return condition.to_dict()
    if isinstance(condition, type):
        parse_condition(condition)  # type: ignore[arg-type]
    return condition


def _parse_text(text: str) -> object:
    if text.lstrip().startswith("{"):
        try:
            payload: object = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            place = str(error).rpartition("(")[2].rstrip(")")
            raise InvalidRequest(f"The condition is not valid JSON ({place}).") from None
        return payload
    if text.lstrip().startswith(("~", "!", "not ")):
        raise InvalidRequest(
            'Text has no negation. Use JSON: {"condition": "not", "of": {"condition": "replied"}}.'
        )
    name, colon, argument = (part.strip() for part in text.partition(":"))
    # The class's name, such as HasPhone, is accepted too.
    name = _NAMES_BY_CLASS.get(name.lower(), name)
    if not colon:
        return {"condition": name}
    return {"condition": name, _CONDITIONS.get(name, Condition).text_field: argument}


def _explain(payload: object, error: str) -> str:
    """Return why JSON is not a condition, without its values, which may come from a template.

    :param error: msgspec's message, whose path says where the problem is.
    """
    for node in _nodes_of(payload):
        if problem := _find_problem(node):
            return problem
    example = '{"condition": "tagged", "name": "VIP"}'
    return f"Invalid condition ({error}). Write for example {example}. {_KNOWN_NAMES}"


def _find_problem(node: object) -> str:
    """Return what is wrong with one condition, apart from those inside it, or an empty string."""
    name = node.get("condition") if isinstance(node, Mapping) else None
    if not isinstance(node, Mapping) or not isinstance(name, str):
        return ""
    condition = _CONDITIONS.get(name)
    if condition is None:
        close = closest(name.lower(), _CONDITIONS)
        hint = f"Did you mean `{close}`?" if close else _KNOWN_NAMES
        return f"Unknown condition{_quote(name)}. {hint}"
    fields = condition.__struct_fields__
    for field in map(str, node):
        if field not in (*fields, "condition"):
            takes = " and ".join(f"`{known}`" for known in fields) or "no fields"
            hint = did_you_mean(field, fields) or f" It takes {takes}."
            return f"The condition `{name}` has an unknown field{_quote(field)}.{hint}"
    for field in condition.time_fields:
        if node.get(field) is not None and (problem := _explain_time(name, field, node[field])):
            return problem
    return ""


def _explain_time(name: str, field: str, value: object) -> str:
    try:
        msgspec.convert({"condition": name, field: value}, _CONDITIONS[name])
    except msgspec.ValidationError as error:
        return f"The condition `{name}`: {error}."
    return ""


def _quote(name: str) -> str:
    """Return a name that looks like code, and nothing for text that may be personal data."""
    return f" `{name}`" if _NAME.fullmatch(name) else ""


def _nodes_of(payload: object) -> Iterator[object]:
    """Yield a condition's JSON and all conditions inside it."""
    if isinstance(payload, list | tuple):
        for part in payload:
            yield from _nodes_of(part)
        return
    yield payload
    if isinstance(payload, Mapping) and "of" in payload:
        yield from _nodes_of(payload["of"])
