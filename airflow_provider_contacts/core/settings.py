"""Validated connection settings."""

from __future__ import annotations

import ipaddress
import re
import types
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal, Union, get_args, get_origin, get_type_hints
from urllib.parse import SplitResult, urlsplit

import msgspec

from airflow_provider_contacts.core.connection_form import ConnectionForm, ConnectionOptions
from airflow_provider_contacts.core.validation import did_you_mean
from airflow_provider_contacts.errors import InvalidConnection

_HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?")
_DEFAULT_PORTS = {"https": 443, "http": 80}
# The options that are settings under the same name.
_SHARED_OPTIONS = tuple(name for name in ConnectionOptions.__struct_fields__ if name != "allow_http")


@dataclass(frozen=True, slots=True, repr=False)
class TokenLogin:
    """How to fetch a bearer token with a name and a password.

    :param path: path to POST to.
    :param body: the JSON body.
    :param token_key: where in the response's JSON object the token is.
    """

    path: str
    body: Mapping[str, str]
    token_key: str = "token"  # noqa: S105 - the name of a JSON key


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """How a connection authenticates.

    :param headers: headers of every request.
    :param login: how to fetch a bearer token first, for vendors without a permanent key.
    """

    headers: Mapping[str, str] = field(default_factory=dict)
    login: TokenLogin | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of one connection. Secrets are not part of the repr.

    :param conn_id: the connection's id, for messages.
    :param base_url: the URL that paths are appended to, without a trailing slash.
    :param password_label: title of the password field in the vendor's form, for messages.
    :param vendor_options: the vendor's own fields in Extra.
    :param timeout: seconds to wait for the server to connect or to send data.
    :param request_deadline: seconds until a response must be complete.
    :param retry_limit: how many times a request is retried.
    :param requests_per_minute: the user's rate limit, or None.
    :param max_concurrency: how many requests of the connection may be in flight.
    :param page_size: contacts per request, or None for the most that the vendor returns.
    :param on_incomplete: whether a listing that cannot be proven complete is an error or a warning.
    """

    conn_id: str
    base_url: str
    password_label: str = "Password"  # noqa: S105 - a label
    login: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    vendor_options: Mapping[str, object] = field(default_factory=dict, repr=False)
    timeout: float = 30.0
    request_deadline: float = 300.0
    retry_limit: int = 5
    requests_per_minute: int | None = None
    max_concurrency: int = 4
    page_size: int | None = None
    on_incomplete: Literal["fail", "warn"] = "fail"

    def require_password(self) -> str:
        """Return the password.

        :raises InvalidConnection: if it is missing.
        """
        if not self.password:
            label = self.password_label
            raise InvalidConnection(
                f"Connection {self.conn_id!r} has no {label}. Enter it in the field {label} (password)."
            )
        return self.password

    def option(self, name: str) -> str:
        """Return one of the vendor's own fields as text, empty if it is not set."""
        value = self.vendor_options.get(name)
        return "" if value is None else str(value).strip()


def parse_connection(
    *,
    conn_id: str,
    vendor_title: str,
    form: ConnectionForm,
    default_url: str | None,
    host: str | None = None,
    port: int | None = None,
    schema: str | None = None,
    login: str | None = None,
    password: str | None = None,
    extra: Mapping[str, object] | None = None,
) -> Settings:
    """Validate the parts of an Airflow connection.

    :param form: the vendor's form, which names its own fields in Extra.
    :param default_url: the vendor's URL, or None if the connection must name one.
    :raises InvalidConnection: if a setting is invalid; the message names the form field.
    """
    extra = extra or {}
    where = f"connection {conn_id!r}"
    own_fields = {form_field.name for form_field in form.fields}
    _require_known_fields(extra, own_fields, where)
    options = _parse_options(extra, where)
    if host and host.strip():
        base_url = _parse_base_url(host.strip(), port, schema, options.allow_http, where)
    elif default_url:
        base_url = default_url
    else:
        raise InvalidConnection(
            f"Connection {conn_id!r} has no Host. Enter the URL of your {vendor_title} instance in the "
            "field Host."
        )
    for part, value in (("login", login), ("password", password)):
        if value and any(ord(char) < 32 or 0xD800 <= ord(char) < 0xE000 for char in value):
            raise InvalidConnection(
                f"The {part} of {where} contains a line break or another control character."
            )
    return Settings(
        conn_id=conn_id,
        base_url=base_url,
        password_label=form.password_label,
        login=(login or "").strip(),
        password=(password or "").strip(),
        vendor_options={name: value for name, value in extra.items() if name in own_fields},
        **{name: getattr(options, name) for name in _SHARED_OPTIONS},
    )


def origin(url: str | SplitResult) -> tuple[str, str, int | None]:
    """Return scheme, host and port of a URL. Credentials are sent to one origin only."""
    parts = urlsplit(url) if isinstance(url, str) else url
    return (
        parts.scheme.lower(),
        (parts.hostname or "").lower(),
        parts.port or _DEFAULT_PORTS.get(parts.scheme),
    )


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine."""
    if _is_ip(host):
        return ipaddress.ip_address(host).is_loopback
    return host.lower() == "localhost" or host.lower().endswith(".localhost")


def _require_known_fields(extra: Mapping[str, object], own_fields: set[str], where: str) -> None:
    known = {*ConnectionOptions.__struct_fields__, *own_fields}
    for name in extra:
        if name not in known:
            hint = did_you_mean(name, known) or f" Known fields: {', '.join(sorted(known))}."
            raise InvalidConnection(f"Extra of {where} has an unknown field `{name}`.{hint}")


def _parse_options(extra: Mapping[str, object], where: str) -> ConnectionOptions:
    options: dict[str, object] = {}
    for name, hint in get_type_hints(ConnectionOptions, include_extras=True).items():
        value = extra.get(name)
        if isinstance(value, str):
            value = value.strip()
        if value is None or value == "":
            continue  # an empty form field means the default
        constrained = _constrained(hint)
        try:
            options[name] = msgspec.convert(value, constrained, strict=False)
        except (msgspec.ValidationError, OverflowError):
            raise InvalidConnection(
                f"`{name}` in Extra of {where} must be {_expected(constrained)}."
            ) from None
    return ConnectionOptions(**options)  # type: ignore[arg-type]


def _constrained(hint: object) -> object:
    """Return the annotated type inside an optional one."""
    if get_origin(hint) in (Union, types.UnionType):
        return next(option for option in get_args(hint) if get_origin(option) is Annotated)
    return hint


def _expected(hint: object) -> str:
    plain, meta = get_args(hint)
    if plain is bool:
        return "true or false"
    if get_origin(plain) is Literal:
        return " or ".join(get_args(plain))
    kind = "whole number" if plain is int else "number"
    return f"a {kind} between {meta.ge:g} and {meta.le:,.0f}"


def _parse_base_url(host: str, port: int | None, schema: str | None, allow_http: bool, where: str) -> str:
    if "://" not in host:
        # Airflow removes the brackets of an IPv6 address in a connection URI.
        host = f"[{host}]" if _is_ip(host, version=6) else host
        host = f"{schema if schema in ('http', 'https') else 'https'}://{host}"
        schema = None if schema in ("http", "https") else schema
    not_a_url = f"Host of {where} is not a URL. Write https://host or https://host/path."
    try:
        parts = urlsplit(host)
        has_port = parts.port is not None
    except ValueError:
        raise InvalidConnection(not_a_url) from None
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise InvalidConnection(
            f"Host of {where} must not contain a user name, a password or a query. Enter secrets in the "
            "other fields."
        )
    hostname = parts.hostname or ""
    has_invalid_characters = not host.isprintable() or "\\" in host or " " in host
    has_valid_hostname = bool(_HOST_NAME.fullmatch(hostname)) or _is_ip(hostname, version=6)
    if has_invalid_characters or parts.scheme not in ("http", "https") or not has_valid_hostname:
        raise InvalidConnection(not_a_url)
    if parts.scheme == "http" and not allow_http and not is_loopback(hostname):
        raise InvalidConnection(
            f"Host of {where} uses plain http, which exposes the credentials to everyone on the network. Use "
            'https://, or set "allow_http": true in Extra to accept that.'
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


def bearer_credentials(settings: Settings) -> Credentials:
    """Return credentials whose password is a bearer token."""
    return Credentials({"Authorization": f"Bearer {settings.require_password()}"})
