"""The ``requests`` session of a connection. Imported when the first request is sent, not in a DAG parse."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from airflow_provider_contacts.core.settings import origin


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
    adapter = HTTPAdapter(pool_connections=1, pool_maxsize=pool_size)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session
