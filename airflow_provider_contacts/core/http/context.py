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
    """A vendor, a connection's settings, and its credentials. It has no repr, because it contains secrets."""

    vendor: Vendor
    settings: Settings
    credentials: Credentials

    @classmethod
    def create(cls, vendor: Vendor, settings: Settings) -> ConnectionContext:
        """Return the context of a connection.

        :raises InvalidConnection: if credentials are missing or cannot be sent in a header.
        """
        credentials = vendor.credentials(settings)
        if not all(fits_in_header(value) for value in credentials.headers.values()):
            raise InvalidConnection(
                f"The credentials of connection {settings.conn_id!r} contain characters that cannot be sent. Check the "
                f"{vendor.fields_to_check}."
            )
        return cls(vendor, settings, credentials)

    @property
    def origin(self) -> tuple[str, str, int | None]:
        """Scheme, host and port that requests are sent to."""
        return origin(self.settings.base_url)

    @property
    def server(self) -> str:
        """The base URL without its path."""
        parts = urlsplit(self.settings.base_url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def base_path(self) -> str:
        """The path of the base URL, without a trailing slash."""
        return urlsplit(self.settings.base_url).path

    def describe(self, request: Request) -> str:
        """Return vendor, method and path of a request, for messages."""
        return f"{self.vendor.title}: {request!r}"


def fits_in_header(value: str) -> bool:
    """Return whether text can be sent as the value of an HTTP header."""
    return value.isascii() and value.isprintable()
