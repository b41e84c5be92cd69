"""A request and a response, independent of the HTTP library that carries them."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from airflow_provider_contacts.core.error_bodies import decode_json

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, repr=False)
class Request:
    """A request without address and credentials. Its repr shows the method and the path only.

    :param path: path below the base URL.
    :param params: query parameters; a list repeats its name.
    :param json: the JSON body, or None.
    """

    method: str
    path: str
    params: tuple[tuple[str, str], ...] = ()
    json: object = None

    def __repr__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True, repr=False)
class Response:
    """A response, read to its end. Its repr shows the status only.

    :param headers: by case-insensitive name.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"<Response {self.status}>"

    def json(self) -> object:
        """Return the JSON value of the body.

        :raises MalformedResponse: if it is not JSON.
        """
        return decode_json(self.body)


# A flow of requests to a vendor: yields requests, receives their responses, returns a result.
# Attempts, logins and updates are all written this way, so that `requests` and `httpx` can drive
# the same code (docs/adr/0001).
Flow = Generator[Request, Response, Result]
