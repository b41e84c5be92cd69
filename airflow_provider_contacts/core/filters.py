"""Validate a vendor's filters and encode them as query parameters.

A vendor declares its filters as a ``TypedDict`` whose keys are its own parameter names. Values may
come from Jinja templates, so numbers and booleans may be text. No message repeats a value: a filter
such as ``search`` contains personal data.
"""

from __future__ import annotations

import json
import types
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias, Union, get_args, get_origin, get_type_hints

import msgspec

from airflow_provider_contacts.core.validation import closest, did_you_mean, is_encodable
from airflow_provider_contacts.errors import InvalidRequest

Filters: TypeAlias = Mapping[str, object]
QueryParams: TypeAlias = list[tuple[str, str]]

# For parameters that take JSON text: an object, or its text, is accepted.
JsonObject: TypeAlias = Annotated[
    Mapping[str, object] | str,
    msgspec.Meta(description="a JSON object, as a dict or as text", extra={"json": True}),
]


@dataclass(frozen=True, slots=True)
class FilterHelp:
    """What a filter means, for documentation; part of its annotation.

    :param meaning: which contacts it selects, as a sentence.
    :param example: a value, as it is written on the command line.
    """

    meaning: str
    example: str


@dataclass(frozen=True, slots=True)
class FilterDescription:
    """A filter, for documentation.

    :param type: which values it takes, such as ``true or false``.
    """

    name: str
    type: str
    meaning: str
    example: str


def describe_filters(declared: type) -> list[FilterDescription]:
    """Return the filters that a vendor declares.

    :param declared: the vendor's ``TypedDict``.
    """
    found = []
    for name, hint in get_type_hints(declared, include_extras=True).items():
        explained = next(
            (item for item in _annotations(hint) if isinstance(item, FilterHelp)), FilterHelp("", "")
        )
        found.append(FilterDescription(name, _describe_type(hint), explained.meaning, explained.example))
    return found


def validate_filters(
    filters: Filters | None, declared: type, vendor: str, *, reserved: Iterable[str] = ()
) -> dict[str, object]:
    """Return the filters with every value in the type that the vendor declares.

    :param declared: the vendor's ``TypedDict``.
    :param vendor: the vendor's title, for messages.
    :param reserved: parameters that paging sets.
    :raises InvalidRequest: for an unknown filter, an empty value, or a value of the wrong type.
    """
    if filters is None:
        return {}
    if isinstance(filters, str):
        raise InvalidRequest(
            f"{vendor}: `filters` is text, but must be a mapping of names to values. If it comes from a "
            "template, set render_template_as_native_obj=True on the DAG."
        )
    if not isinstance(filters, Mapping):
        raise InvalidRequest(f"{vendor}: Filters must be a mapping of names to values.")
    hints = get_type_hints(declared, include_extras=True)
    checked = {}
    for name, value in filters.items():
        if name in reserved:
            raise InvalidRequest(
                f"{vendor}: `{name}` cannot be a filter, because the package sets it to read all pages. To "
                "read fewer contacts, use `limit`."
            )
        if name not in hints:
            hint = did_you_mean(name, hints) or f" Known filters: {', '.join(sorted(hints))}."
            raise InvalidRequest(f"{vendor}: Unknown filter `{name}`.{hint}")
        checked[name] = _convert(value, hints[name], f"{vendor}: Filter `{name}`")
    return checked


def to_query(filters: Filters) -> QueryParams:
    """Return validated filters as query parameters: lists repeat the key, objects are JSON."""
    params: QueryParams = []
    for name, value in filters.items():
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, bool):
                params.append((name, "true" if item else "false"))
            elif isinstance(item, dict):
                params.append((name, msgspec.json.encode(item).decode()))
            else:
                params.append((name, str(item)))
    return params


def _convert(value: object, hint: object, where: str) -> object:
    if isinstance(value, str) and not value.strip():
        value = None
    if value is None or (isinstance(value, list | tuple | set | dict) and not value):
        raise InvalidRequest(f"{where} is empty. Set a value, or remove the filter.")
    meta = _meta(hint)
    if meta and meta.extra and meta.extra.get("json"):
        return _parse_json_object(value, where, str(meta.description))
    plain = _without_annotations(hint)
    if get_origin(plain) is list:
        value = list(value) if isinstance(value, list | tuple | set) else [value]
        return [_convert(item, get_args(plain)[0], where) for item in value]
    if _accepts_text(plain) and isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    if isinstance(value, str) and not is_encodable(value):
        raise InvalidRequest(f"{where} contains characters that cannot be encoded as UTF-8.")
    try:
        converted: object = msgspec.convert(value, hint, strict=False)
    except msgspec.ValidationError:
        raise InvalidRequest(
            f"{where} must be {_expected(plain, meta)}.{_suggest_option(value, plain)}"
        ) from None
    return converted


def _parse_json_object(value: object, where: str, expected: str) -> dict[str, object]:
    if isinstance(value, str):
        try:
            value = msgspec.json.decode(value)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            value = None
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        text = ""
    if not isinstance(value, dict) or not value or not text or not is_encodable(text):
        raise InvalidRequest(f"{where} must be {expected}.")
    return value


def _without_annotations(hint: object) -> object:
    return get_args(hint)[0] if get_origin(hint) is Annotated else hint


def _annotations(hint: object) -> tuple[object, ...]:
    return getattr(hint, "__metadata__", ())


def _meta(hint: object) -> msgspec.Meta | None:
    return next((item for item in _annotations(hint) if isinstance(item, msgspec.Meta)), None)


def _describe_type(hint: object) -> str:
    meta = _meta(hint)
    plain = _without_annotations(hint)
    if get_origin(plain) is list:
        return f"{_describe_type(get_args(plain)[0])}, or a list of them"
    return _expected(plain, meta)


def _accepts_text(hint: object) -> bool:
    options = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    return str in options


def _expected(plain: object, meta: msgspec.Meta | None) -> str:
    if meta and meta.description:
        return meta.description
    if get_origin(plain) is Literal:
        options = [repr(option) for option in get_args(plain)]
        return options[0] if len(options) == 1 else f"one of {', '.join(options)}"
    names: dict[object, str] = {bool: "true or false", int: "a whole number", str: "text"}
    return names.get(plain, "another type")


def _suggest_option(value: object, plain: object) -> str:
    if get_origin(plain) is not Literal or not isinstance(value, str):
        return ""
    options = {str(option).lower(): str(option) for option in get_args(plain)}
    close = closest(value.lower(), options)
    return f" Did you mean {options[close]!r}?" if close else ""
