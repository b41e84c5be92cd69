"""Proxies and certificates from the environment, shared by `requests` and `httpx`."""

from __future__ import annotations

import os
import ssl
from collections.abc import MutableMapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import requests

from airflow_provider_contacts.core.settings import is_loopback
from airflow_provider_contacts.errors import InvalidConnection


@dataclass(frozen=True, slots=True, repr=False)
class Environment:
    """Proxies and certificates. It has no repr, because a proxy's URL may contain a password.

    :param proxies: proxy URLs by scheme.
    :param verify: True, or the path of the certificates to trust.
    """

    proxies: MutableMapping[str, str]
    verify: bool | str

    def tls_context(self) -> ssl.SSLContext | bool:
        """Return the certificates in the form that ``httpx`` takes."""
        if not isinstance(self.verify, str):
            return self.verify
        if os.path.isdir(self.verify):
            return ssl.create_default_context(capath=self.verify)
        return ssl.create_default_context(cafile=self.verify)


def read_environment(base_url: str, conn_id: str) -> Environment:
    """Return the proxies and certificates for a URL, as ``requests`` does; no proxy for loopback.

    :raises InvalidConnection: if the environment names certificates that do not exist.
    """
    with requests.Session() as session:
        merged = session.merge_environment_settings(base_url, {}, False, True, None)
    verify = merged["verify"]
    if not isinstance(verify, bool | str):
        verify = True
    if isinstance(verify, str) and not os.path.exists(verify):
        raise InvalidConnection(
            f"The CA file that the environment names for connection {conn_id!r} does not exist. Check "
            "REQUESTS_CA_BUNDLE."
        )
    is_local = is_loopback(urlsplit(base_url).hostname or "")
    return Environment({} if is_local else dict(merged["proxies"] or {}), verify)
