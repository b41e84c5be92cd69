"""Validate a vendor's filters and write them as query parameters.

A vendor declares its filters as a ``TypedDict`` whose keys are its own parameter names. Values may come from
Jinja templates, so numbers and booleans may be text. No message repeats a value: a filter such as ``search``
holds personal data.
"""

from __future__ import annotations

import difflib
import json
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from airflow_provider_contacts.conditions import AllOf, Condition, Not, tag_of
from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.errors import InvalidRequest, UnsupportedByVendor

QueryParams = list[tuple[str, str]]

# For parameters that hold JSON text: an object, or its text, is taken.
JSON_OBJECT = msgspec.Meta(description="an object, or JSON text of one", extra={"json": True})


def validate_filters(
    filters: Mapping[str, Any] | None, declared: type, vendor: str, *, reserved: Iterable[str] = ()
) -> dict[str, Any]:
    """Return ``filters`` with every value in the type that the vendor declares.

    :param declared: the vendor's ``TypedDict``.
    :param vendor: the vendor's name, for messages.
    :param reserved: parameters of the API page that paging sets itself.
    :raises InvalidRequest: for an unknown filter, an empty value, or a value that does not fit.
    """
    if filters is None:
        return {}
    if not isinstance(filters, Mapping):
        raise InvalidRequest(f"{vendor}: filters must be a mapping of names to values")
    hints = get_type_hints(declared, include_extras=True)
    checked = {}
    for name, value in filters.items():
        if name in reserved:
            raise InvalidRequest(
                f"{vendor}: `{name}` is not a filter: every page is read. Use `limit` of the hook or operator "
                "to read fewer contacts"
            )
        if name not in hints:
            raise InvalidRequest(f"{vendor}: unknown filter `{name}`.{_suggest(name, hints)}")
        checked[name] = _convert(value, hints[name], f"{vendor}: filter `{name}`")
    return checked


def to_query(filters: Mapping[str, Any]) -> QueryParams:
    """Return validated filters as query parameters: lists repeat the key, objects are JSON text."""
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


def _convert(value: Any, hint: Any, where: str) -> Any:
    if isinstance(value, str) and not value.strip():
        value = None
    if value is None or (isinstance(value, list | tuple | set | dict) and not value):
        raise InvalidRequest(f"{where} is empty; leave it out to list without it")
    plain = get_args(hint)[0] if _meta(hint) else hint
    if _is_json(hint):
        return _json_object(value, where)
    if get_origin(plain) is list:
        value = list(value) if isinstance(value, list | tuple | set) else [value]
        return [_convert(item, get_args(plain)[0], where) for item in value]
    if _takes_text(plain) and isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    if isinstance(value, str) and not _is_text(value):
        raise InvalidRequest(f"{where} holds characters that are no text")
    try:
        return msgspec.convert(value, hint, strict=False)
    except msgspec.ValidationError:
        raise InvalidRequest(f"{where} must be {_expected(hint)}.{_suggest_value(value, plain)}") from None


def _json_object(value: Any, where: str) -> dict[str, Any]:
    if isinstance(value, str):
        try:
            value = msgspec.json.decode(value)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            value = None
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        text = ""
    if not isinstance(value, dict) or not value or not _is_text(text):
        raise InvalidRequest(f"{where} must be {JSON_OBJECT.description}")
    return value


def _is_text(value: str) -> bool:
    """Tell whether a string can be sent: surrogates on their own cannot."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return bool(value)


def _meta(hint: Any) -> msgspec.Meta | None:
    metadata = getattr(hint, "__metadata__", ())
    return next((item for item in metadata if isinstance(item, msgspec.Meta)), None)


def _is_json(hint: Any) -> bool:
    meta = _meta(hint)
    return bool(meta and meta.extra and meta.extra.get("json"))


def _takes_text(hint: Any) -> bool:
    options = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    return str in options


def _expected(hint: Any) -> str:
    if (meta := _meta(hint)) and meta.description:
        return meta.description
    plain = get_args(hint)[0] if _meta(hint) else hint
    if get_origin(plain) is Literal:
        return "one of " + ", ".join(repr(option) for option in get_args(plain))
    return {bool: "true or false", int: "a whole number", str: "text"}.get(plain, "another type")


def _suggest(name: Any, known: Iterable[str]) -> str:
    options = sorted(known)
    close = difflib.get_close_matches(str(name), options, n=1)
    return f" Did you mean `{close[0]}`?" if close else f" Known filters: {', '.join(options)}."


def _suggest_value(value: Any, plain: Any) -> str:
    if get_origin(plain) is not Literal or not isinstance(value, str):
        return ""
    options = {str(option).lower(): str(option) for option in get_args(plain)}
    close = difflib.get_close_matches(value.lower(), options, n=1)
    return f" Did you mean {options[close[0]]!r}?" if close else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """How a vendor can answer one kind of condition.

    :param push: gives the filters that ask the vendor for the condition (or, with False, for its opposite),
        or None where its filters cannot say it.
    :param on_record: whether a record shows it.
    :param needs: a filter that the author has to give for the vendor to answer, or empty.
    :param exact: whether the vendor's filter says all that the condition says. Where it does not, a contact
        of which the record cannot tell is dropped; where it does, the vendor is trusted.
    """

    push: Callable[[Any, bool], dict[str, Any] | None] = lambda _leaf, _wanted: None
    on_record: bool = True
    needs: Callable[[Any], str] = lambda _leaf: ""
    exact: Callable[[Any], bool] = lambda _leaf: True


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked of the vendor, and what is tested on the records that come back.

    :param filters: the author's filters and those of the condition.
    :param trusted: conditions that the vendor has answered: only a record that says otherwise is dropped.
    :param tested: conditions that a record has to show.
    """

    filters: dict[str, Any]
    trusted: tuple[Condition, ...] = ()
    tested: tuple[Condition, ...] = ()

    @property
    def tests(self) -> bool:
        """Whether there is anything to test."""
        return bool(self.trusted or self.tested)

    def holds(self, contact: Contact) -> bool | None:
        """Return whether a contact that the vendor gave is one that was asked for, or None if it cannot be told."""
        if any(part.holds(contact) is False for part in self.trusted):
            return False
        values = [part.holds(contact) for part in self.tested]
        return False if False in values else None if None in values else True


def plan(
    condition: Condition | None,
    filters: Mapping[str, Any],
    answers: Mapping[str, Answer],
    vendor: str,
) -> Plan:
    """Divide a condition into what the vendor is asked and what is tested on the records.

    :param filters: the author's own filters; none is replaced.
    :param answers: what the vendor can answer, by the condition's name.
    :param vendor: the vendor's name, for messages.
    :raises UnsupportedByVendor: if the vendor cannot tell; ``condition`` of the error names what it cannot.
    """
    asked = dict(filters)
    if condition is None:
        return Plan(asked)
    for leaf in condition.leaves():
        _require_answer(leaf, asked, answers, vendor)
    trusted: list[Condition] = []
    tested: list[Condition] = []
    for part in condition.of if isinstance(condition, AllOf) else (condition,):
        leaf, wanted = (part.of, False) if isinstance(part, Not) else (part, True)
        answer = answers.get(tag_of(leaf))
        params = answer.push(leaf, wanted) if answer else None
        pushed = params is not None and all(asked.get(name, value) == value for name, value in params.items())
        if pushed:
            asked.update(params or {})
        if answer is not None and answer.exact(leaf):
            # Where no record shows it, the filter that the author had to give is the vendor's answer.
            by_author = wanted and bool(answer.needs(leaf)) and not answer.on_record
            if pushed or by_author:
                trusted.append(part)
                continue
        for hidden in part.leaves():
            if not answers[tag_of(hidden)].on_record:
                raise UnsupportedByVendor(
                    f"{vendor} shows the condition `{tag_of(hidden)}` in no record, so it cannot stand under "
                    "`not` or `any`, nor beside a filter that says otherwise",
                    condition=tag_of(hidden),
                )
        tested.append(part)
    return Plan(asked, tuple(trusted), tuple(tested))


def _require_answer(
    leaf: Condition, filters: Mapping[str, Any], answers: Mapping[str, Answer], vendor: str
) -> None:
    answer = answers.get(tag_of(leaf))
    if answer is None:
        raise UnsupportedByVendor(
            f"{vendor} cannot tell the condition `{tag_of(leaf)}`", condition=tag_of(leaf)
        )
    if (needed := answer.needs(leaf)) and needed not in filters:
        raise UnsupportedByVendor(
            f"{vendor} can tell the condition `{tag_of(leaf)}` only if the filter `{needed}` is given"
        )
