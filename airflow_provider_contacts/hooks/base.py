"""The hook that every vendor's hook is: from an Airflow connection to a reader."""

from __future__ import annotations

import contextlib
import importlib
import threading
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from airflow.sdk import BaseHook

from airflow_provider_contacts.conditions import Condition, as_condition, tag_of
from airflow_provider_contacts.contact import Contact
from airflow_provider_contacts.core.bulk import Target, Updater
from airflow_provider_contacts.core.changes import (
    Change,
    StageChange,
    Steps,
    kind_of,
    notes_change,
    stage_change,
    tag_change,
)
from airflow_provider_contacts.core.decoding import ReportedFailure, failure_in, json_of
from airflow_provider_contacts.core.reader import ContactReader, check
from airflow_provider_contacts.core.request import Request
from airflow_provider_contacts.core.settings import Settings, settings_from
from airflow_provider_contacts.core.transport import Transport
from airflow_provider_contacts.core.vendor import Vendor
from airflow_provider_contacts.errors import (
    ContactsError,
    InvalidConnection,
    InvalidRequest,
    UnsupportedByVendor,
)

if TYPE_CHECKING:
    import requests

Result = TypeVar("Result")


class ContactsHook(BaseHook):
    """Read the contacts of one vendor, as one Airflow connection reaches them.

    Use a vendor's own hook, or :meth:`for_connection` where the connection decides which vendor it is.

    :param contacts_conn_id: the Airflow connection; by default ``<vendor>_default``.
    :param page_size: contacts per request; by default the most that the vendor gives.
    """

    conn_name_attr = "contacts_conn_id"
    default_conn_name: ClassVar[str]
    conn_type: ClassVar[str]
    hook_name: ClassVar[str]
    vendor: ClassVar[Vendor]

    def __init__(self, contacts_conn_id: str | None = None, *, page_size: int | None = None) -> None:
        super().__init__()
        self.contacts_conn_id = contacts_conn_id or self.default_conn_name
        self.page_size = page_size
        self._settings: Settings | None = None
        self._transport: Transport | None = None

    @classmethod
    def for_connection(cls, contacts_conn_id: str, *, page_size: int | None = None) -> ContactsHook:
        """Return the hook of the vendor that the connection belongs to.

        :raises InvalidConnection: if there is no such connection, or it is of another type.
        """
        return cls._hook_of(find_connection(contacts_conn_id, cls), contacts_conn_id, page_size)

    @classmethod
    async def afor_connection(cls, contacts_conn_id: str, *, page_size: int | None = None) -> ContactsHook:
        """Do what :meth:`for_connection` does, without blocking the event loop."""
        from asgiref.sync import sync_to_async

        connection = await cls._aconnection(contacts_conn_id)
        return await sync_to_async(cls._hook_of)(connection, contacts_conn_id, page_size)

    @property
    def settings(self) -> Settings:
        """The connection's settings, read once.

        :raises InvalidConnection: naming the form field to mend.
        """
        if self._settings is None:
            connection = find_connection(self.contacts_conn_id, type(self))
            self._settings = self._checked(connection, connection.extra_dejson)
        return self._settings

    async def asettings(self) -> Settings:
        """Return :attr:`settings`, without blocking the event loop."""
        if self._settings is None:
            from airflow.providers.common.compat.connection import get_async_extra_dejson

            connection = await self._aconnection(self.contacts_conn_id)
            self._settings = self._checked(connection, await get_async_extra_dejson(connection))
        return self._settings

    @property
    def requests_sent(self) -> int:
        """How many requests this hook has sent, retries and logins included."""
        return self._transport.requests_sent if self._transport else 0

    def get_conn(self) -> requests.Session:
        """Return a ``requests`` session that carries the connection's credentials.

        They go to the vendor's own origin alone, also when a redirect leads elsewhere. A Tether connection
        with a login has no lasting credential, so its session carries none.
        """
        return self._sender(self.settings).session

    def get_json(
        self, request: Request, parse: Callable[[Any], Result], stop: threading.Event | None = None
    ) -> Result:
        """Send one request to the vendor and return what ``parse`` makes of the answer's JSON.

        :param stop: ends waiting for another try as soon as it is set.
        """

        def read(body: bytes) -> Result:
            if failure := failure_in(body):
                raise ReportedFailure(failure)
            return parse(json_of(body))

        return self._sender(self.settings).send(request, read, stop)

    def list_contacts(
        self,
        filters: Mapping[str, Any] | None = None,
        *,
        condition: Condition | Mapping[str, Any] | None = None,
        limit: int | None = None,
        raw: bool = True,
    ) -> Iterator[Contact]:
        """Give the contacts one by one, reading pages as they are needed.

        Filters, condition and connection are checked when this is called, before any request.

        :param filters: the vendor's own parameters; see the vendor's ``…Filters``.
        :param condition: only contacts that meet it are given, beside the filters. What the vendor's filters
            can say is asked of the vendor, the rest is tested on the records; the vendor's answer is tested too.
        :param limit: stop after this many contacts.
        :param raw: whether contacts keep the vendor's own JSON; without it reading takes less time.
        :return: an iterator that ends after the last contact. Each contact comes once per listing.
        :raises InvalidRequest: for a bad filter, condition or limit.
        :raises UnsupportedByVendor: for a condition that the vendor cannot tell; it names the vendors that can.
        :raises IncompleteListing: at the end, if contacts kept moving between pages while they were read.
        :raises ContactsError: for anything else between here and the vendor.
        """
        reader, wanted = self._reader(self.settings), as_condition(condition)
        with _naming_who_can():
            contacts = reader.list(filters, wanted, limit, raw)
        return self._with_lineage(contacts, self.settings)

    async def alist_contacts(
        self,
        filters: Mapping[str, Any] | None = None,
        *,
        condition: Condition | Mapping[str, Any] | None = None,
        limit: int | None = None,
        raw: bool = True,
    ) -> AsyncGenerator[Contact, None]:
        """Do what :meth:`list_contacts` does, in an event loop; checks are made at the first step.

        To stop before the end, close it: ``async with contextlib.aclosing(hook.alist_contacts()) as contacts``.
        """
        reader, wanted = self._reader(await self.asettings()), as_condition(condition)
        with _naming_who_can():
            reading = reader.alist(filters, wanted, limit, raw)
        async with reading:
            while (contacts := await reading.next()) is not None:
                for contact in contacts:
                    yield contact

    def update_tags(
        self,
        contact_id: str,
        *,
        account_id: str | None = None,
        add: Any = (),
        remove: Any = (),
        replace: Any = None,
    ) -> Contact:
        """Change the tags of one contact.

        :param account_id: needed only where the contact exists under several accounts.
        :param add: names, or mappings of ``name`` and ``color``.
        :param remove: names.
        :param replace: the tags to have and no others, in the form of ``add``; an empty list clears them.
        :return: the contact as it is now.
        :raises InvalidRequest: for a bad id or change, before any request.
        :raises UnsupportedByVendor: if the vendor's API has no such call.
        """
        contact: Contact = self.updater(tag_change(add, remove, replace)).one(
            Target(account_id or "", str(contact_id))
        )
        return contact

    def update_notes(self, contact_id: str, notes: Any, *, account_id: str | None = None) -> Contact:
        """Replace the notes of one contact.

        :param notes: JSON text, or an object or array; None or empty text clears them.
        :return: the contact as it is now.
        :raises InvalidRequest: for a bad id, or text that is not JSON, before any request.
        :raises UnsupportedByVendor: if the vendor's API has no such call.
        """
        contact: Contact = self.updater(notes_change(notes)).one(Target(account_id or "", str(contact_id)))
        return contact

    def update_stage(self, contact_id: str, stage: str, *, campaign: str | None = None) -> None:
        """Move one contact to a stage.

        :param stage: by the name that the vendor shows, such as ``Do Not Contact``.
        :param campaign: Mailstand keeps a stage per campaign: a campaign's id, or ``all``.
        :raises InvalidRequest: for a bad id, or a stage that the vendor does not let be set.
        :raises UnsupportedByVendor: if the vendor's API has no such call.
        """
        self.updater(stage_change(stage, campaign)).one(Target("", str(contact_id)))

    def updater(self, change: Change, count: int = 1) -> Updater:
        """Return what makes a change to one contact after another, or to several at once where the vendor can.

        What the vendor has to be asked once for all of them is asked now.

        :param count: to how many contacts the change will be made.
        :raises UnsupportedByVendor: if the vendor's API has no such call; it names the vendors that have.
        """
        writes, kind = self.vendor.writes, kind_of(change)
        if getattr(writes, kind) is None:
            able = [vendor.title for vendor in known_vendors() if getattr(vendor.writes, kind)]
            raise UnsupportedByVendor(
                f"{self.vendor.title}'s API cannot change {kind} of contacts. It can be done at: {', '.join(able)}"
            )
        if isinstance(change, StageChange) and writes.prepare_stage is not None:
            change = self._perform(writes.prepare_stage(change, count))
        return Updater(writes, change, self._perform)

    def _perform(self, steps: Steps, stop: threading.Event | None = None) -> Any:
        answer: Any = None
        while True:
            try:
                request = steps.send(answer)
            except StopIteration as finished:
                return finished.value
            answer = self.get_json(request, lambda value: value, stop)

    def test_connection(self) -> tuple[bool, str]:
        """Make the cheapest request that needs the credentials, within 10 s.

        :return: whether it worked, and a sentence; after a failure it names the form field to check.
        """
        try:
            settings = self.settings
        except ContactsError as error:
            return False, str(error)
        return check(self.vendor, settings, log=self.log, on_secret=_mask)

    # -- between Airflow and core ----------------------------------------------------------------------

    def _sender(self, settings: Settings) -> Transport:
        if self._transport is None:
            self._transport = Transport(
                self.vendor, settings, log=self.log, on_secret=_mask, on_secret_async=_amask
            )
        return self._transport

    def _reader(self, settings: Settings) -> ContactReader:
        return ContactReader(self.vendor, settings, self._sender(settings), self.log, self.page_size)

    def _with_lineage(self, contacts: Iterator[Contact], settings: Settings) -> Iterator[Contact]:
        yield from contacts
        from airflow_provider_contacts.lineage import collect_read

        collect_read(self, self.vendor.name, settings.base_url)

    @classmethod
    def _hook_of(cls, connection: Any, contacts_conn_id: str, page_size: int | None) -> ContactsHook:
        from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime

        # `connection.get_hook()` looks in the same place, but makes other providers' hooks before one can look.
        info = ProvidersManagerTaskRuntime().hooks.get(connection.conn_type)
        if info is not None:
            module, _, name = info.hook_class_name.rpartition(".")
            hook_class: Any = getattr(importlib.import_module(module), name)
            if issubclass(hook_class, ContactsHook):
                hook: ContactsHook = hook_class(contacts_conn_id, page_size=page_size)
                return hook
        raise InvalidConnection(
            f"connection {contacts_conn_id!r} has the type {connection.conn_type!r}, which has no contacts; "
            "set its Connection Type to a vendor of this provider"
        )

    @classmethod
    async def _aconnection(cls, conn_id: str) -> Any:
        from airflow.providers.common.compat.connection import get_async_connection
        from airflow.sdk.exceptions import AirflowNotFoundException

        try:
            return await get_async_connection(conn_id, hook=cls)
        except AirflowNotFoundException:
            raise _not_found(conn_id) from None

    def _checked(self, connection: Any, extra: Any) -> Settings:
        if connection.conn_type != self.vendor.name:
            raise InvalidConnection(
                f"connection {self.contacts_conn_id!r} has the type {connection.conn_type!r}; "
                f"{type(self).__name__} needs {self.vendor.name!r}"
            )
        unread = not extra and (connection.extra or "").strip() not in ("", "{}", "null")
        if unread or not isinstance(extra, Mapping):
            raise InvalidConnection(f"Extra of connection {self.contacts_conn_id!r} is not a JSON object")
        return settings_from(
            conn_id=self.contacts_conn_id,
            vendor=self.vendor.title,
            default_url=self.vendor.base_url,
            host=connection.host,
            port=connection.port,
            schema=connection.schema,
            login=connection.login,
            password=connection.password,
            extra=extra,
            options=self.vendor.options,
        )


@contextlib.contextmanager
def _naming_who_can() -> Iterator[None]:
    """Add to an error about a condition which vendors can tell it."""
    try:
        yield
    except UnsupportedByVendor as error:
        if error.condition is None:
            raise
        able = [vendor.title for vendor in known_vendors() if error.condition in vendor.contacts.answers]
        raise UnsupportedByVendor(
            f"{error}. It can be told by: {', '.join(able)}", condition=error.condition
        ) from None


def require_on_record(condition: Condition, vendors: set[str]) -> None:
    """Check that the records of some vendors show a condition.

    :param vendors: connection types.
    :raises InvalidRequest: for a vendor that this provider does not know.
    :raises UnsupportedByVendor: naming the first that does not, and those that do.
    """
    known = {vendor.name: vendor for vendor in known_vendors()}
    if not vendors <= known.keys():
        raise InvalidRequest(
            f"some contacts are of a vendor that this provider does not know; it knows {', '.join(known)}"
        )
    for leaf in condition.leaves():
        tag = tag_of(leaf)
        able = [v.title for v in known.values() if (a := v.contacts.answers.get(tag)) and a.on_record]
        for name in sorted(vendors):
            if known[name].title not in able:
                raise UnsupportedByVendor(
                    f"{known[name].title} shows the condition `{tag}` in no record. It is shown by: "
                    f"{', '.join(able) or 'no vendor'}",
                    condition=tag,
                )


def known_vendors() -> list[Vendor]:
    """Return the vendors of this provider."""
    from airflow_provider_contacts.get_provider_info import get_provider_info

    vendors = []
    for entry in get_provider_info()["connection-types"]:
        module, _, name = entry["hook-class-name"].rpartition(".")
        vendors.append(getattr(importlib.import_module(module), name).vendor)
    return vendors


def find_connection(conn_id: str, hook: type[BaseHook] = BaseHook) -> Any:
    """Return an Airflow connection, as a hook finds it.

    :raises InvalidConnection: if there is none.
    """
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        return hook.get_connection(conn_id)
    except AirflowNotFoundException:
        raise _not_found(conn_id) from None


def _not_found(conn_id: str) -> InvalidConnection:
    variable = f"AIRFLOW_CONN_{conn_id.upper()}"
    if variable.replace("_", "").isalnum():
        also = f", or set {variable} (if it is set, its JSON or URI cannot be read)"
    else:
        also = ""
    return InvalidConnection(f"there is no connection {conn_id!r}; create it under Admin, Connections{also}")


def _mask(secret: str) -> None:
    from airflow.sdk.log import mask_secret

    mask_secret(secret)


async def _amask(secret: str) -> None:
    from airflow.sdk import log

    if hasattr(log, "amask_secret"):
        await log.amask_secret(secret)
    else:
        from asgiref.sync import sync_to_async

        await sync_to_async(log.mask_secret)(secret)
