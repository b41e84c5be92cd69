"""What both HTTP libraries need to be told. Imported when the first request is sent, not in a DAG parse."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

from airflow_provider_contacts.core.settings import is_loopback, origin
from airflow_provider_contacts.errors import InvalidConnection


@dataclass(frozen=True, slots=True, repr=False)
class Surroundings:
    """The proxies by scheme, and True or the path of the certificates to trust."""

    proxies: dict[str, str]
    verify: bool | str


def surroundings(base_url: str, conn_id: str) -> Surroundings:
    """Return what the environment says, by the rules of ``requests``. No proxy is used for this machine.

    :raises InvalidConnection: if the certificates that it names are not there.
    """
    with requests.Session() as session:
        merged = session.merge_environment_settings(base_url, {}, False, True, None)
    verify: Any = merged["verify"]
    if isinstance(verify, str) and not os.path.exists(verify):
        raise InvalidConnection(
            f"the environment's CA file for connection {conn_id!r} does not exist; check REQUESTS_CA_BUNDLE"
        )
    local = is_loopback(urlsplit(base_url).hostname or "")
    return Surroundings({} if local else dict(merged["proxies"]), verify)


def tls_context(verify: bool | str) -> ssl.SSLContext | bool:
    """Return for ``httpx`` what ``verify`` is for ``requests``."""
    if not isinstance(verify, str):
        return verify
    if os.path.isdir(verify):
        return ssl.create_default_context(capath=verify)
    return ssl.create_default_context(cafile=verify)


def no_cookies() -> DefaultCookiePolicy:
    """Return a policy that keeps no cookie: no vendor needs one, and one could mix up listings."""
    return DefaultCookiePolicy(allowed_domains=[])


class _BoundAuth(requests.auth.AuthBase):
    """Adds the credentials to requests of one origin. As an auth it also keeps ``.netrc`` out."""

    def __init__(self, base_url: str, headers: Mapping[str, str]) -> None:
        self.origin = origin(base_url)
        self.headers = dict(headers)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if origin(request.url or "") == self.origin:
            for name, value in self.headers.items():
                request.headers.setdefault(name, value)
        return request


class _BoundSession(requests.Session):
    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: Any) -> None:
        """Drop every credential on a redirect to another origin, not only ``Authorization``."""
        assert isinstance(self.auth, _BoundAuth)
        if origin(prepared_request.url or "") != self.auth.origin:
            for name in (*self.auth.headers, "Authorization"):
                prepared_request.headers.pop(name, None)


def bound_session(base_url: str, headers: Mapping[str, str], pool_size: int) -> requests.Session:
    """Return a session that carries ``headers`` to the origin of ``base_url`` alone.

    :param pool_size: how many connections to keep open.
    """
    session = _BoundSession()
    session.auth = _BoundAuth(base_url, headers)
    session.cookies.set_policy(no_cookies())
    session.trust_env = not is_loopback(urlsplit(base_url).hostname or "")
    adapter = HTTPAdapter(pool_connections=1, pool_maxsize=pool_size)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session
