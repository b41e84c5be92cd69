"""Strict validation of requests: what the API docs do not document is rejected and recorded."""

from __future__ import annotations

import datetime
import re
from collections.abc import Hashable, Mapping
from typing import Annotated, Any, Literal, NoReturn

import msgspec
from fastapi import Request, Response
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    StringConstraints,
    ValidationError,
)

from airflow_provider_contacts.sandbox.state import State

Query = dict[str, Any]

# 2026-01-01, around which the sandbox's times are.
BASE_TIME_SECONDS = 1_767_225_600


class ApiError(Exception):
    """A request that a vendor answers with an error.

    :param status: HTTP status.
    :param label: the vendor's name for the error.
    :param message: its explanation.
    """

    def __init__(self, status: int, label: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.label = label
        self.message = message


class QueryModel(BaseModel):
    """The query parameters that the API docs list. Repeated parameters become a list."""

    model_config = ConfigDict(extra="forbid")


class BodyModel(BaseModel):
    """The fields of a JSON body that the API docs list, with exactly their types."""

    model_config = ConfigDict(extra="forbid", strict=True)


def _parse_json_object(text: object) -> object:
    try:
        return msgspec.json.decode(str(text))
    except msgspec.DecodeError:
        raise ValueError("is not JSON") from None


def _require_digits(text: object) -> object:
    if not re.fullmatch(r"0|[1-9][0-9]*", str(text), re.ASCII):
        raise ValueError("is not a whole number")
    return text


Text = Annotated[str, StringConstraints(min_length=1)]
# pydantic accepts `+1`, `01` and `1_0` too.
Number = Annotated[int, BeforeValidator(_require_digits)]
# Spelled `true` or `false`: pydantic accepts `1` and `yes` too.
Boolean = Annotated[Literal["true", "false"], AfterValidator(lambda text: text == "true")]
JsonObject = Annotated[dict[str, Any], BeforeValidator(_parse_json_object)]


def parse_query(state: State, vendor: str, request: Request, model: type[QueryModel]) -> Query:
    """Return the validated query parameters.

    :raises ApiError: with status 400 for the first that breaks a rule, which is recorded.
    """
    lists = {name for name, info in model.model_fields.items() if "list" in str(info.annotation)}
    values: dict[str, Any] = {}
    for name, value in request.query_params.multi_items():
        if name in lists:
            values.setdefault(name, []).append(value)
        elif name in values:
            reject(state, vendor, request, f"parameter {name!r} is given twice")
        else:
            values[name] = value
    try:
        checked = model.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        reject(state, vendor, request, f"parameter {str(first['loc'][0])!r}: {first['msg']}")
    return {name: getattr(checked, name) for name in checked.model_fields_set}


async def parse_body(state: State, vendor: str, request: Request, model: type[BodyModel]) -> dict[str, Any]:
    """Return the validated fields of a JSON body.

    :raises ApiError: with status 400 for the first that breaks a rule, which is recorded.
    """
    body = await parse_json_body(state, vendor, request)
    try:
        model.model_validate(body)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        reject(state, vendor, request, f"body field {place!r}: {first['msg']}")
    return body


def reject(
    state: State, vendor: str, request: Request, problem: str, *, label: str = "Invalid Request"
) -> NoReturn:
    """Record a broken rule and answer with status 400."""
    state.add_violation(vendor, request.method, request.url.path, problem)
    raise ApiError(400, label, problem)


async def parse_json_body(state: State, vendor: str, request: Request) -> dict[str, Any]:
    """Return the JSON object in a request's body."""
    if request.headers.get("content-type", "").split(";")[0] != "application/json":
        reject(state, vendor, request, "the Content-Type of the body is not application/json")
    try:
        body = msgspec.json.decode(await request.body())
    except msgspec.DecodeError:
        body = None
    if not isinstance(body, dict):
        reject(state, vendor, request, "the body is not a JSON object")
    return body


def cache_key(query: Mapping[str, object]) -> Hashable:
    """Return checked parameters in a form that can be a key."""
    return tuple(sorted((name, repr(value)) for name, value in query.items()))


def json_response(content: bytes, status: int = 200) -> Response:
    """Return a response with encoded JSON."""
    return Response(content, status_code=status, media_type="application/json")


def iso_time(seconds: float, timespec: Literal["seconds", "milliseconds"] = "seconds") -> str:
    """Return a Unix time as ISO 8601 in UTC with a Z."""
    moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return moment.isoformat(timespec=timespec).replace("+00:00", "Z")
