"""Parse conditions from JSON, from templates and from text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import TypeAlias

import msgspec

from airflow_provider_contacts.conditions import (
    SIMPLE_CONDITIONS,
    AnyCondition,
    Condition,
    get_condition_name,
)
from airflow_provider_contacts.core.validation import closest
from airflow_provider_contacts.errors import InvalidRequest

_COMBINATORS = ("all", "any", "not")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)

# A condition, its JSON, or text such as `tagged:Hot lead`.
ConditionLike: TypeAlias = Condition | Mapping[str, object] | str


def parse_condition(value: ConditionLike | None) -> Condition | None:
    """Parse a condition from an object, JSON or shorthand text.

    :param value: a condition, a mapping such as ``{"condition": "replied"}``, JSON text, ``replied``,
        ``tagged:Hot lead``, or None, which stays None.
    :raises InvalidRequest: if it is not a valid condition.
    """
    if value is None or isinstance(value, Condition):
        return value
    if isinstance(value, type) and issubclass(value, Condition):
        raise InvalidRequest(f"The condition is a class, not an instance. Write {value.__name__}(…).")
    form = _parse_text(value) if isinstance(value, str) else value
    try:
        condition: Condition = msgspec.convert(_with_times(form), AnyCondition)
    except RecursionError:
        raise InvalidRequest("The condition is nested too deeply.") from None
    except msgspec.ValidationError as error:
        raise InvalidRequest(_explain(form, str(error))) from None
    return condition


def to_templatable(condition: object) -> object:
    """Return a condition as JSON types, because Airflow renders templates inside mappings but not inside structs.

    :param condition: any value; one that is not a condition is returned unchanged and checked when the task runs.
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
            form: object = msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError) as error:
            place = str(error).rpartition("(")[2].rstrip(")")
            raise InvalidRequest(f"The condition is not valid JSON ({place}).") from None
        return form
    name, colon, argument = (part.strip() for part in text.partition(":"))
    if not colon:
        return {"condition": name}
    return {"condition": name, "since" if name == "replied" else "name": argument}


def _with_times(form: object) -> object:
    """Return a condition's JSON with dates, such as Airflow's ``{{ ds }}``, replaced by midnight UTC."""
    if isinstance(form, list | tuple):
        return [_with_times(part) for part in form]
    if not isinstance(form, Mapping):
        return form
    form = {**form, "of": _with_times(form["of"])} if "of" in form else form
    since = form.get("since")
    if isinstance(since, date) and not isinstance(since, datetime):
        since = since.isoformat()
    if isinstance(since, str) and _DATE.fullmatch(since.strip()):
        return {**form, "since": f"{since.strip()}T00:00:00Z"}
    return form


def _explain(form: object, error: str) -> str:
    """Return why JSON is not a condition, without its values, which may come from a template."""
    known = [get_condition_name(condition) for condition in SIMPLE_CONDITIONS]
    detail = f" ({error})"
    # msgspec repeats unknown names in these two messages.
    if "Invalid value" in error or "unknown field" in error:
        detail = ": unknown name or field"
    if "RFC3339" in error:
        detail = ": `since` must be a time such as 2026-03-01T12:00:00Z, or a date such as 2026-03-01"
    unknown = [name.lower() for name in _names_in(form) if name not in (*known, *_COMBINATORS)]
    close = [match for name in unknown if (match := closest(name, known))]
    hint = f" Did you mean `{close[0]}`?" if close else ""
    return (
        f'Invalid condition{detail}.{hint} Write for example {{"condition": "tagged", "name": "VIP"}}. '
        f"Known conditions: {', '.join(known)}, and all, any, not with `of`."
    )


def _names_in(form: object) -> Iterator[str]:
    if isinstance(form, list | tuple):
        for part in form:
            yield from _names_in(part)
    elif isinstance(form, Mapping):
        if isinstance(form.get("condition"), str):
            yield form["condition"]
        yield from _names_in(form.get("of"))
