"""Mask what was sent, e-mail addresses and phone numbers in a vendor's words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from urllib.parse import quote, quote_plus

from airflow_provider_contacts.core.http.context import ConnectionContext
from airflow_provider_contacts.core.request import Request

_EMAIL = re.compile(r"[^\s@<>\"'(),;:]+@[^\s@<>\"'(),;:]+")
_PHONE = re.compile(r"\+?\d[\d().\s-]{6,}\d")
_MAX_TEXT_LENGTH = 300
# Shorter values, such as "1", identify nobody, and masking them would leave holes everywhere.
_MIN_VALUE_LENGTH = 3


def redact(text: str, context: ConnectionContext, request: Request, token: str | None) -> str:
    """Return a vendor's words on one line, without anything that was sent and without personal data.

    :param request: the request that the vendor answered; it may echo its parameters and its body.
    :param token: the bearer token that was sent, or None.
    """
    for value in sorted(_sent_values(context, request, token), key=len, reverse=True):
        text = re.sub(re.escape(value), "***", text, flags=re.IGNORECASE)
    text = _PHONE.sub("***", _EMAIL.sub("***", text))
    text = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return text if len(text) <= _MAX_TEXT_LENGTH else text[:_MAX_TEXT_LENGTH] + "…"


def _sent_values(context: ConnectionContext, request: Request, token: str | None) -> set[str]:
    settings = context.settings
    headers = context.credentials.headers
    values = {value for _, value in request.params if len(value) >= _MIN_VALUE_LENGTH}
    values |= set(_texts(request.json))
    values |= {settings.login, settings.password, token or "", *headers.values()}
    # "Bearer abc" is echoed as "abc" too.
    values |= {part for value in headers.values() for part in value.split()[1:]}
    values.discard("")
    return values | {encoded for value in values for encoded in (quote(value, safe=""), quote_plus(value))}


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str) and len(value) >= _MIN_VALUE_LENGTH:
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
