"""The fields of a vendor's connection form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
from msgspec import Meta


@dataclass(frozen=True, slots=True, kw_only=True)
class FormField:
    """A field of the form that Airflow keeps in the connection's Extra.

    :param name: key in Extra.
    :param label: title in the form.
    :param description: one sentence below the field.
    :param example: a value, for the documentation.
    :param is_shown: whether the form has the field. Extra may contain it either way.
    """

    name: str
    label: str
    description: str
    example: str = ""
    is_shown: bool = True
    type: Literal["string", "number", "integer", "boolean"] = "string"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionForm:
    """How a vendor's connection form looks.

    :param password_label: title of the field for the key, token or password.
    :param password_placeholder: where to find it.
    :param host_placeholder: what the empty field shows; by default, that it may stay empty.
    :param login_label: title of the login field, or empty if the form has none.
    :param fields: the vendor's own fields, in addition to :class:`ConnectionOptions`.
    """

    password_label: str
    password_placeholder: str = ""
    host_placeholder: str = ""
    host_label: str = "Host (base URL)"
    login_label: str = ""
    login_placeholder: str = ""
    fields: tuple[FormField, ...] = ()


class ConnectionOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The fields in Extra that all connection types share, as their forms show them."""

    timeout: Annotated[
        float,
        Meta(
            title="Timeout",
            description="Seconds to wait for the server to connect or to send data. Default: 30.",
            ge=0.1,
            le=1e6,
        ),
    ] = 30.0
    request_deadline: Annotated[
        float,
        Meta(
            title="Request deadline",
            description="Seconds until a response must be complete, however slowly it arrives. Default: 300.",
            ge=1,
            le=1e6,
        ),
    ] = 300.0
    retry_limit: Annotated[
        int,
        Meta(
            title="Retry limit",
            description="How many times a failed request is retried. Default: 5.",
            ge=0,
            le=1_000_000,
        ),
    ] = 5
    requests_per_minute: (
        Annotated[
            int,
            Meta(
                title="Requests per minute",
                description="How many requests a process may send per minute. Default: the published limit.",
                ge=1,
                le=1_000_000,
            ),
        ]
        | None
    ) = None
    max_concurrency: Annotated[
        int,
        Meta(
            title="Max concurrency",
            description="How many requests one process sends at the same time. Default: 4.",
            ge=1,
            le=64,
        ),
    ] = 4
    page_size: (
        Annotated[
            int,
            Meta(
                title="Page size",
                description="How many contacts one request asks for. Default: as many as the vendor allows.",
                ge=1,
                le=100_000,
            ),
        ]
        | None
    ) = None
    on_incomplete: Annotated[
        Literal["fail", "warn"],
        Meta(
            title="On incomplete",
            description="What to do if a listing cannot be proven complete: fail or warn. Default: fail.",
        ),
    ] = "fail"
    allow_http: Annotated[
        bool,
        Meta(
            title="Allow plain http",
            description="Send credentials unencrypted to a host other than this machine.",
        ),
    ] = False
