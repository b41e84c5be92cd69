"""Read one contact."""

from __future__ import annotations

import asyncio
import contextlib
from urllib.parse import quote

import msgspec

from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.core.error_bodies import ErrorInBody
from airflow_provider_contacts.core.http.client import Transport
from airflow_provider_contacts.core.reading.decoding import PageDecoder
from airflow_provider_contacts.core.request import Request, Response
from airflow_provider_contacts.core.vendor import ListingScope
from airflow_provider_contacts.errors import MalformedResponse


class ContactReading:
    """Reads one contact of a vendor whose API can return one.

    :param transport: of the connection.
    :param contact_id: the vendor's id.
    :raises InvalidRequest: if the id is malformed.
    """

    def __init__(self, transport: Transport, contact_id: str) -> None:
        vendor = transport.vendor
        assert vendor.contact is not None
        vendor.updates.check_ids(contact_id, "")
        self._transport = transport
        self._endpoint = vendor.contact
        self._contact_id = contact_id
        path = vendor.contact.path.format(contact_id=quote(contact_id, safe=""))
        self._request = Request("GET", path)
        settings = transport.settings
        account_id = vendor.contacts.account_id(vendor.contacts.default_filters({}, settings), settings)
        self._decoder = PageDecoder(
            vendor.contacts,
            vendor.error_format,
            vendor=vendor.name,
            scope=ListingScope(account_id),
            keep_raw=True,
        )

    def get(self) -> Contact:
        """Return the contact.

        :raises NotFound: if the vendor does not know it.
        :raises ContactsError: if the request fails.
        """
        return self._transport.send(self._request, self._parse)

    async def aget(self) -> Contact:
        """Async version of :meth:`get`."""
        backend = await asyncio.to_thread(self._transport.open_backend)
        async with contextlib.aclosing(backend):
            return await self._transport.asend(self._request, self._parse, backend)

    def _parse(self, response: Response) -> Contact:
        if reported := self._transport.vendor.error_format.find_error(response.body):
            raise ErrorInBody(reported)
        record = self._endpoint.unwrap(response.json())
        if not isinstance(record, dict) or not record:
            raise MalformedResponse("The response has no contact where expected.")
        contact = self._decoder.decode_record(msgspec.json.encode(record))
        if contact.contact_id != self._contact_id:
            raise MalformedResponse(
                "The response contains a different contact from the one that was requested."
            )
        return contact
