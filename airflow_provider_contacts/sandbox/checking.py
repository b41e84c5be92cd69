"""Strict reading of requests: what an API page does not list is refused and recorded."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from fastapi import Request, Response

from airflow_provider_contacts.sandbox.world import World

Rule = Callable[[str], Any]


class Refused(Exception):
    """A request that a vendor answers with an error."""

    def __init__(self, status: int, label: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.label = label
        self.message = message


def text(value: str) -> str:
    """Take any text that is not empty."""
    if not value:
        raise ValueError("is empty")
    return value


def boolean(value: str) -> bool:
    """Take ``true`` or ``false``."""
    if value not in ("true", "false"):
        raise ValueError("is not true or false")
    return value == "true"


def whole(low: int, high: int | None = None) -> Rule:
    """Take a whole number of a range."""

    def rule(value: str) -> int:
        if not re.fullmatch(r"-?[0-9]+", value):
            raise ValueError("is not a whole number")
        if int(value) < low or (high is not None and int(value) > high):
            raise ValueError(f"is not between {low} and {high}")
        return int(value)

    return rule


def pattern(expression: str) -> Rule:
    """Take text of a form."""

    def rule(value: str) -> str:
        if not re.fullmatch(expression, value):
            raise ValueError(f"does not match {expression}")
        return value

    return rule


def option(*values: str) -> Rule:
    """Take one of some values."""

    def rule(value: str) -> str:
        if value not in values:
            raise ValueError(f"is not one of {', '.join(values)}")
        return value

    return rule


def json_object(value: str) -> dict[str, Any]:
    """Take JSON text of an object."""
    try:
        decoded = msgspec.json.decode(value)
    except msgspec.DecodeError:
        raise ValueError("is not JSON") from None
    if not isinstance(decoded, dict):
        raise ValueError("is not a JSON object")  # noqa: TRY004 - a bad value of a parameter
    return decoded


def query(
    world: World,
    vendor: str,
    request: Request,
    rules: Mapping[str, Rule],
    *,
    repeatable: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Return the checked parameters of a request; repeatable ones are lists.

    :raises Refused: with status 400 for the first that breaks a rule, which is recorded.
    """
    values: dict[str, Any] = {}
    for name, value in request.query_params.multi_items():
        problem = None
        if name not in rules:
            problem = f"unknown parameter {name!r}"
        elif name in values and name not in repeatable:
            problem = f"parameter {name!r} is given twice"
        else:
            try:
                checked = rules[name](value)
            except ValueError as error:
                problem = f"parameter {name!r} {error}"
        if problem:
            refuse(world, vendor, request, problem)
        if name in repeatable:
            values.setdefault(name, []).append(checked)
        else:
            values[name] = checked
    return values


def refuse(
    world: World, vendor: str, request: Request, problem: str, *, label: str = "Invalid Request"
) -> None:
    """Record a broken rule and answer 400."""
    world.violation(vendor, request.method, request.url.path, problem)
    raise Refused(400, label, problem)


async def json_body(world: World, vendor: str, request: Request) -> dict[str, Any]:
    """Return the JSON object of a request's body."""
    if request.headers.get("content-type", "").split(";")[0] != "application/json":
        refuse(world, vendor, request, "the body has no Content-Type application/json")
    try:
        body = msgspec.json.decode(await request.body())
    except msgspec.DecodeError:
        body = None
    if not isinstance(body, dict):
        refuse(world, vendor, request, "the body is not a JSON object")
    return body  # type: ignore[no-any-return]


def question(values: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return checked parameters in a form that can be a key."""
    return tuple(sorted((name, repr(value)) for name, value in values.items()))


def answer(content: bytes, status: int = 200) -> Response:
    """Return an answer of encoded JSON."""
    return Response(content, status_code=status, media_type="application/json")
