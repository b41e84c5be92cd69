"""The connection data that every request needs."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from airflow_provider_contacts.core.request import Request
from airflow_provider_contacts.core.settings import Credentials, Settings, origin
from airflow_provider_contacts.core.vendor import Vendor
from airflow_provider_contacts.errors import InvalidConnection


@dataclass(frozen=True, slots=True, repr=False)
class ConnectionContext:
    """A vendor, a connection's settings and its credentials, without a repr of the secrets.

    :param origin: scheme, host and port that requests are sent to.
    :param server: the base URL without its path.
    :param base_path: the path of the base URL, without a trailing slash.
    """

    vendor: Vendor
    settings: Settings
    credentials: Credentials
    origin: tuple[str, str, int | None]
    server: str
    base_path: str

    @classmethod
    def create(cls, vendor: Vendor, settings: Settings) -> ConnectionContext:
        """Return the context of a connection.

        :raises InvalidConnection: if credentials are missing or cannot be sent in a header.
        """
        credentials = vendor.credentials(settings)
        if not all(fits_in_header(value) for value in credentials.headers.values()):
            raise InvalidConnection(
                f"The credentials of connection {settings.conn_id!r} contain characters that cannot be "
                f"sent. Check the {vendor.fields_to_check}."
            )
        url = urlsplit(settings.base_url)
        server = f"{url.scheme}://{url.netloc}"
        return cls(vendor, settings, credentials, origin(settings.base_url), server, url.path)

    def describe(self, request: Request) -> str:
        """Return vendor, method and path of a request, for messages."""
        return f"{self.vendor.title}: {request!r}"


def fits_in_header(value: str) -> bool:
    """Return whether text can be sent as the value of an HTTP header."""
    return value.isascii() and value.isprintable()
