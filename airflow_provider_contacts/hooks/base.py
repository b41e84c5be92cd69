"""Base class of the vendor hooks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from airflow.sdk import BaseHook

from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.core.logs import Log
from airflow_provider_contacts.core.matching.parsing import ConditionLike, parse_condition
from airflow_provider_contacts.errors import (
    ContactsError,
    UnsupportedByVendor,
)
from airflow_provider_contacts.hooks import registry
from airflow_provider_contacts.hooks.connections import (
    afind_connection,
    amask_secret,
    aread_settings,
    find_connection,
    mask_secret,
    read_settings,
)
from airflow_provider_contacts.hooks.planning import ListingPlans
from airflow_provider_contacts.hooks.single import SingleContacts

# What sends requests is imported when a hook is used: every DAG file imports this one, and that
# takes 30 ms less.
if TYPE_CHECKING:
    import requests

    from airflow_provider_contacts.core.changes import Change, ChangeKind
    from airflow_provider_contacts.core.http.client import Transport
    from airflow_provider_contacts.core.reading.reader import ContactReader, ListingRequest
    from airflow_provider_contacts.core.request import Flow
    from airflow_provider_contacts.core.settings import Settings
    from airflow_provider_contacts.core.updates.run import Updater
    from airflow_provider_contacts.core.vendor import Vendor

__all__ = ["ContactsHook"]

FiltersT = TypeVar("FiltersT", bound=Mapping[str, object])
Result = TypeVar("Result")


class ContactsHook(ListingPlans[FiltersT], SingleContacts, BaseHook, Generic[FiltersT]):
    """Read and update the contacts of one vendor through one Airflow connection.

    Use a vendor's own hook, or :meth:`for_connection` if the connection decides which vendor it is.
    A subclass declares ``vendor``; its connection type, title and default connection follow from
    that.

    :param contacts_conn_id: the Airflow connection; by default ``<vendor>_default``.
    :param page_size: contacts per request; by default the connection's, or the most that the vendor
        returns.
    :param log: where log lines go; by default Airflow's log of this hook.
    """

    conn_name_attr = "contacts_conn_id"
    default_conn_name: ClassVar[str]
    conn_type: ClassVar[str]
    hook_name: ClassVar[str]
    vendor: ClassVar[Vendor]

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        if "vendor" in cls.__dict__:
            cls.conn_type = cls.vendor.name
            cls.hook_name = cls.vendor.title
            cls.default_conn_name = f"{cls.vendor.name}_default"
            registry.register(cls)

    def __init__(
        self,
        contacts_conn_id: str | None = None,
        *,
        page_size: int | None = None,
        log: Log | None = None,
    ) -> None:
        super().__init__()
        self.contacts_conn_id = contacts_conn_id or self.default_conn_name
        self.page_size = page_size
        self._logger: Log = log or self.log
        self._settings: Settings | None = None
        self._transport: Transport | None = None
        self._transport_lock = threading.Lock()

    @classmethod
    def for_connection(
        cls, contacts_conn_id: str, *, page_size: int | None = None, log: Log | None = None
    ) -> ContactsHook[Any]:
        """Return the hook of the vendor that a connection belongs to.

        :raises InvalidConnection: if the connection does not exist, has another type, or a setting
            is invalid.
        """
        connection = find_connection(contacts_conn_id, cls)
        hook_class = registry.require_hook_class(connection.conn_type or "", contacts_conn_id)
        hook = hook_class(contacts_conn_id, page_size=page_size, log=log)
        hook._settings = read_settings(connection, contacts_conn_id, hook.vendor)
        return hook

    @classmethod
    async def afor_connection(
        cls, contacts_conn_id: str, *, page_size: int | None = None, log: Log | None = None
    ) -> ContactsHook[Any]:
        """Async version of :meth:`for_connection`."""
        connection = await afind_connection(contacts_conn_id, cls)
        hook_class = await asyncio.to_thread(
            registry.require_hook_class, connection.conn_type or "", contacts_conn_id
        )
        hook = hook_class(contacts_conn_id, page_size=page_size, log=log)
        # In a triggerer, every lookup waits for those of all other triggers.
        hook._settings = await aread_settings(connection, contacts_conn_id, hook.vendor)
        return hook

    @property
    def settings(self) -> Settings:
        """The connection's settings, read once.

        :raises InvalidConnection: if a setting is invalid; the message names the form field.
        """
        if self._settings is None:
            connection = find_connection(self.contacts_conn_id, type(self))
            self._settings = read_settings(connection, self.contacts_conn_id, self.vendor)
        return self._settings

    async def asettings(self) -> Settings:
        """Return :attr:`settings`, without blocking the event loop."""
        if self._settings is None:
            connection = await afind_connection(self.contacts_conn_id, type(self))
            self._settings = await aread_settings(connection, self.contacts_conn_id, self.vendor)
        return self._settings

    @property
    def requests_sent(self) -> int:
        """How many requests this hook has sent, including retries and logins."""
        return self._transport.requests_sent if self._transport else 0

    def get_conn(self) -> requests.Session:
        """Return a ``requests`` session that sends the connection's credentials.

        It sends them to the vendor's origin only, even if a redirect leads elsewhere. A Tether
        connection with a login has no permanent credential, so its session has none.
        """
        return self._get_transport(self.settings).backend.session

    def list_contacts(
        self,
        filters: FiltersT | None = None,
        *,
        condition: ConditionLike | None = None,
        limit: int | None = None,
        raw: bool = True,
        strict: bool = False,
    ) -> Iterator[Contact]:
        """Iterate over the contacts and fetch pages lazily.

        Filters, condition and connection are checked when this method is called, before any
        request.

        :param filters: the vendor's own parameters; see the vendor's ``…Filters`` class.
        :param condition: return only contacts that match, in addition to the filters. It is pushed
            down to the vendor's filters where possible. All records are then tested.
        :param limit: stop after this many contacts.
        :param raw: whether contacts keep the vendor's JSON; reading is faster without it.
        :param strict: whether a listing that does not reach the vendor's total is an error even if
            two passes in a row returned the same contacts, or ``on_incomplete`` is ``warn``. Use it
            if a missing contact means something, such as that it was deleted.
        :return: an iterator that ends after the last contact. Each contact is returned once.
        :raises InvalidRequest: if a filter, the condition or the limit is invalid.
        :raises UnsupportedByVendor: if the vendor does not support the condition; names the vendors
            that do.
        :raises IncompleteListing: at the end, if contacts kept moving between pages while they were
            read.
        :raises ContactsError: if a request fails; the subclass states the cause.
        """
        request = self._prepare(self.settings, filters, condition, limit=limit, raw=raw, strict=strict)
        return self._with_lineage(self._make_reader(self.settings).read(request))

    def list_raw_contacts(
        self, filters: FiltersT | None = None, *, condition: ConditionLike | None = None
    ) -> Iterator[Contact]:
        """Iterate over the contacts as :meth:`list_contacts` does, for the vendor's JSON only.

        :return: contacts with their key and ``raw``. Other fields may be empty, whatever the vendor
            reports.
        """
        request = self._prepare(self.settings, filters, condition, keys_only=True)
        return self._with_lineage(self._make_reader(self.settings).read(request))

    async def alist_contacts(
        self,
        filters: FiltersT | None = None,
        *,
        condition: ConditionLike | None = None,
        limit: int | None = None,
        raw: bool = True,
        strict: bool = False,
    ) -> AsyncGenerator[Contact, None]:
        """Async version of :meth:`list_contacts`; the arguments are checked when iteration starts.

        To stop before the end, close it: ``async with contextlib.aclosing(hook.alist_contacts()) as
        contacts``.
        """
        settings = await self.asettings()
        request = self._prepare(settings, filters, condition, limit=limit, raw=raw, strict=strict)
        async with self._make_reader(settings).aread(request) as reading:
            while (contacts := await reading.next()) is not None:
                for contact in contacts:
                    yield contact

    def run_flow(self, flow: Flow[Result]) -> Result:
        """Send the requests that a vendor's flow yields, and return its result.

        :raises ContactsError: if a request fails.
        """
        return self._get_transport(self.settings).run(flow)

    def create_updater(self, change: Change, count: int = 1, *, keeps_opt_out: bool = True) -> Updater:
        """Return an updater for a change to many contacts.

        It looks up once what all updates share, such as the id of a stage.

        :param count: how many contacts will be changed.
        :param keeps_opt_out: whether contacts who have opted out keep their stage, where the vendor
            reports it. That takes a second request per contact.
        :raises UnsupportedByVendor: if the vendor's API cannot make the change; names the vendors
            that can.
        """
        self.require_update_support(change.kind)
        from airflow_provider_contacts.core.updates.run import Updater

        transport = self._get_transport(self.settings)
        return Updater.create(transport, change, count, keeps_opt_out=keeps_opt_out)

    def require_update_support(self, kind: ChangeKind) -> None:
        """Check, without a request, that the vendor's API can make a kind of change.

        :param kind: ``tags``, ``notes`` or ``stage``.
        :raises UnsupportedByVendor: if it cannot; names the vendors that can.
        """
        if not self.vendor.updates.supports(kind):
            raise UnsupportedByVendor(
                f"{self.vendor.title}'s API cannot change the {kind} of contacts. Vendors that can: "
                f"{registry.format_updating_vendors(kind)}."
            )

    def test_connection(self) -> tuple[bool, str]:
        """Send the cheapest request that needs the credentials, within 10 s.

        :return: whether it succeeded, and a sentence that names the form field to check if not.
        """
        from airflow_provider_contacts.core.reading.probe import probe_connection

        try:
            is_ok, message = probe_connection(self.vendor, self.settings, self._logger, mask_secret)
        except ContactsError as error:
            is_ok = False
            message = str(error)
        # Airflow's form tests a copy of the connection under a random id.
        conn_id = repr(self.contacts_conn_id)
        message = message.replace(f"Connection {conn_id}", "The connection")
        return is_ok, message.replace(f"connection {conn_id}", "this connection")

    def _prepare(
        self,
        settings: Settings,
        filters: FiltersT | None,
        condition: ConditionLike | None,
        *,
        limit: int | None = None,
        raw: bool = True,
        strict: bool = False,
        keys_only: bool = False,
    ) -> ListingRequest:
        """Check a listing."""
        parsed = parse_condition(condition)
        with registry.suggest_supporting_vendors(self.vendor):
            return self._make_reader(settings).prepare(
                filters, parsed, limit, raw, strict, keys_only=keys_only
            )

    def _make_reader(self, settings: Settings) -> ContactReader:
        from airflow_provider_contacts.core.reading.reader import ContactReader

        return ContactReader(self._get_transport(settings), self.page_size)

    def _get_transport(self, settings: Settings) -> Transport:
        from airflow_provider_contacts.core.http.client import Transport

        with self._transport_lock:
            if self._transport is None:
                self._transport = Transport(
                    self.vendor, settings, self._logger, mask_secret=mask_secret, amask_secret=amask_secret
                )
            return self._transport

    def _with_lineage(self, pages: Iterator[list[Contact]]) -> Iterator[Contact]:
        for contacts in pages:
            yield from contacts
            del contacts  # so that memory holds one page
        from airflow_provider_contacts.lineage import collect_read

        collect_read(self, self.vendor.name, self.settings.base_url)
