"""Mask sent values, e-mail addresses and phone numbers in a vendor's error messages."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from urllib.parse import quote, quote_plus, unquote

from airflow_provider_contacts.core.http.context import ConnectionContext
from airflow_provider_contacts.core.request import Request

_EMAIL = re.compile(r"[^\s@<>\"'(),;:]+@[^\s@<>\"'(),;:]+")
_PHONE = re.compile(r"\+?\d[\d().\s-]{6,}\d")
_MAX_CHARACTERS = 300
_WORD = re.compile(r"\w+")
_JSON_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")
# Shorter values, such as "1", do not identify a person, and masking them would make messages
# unreadable.
_MIN_LENGTH = 3


def redact(text: str, context: ConnectionContext, request: Request, token: str | None) -> str:
    """Return a vendor's error message on one line, without sent values and personal data.

    Vendors echo what they received in many ways: escaped, folded, shortened, split into words.
    Every word of a sent value is therefore masked.

    :param request: the request that the vendor answered; it may echo its parameters and its body.
    :param token: the bearer token that was sent, or None.
    """
    sent = {value for _, value in request.params if len(value) >= _MIN_LENGTH} | set(_texts(request.json))
    secrets = _secrets(context, token)
    text = _unescape(text)
    for value in sorted(_in_every_encoding(sent | secrets), key=len, reverse=True):
        text = re.sub(re.escape(value), "***", text, flags=re.IGNORECASE)
    words = {word.casefold() for value in sent for word in _WORD.findall(_unescape(value))}
    text = _WORD.sub(lambda match: "***" if _is_sent(match, words) else match.group(), text)
    text = _PHONE.sub("***", _EMAIL.sub("***", text))
    text = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return text if len(text) <= _MAX_CHARACTERS else text[:_MAX_CHARACTERS] + "…"


def _is_sent(match: re.Match[str], words: set[str]) -> bool:
    word = match.group().casefold()
    if len(word) < _MIN_LENGTH:
        return False
    is_cut_short = not match.string[match.end() :].strip(" .…'\"")
    return word in words or (is_cut_short and any(sent.startswith(word) for sent in words))


def _unescape(text: str) -> str:
    """Return text without the escapes of HTML, URLs and JSON."""
    text = unquote(html.unescape(text))
    return _JSON_ESCAPE.sub(lambda match: chr(int(match.group(1), 16)), text)


def _secrets(context: ConnectionContext, token: str | None) -> set[str]:
    settings = context.settings
    headers = context.credentials.headers
    # "Bearer abc" is echoed as "abc" too.
    parts = {part for value in headers.values() for part in value.split()[1:]}
    return {settings.login, settings.password, token or "", *headers.values(), *parts} - {""}


def _in_every_encoding(values: set[str]) -> set[str]:
    return values | {encoded for value in values for encoded in (quote(value, safe=""), quote_plus(value))}


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str) and len(value) >= _MIN_LENGTH:
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
