"""What an Airflow connection says, checked and in types."""

from __future__ import annotations

import difflib
import ipaddress
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, urlsplit

from airflow_provider_contacts.errors import InvalidConnection

_HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?")
_COMMON_OPTIONS = ("timeout", "retry_limit", "requests_per_minute", "max_concurrency", "allow_http")


@dataclass(frozen=True, slots=True, repr=False)
class Login:
    """How to fetch a token that the vendor hands out for a name and a password.

    :param path: where to POST.
    :param body: the JSON to post.
    :param token: takes the token out of the answer, or gives None if there is none.
    """

    path: str
    body: dict[str, str]
    token: Callable[[Any], str | None]


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """What proves to a vendor who asks.

    :param headers: headers that every request carries.
    :param login: how to fetch a bearer token first, for vendors that have no lasting key.
    """

    headers: Mapping[str, str] = field(default_factory=dict)
    login: Login | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A connection's settings. Secrets are in no repr.

    :param conn_id: the connection's id, for messages.
    :param vendor: the vendor's name as people write it, for messages.
    :param base_url: address that paths are appended to, without a slash at the end.
    :param timeout: seconds that connecting, and any silence of the server, may last.
    :param retry_limit: how many times a request is sent again.
    :param requests_per_minute: the author's own budget, or None.
    :param max_concurrency: how many requests may be under way at once.
    """

    conn_id: str
    vendor: str
    base_url: str
    login: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    timeout: float = 30.0
    retry_limit: int = 5
    requests_per_minute: int | None = None
    max_concurrency: int = 4

    def require_password(self, label: str) -> str:
        """Return the password, which the connection form calls ``label``."""
        if not self.password:
            raise InvalidConnection(
                f"connection {self.conn_id!r} has no {label}; enter it in the field {label} (password)"
            )
        return self.password

    def option(self, name: str) -> str:
        """Return a field of the connection's extra as text, empty where it is not set."""
        value = self.options.get(name)
        return "" if value is None else str(value).strip()


def settings_from(
    *,
    conn_id: str,
    vendor: str,
    default_url: str | None,
    host: str | None = None,
    port: int | None = None,
    schema: str | None = None,
    login: str | None = None,
    password: str | None = None,
    extra: Mapping[str, Any] | None = None,
    options: tuple[str, ...] = (),
) -> Settings:
    """Check the parts of an Airflow connection.

    :param default_url: the vendor's own address, or None where the connection must give one.
    :param options: fields of the extra that are the vendor's own.
    :raises InvalidConnection: naming the form field to mend.
    """
    extra = extra or {}
    where = f"connection {conn_id!r}"
    for name in extra:
        if name not in (known := (*_COMMON_OPTIONS, *options)):
            close = difflib.get_close_matches(str(name), known, n=1)
            hint = f"Did you mean `{close[0]}`?" if close else f"Known are {', '.join(sorted(known))}."
            raise InvalidConnection(f"the extra of {where} has an unknown field `{name}`. {hint}")
    if host and host.strip():
        base_url = _base_url(host.strip(), port, schema, _flag(extra, "allow_http", where), where)
    elif default_url:
        base_url = default_url
    else:
        raise InvalidConnection(f"{where} has no Host; enter the URL of your {vendor} instance there")
    for part, value in (("login", login), ("password", password)):
        if value and any(ord(char) < 32 or 0xD800 <= ord(char) < 0xE000 for char in value):
            raise InvalidConnection(
                f"the {part} of {where} has a line break or another control character in it"
            )
    per_minute = _number(extra, "requests_per_minute", where, low=1, whole=True)
    return Settings(
        conn_id=conn_id,
        vendor=vendor,
        base_url=base_url,
        login=(login or "").strip(),
        password=(password or "").strip(),
        options=extra,
        timeout=_number(extra, "timeout", where, low=0.1) or 30.0,
        retry_limit=int(_number(extra, "retry_limit", where, low=0, whole=True, default=5) or 0),
        requests_per_minute=None if per_minute is None else int(per_minute),
        max_concurrency=int(_number(extra, "max_concurrency", where, low=1, high=64, whole=True) or 4),
    )


def origin(url: str | SplitResult) -> tuple[str, str, int | None]:
    """Return scheme, host and port of a URL, by which credentials are bound to where they may go."""
    parts = urlsplit(url) if isinstance(url, str) else url
    default = {"https": 443, "http": 80}.get(parts.scheme)
    return parts.scheme.lower(), (parts.hostname or "").lower(), parts.port or default


def _base_url(host: str, port: int | None, schema: str | None, allow_http: bool, where: str) -> str:
    if "://" not in host:
        # An IPv6 address of an Airflow URI comes without its brackets.
        host = f"[{host}]" if _is_ip(host, version=6) else host
        host = f"{schema if schema in ('http', 'https') else 'https'}://{host}"
        schema = None if schema in ("http", "https") else schema
    try:
        parts = urlsplit(host)
        has_port = parts.port is not None
    except ValueError:
        raise InvalidConnection(
            f"Host of {where} is not a URL; write https://host or https://host/path"
        ) from None
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise InvalidConnection(
            f"Host of {where} must hold no user name, password or query; secrets go into the other fields"
        )
    named = parts.hostname or ""
    odd = not host.isprintable() or "\\" in host or " " in host
    if (
        odd
        or parts.scheme not in ("http", "https")
        or not (_HOST_NAME.fullmatch(named) or _is_ip(named, version=6))
    ):
        raise InvalidConnection(f"Host of {where} is not a URL; write https://host or https://host/path")
    if parts.scheme == "http" and not allow_http and not is_loopback(named):
        raise InvalidConnection(
            f"Host of {where} is plain http, over which anyone on the way could read the credentials; use "
            'https://, or set "allow_http": true in Extra if you accept that'
        )
    netloc = parts.netloc if has_port or not port else f"{parts.netloc}:{port}"
    path = "/".join(part.strip("/") for part in (parts.path, schema or "") if part.strip("/"))
    return f"{parts.scheme}://{netloc}" + (f"/{path}" if path else "")


def _is_ip(host: str, version: int | None = None) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return version is None or address.version == version


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine."""
    if _is_ip(host):
        return ipaddress.ip_address(host).is_loopback
    return host.lower() == "localhost" or host.lower().endswith(".localhost")


def _flag(extra: Mapping[str, Any], name: str, where: str) -> bool:
    value = extra.get(name)
    if isinstance(value, str):
        value = {"true": True, "false": False, "": False}.get(value.strip().lower(), value)
    if value is None or isinstance(value, bool):
        return bool(value)
    raise InvalidConnection(f"`{name}` in the extra of {where} must be true or false")


def _number(
    extra: Mapping[str, Any],
    name: str,
    where: str,
    *,
    low: float,
    high: float = 1e6,
    whole: bool = False,
    default: float | None = None,
) -> float | None:
    value = extra.get(name)
    if value is None or value == "":
        return default
    wanted = f"`{name}` in the extra of {where} must be a {'whole ' if whole else ''}number from {low:g} to {high:g}"
    try:
        number = math.nan if isinstance(value, str) and "_" in value else float(value)
    except (TypeError, ValueError, OverflowError):
        raise InvalidConnection(wanted) from None
    if isinstance(value, bool) or not low <= number <= high or (whole and number != int(number)):
        raise InvalidConnection(wanted)
    return number
