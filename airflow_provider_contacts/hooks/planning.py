"""The methods of hooks that say what a listing asks and how long it is, without reading it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from airflow_provider_contacts.core.logs import Log
from airflow_provider_contacts.core.matching.parsing import ConditionLike
from airflow_provider_contacts.errors import InvalidRequest, MalformedResponse, NotFound

if TYPE_CHECKING:
    from airflow_provider_contacts.core.http.client import Transport
    from airflow_provider_contacts.core.matching.pushdown import Plan
    from airflow_provider_contacts.core.reading.reader import ListingRequest
    from airflow_provider_contacts.core.request import Flow
    from airflow_provider_contacts.core.settings import Settings
    from airflow_provider_contacts.core.vendor import Vendor

FiltersT = TypeVar("FiltersT", bound=Mapping[str, object])
Result = TypeVar("Result")


class ListingPlans(Generic[FiltersT]):
    """The methods of a hook about listings that are not read."""

    vendor: ClassVar[Vendor]
    _logger: Log

    @property
    def settings(self) -> Settings:
        """The connection's settings."""
        raise NotImplementedError

    def run_flow(self, flow: Flow[Result]) -> Result:
        """Send the requests that a flow yields, and return its result."""
        raise NotImplementedError

    def _get_transport(self, settings: Settings) -> Transport:
        raise NotImplementedError

    def _prepare(
        self,
        settings: Settings,
        filters: FiltersT | None,
        condition: ConditionLike | None,
        *,
        limit: int | None = None,
        raw: bool = True,
    ) -> ListingRequest:
        raise NotImplementedError

    def plan_listing(
        self, filters: FiltersT | None = None, *, condition: ConditionLike | None = None
    ) -> tuple[dict[str, object], Plan]:
        """Return the filters of a listing, without defaults, and how its records are tested.

        No request is sent.

        :raises ContactsError: what :meth:`list_contacts` would raise before its first request.
        """
        request = self._prepare(self.settings, filters, condition)
        return request.filters, request.plan

    def resolve_filters(
        self, filters: FiltersT | None = None, *, condition: ConditionLike | None = None
    ) -> dict[str, object]:
        """Return the filters that a listing sends, with those of the condition and the connection.

        No request is sent.

        :raises ContactsError: what :meth:`list_contacts` would raise before its first request.
        """
        own = self._prepare(self.settings, filters, condition).filters
        return {**own, **self.vendor.contacts.default_filters(own, self.settings)}

    def explain_gap(self, filters: FiltersT | None = None, *, condition: ConditionLike | None = None) -> str:
        """Return why a listing may leave contacts out that match, or an empty string."""
        return self.vendor.contacts.explain_gap(self.resolve_filters(filters, condition=condition))

    def read_total(self, filters: FiltersT | None = None) -> int | None:
        """Return how many contacts a listing has by the vendor's own count, or None without one.

        :raises ContactsError: what :meth:`list_contacts` would raise.
        """
        request = self._prepare(self.settings, filters, None, limit=1, raw=False)
        params = request.listing.next_params(0)
        assert params is not None
        return self._get_transport(self.settings).send(request.page_request(params), request.decode).total

    def list_account_ids(self) -> list[str]:
        """Return the ids of the accounts that a listing without filters reads.

        Accounts that appear on listed contacts may be left out. The list is empty if the vendor
        does not report accounts.
        """
        if self.vendor.list_account_ids is not None:
            try:
                return self.run_flow(self.vendor.list_account_ids())
            except (NotFound, InvalidRequest, MalformedResponse) as error:
                self._logger.warning(
                    "Could not list the accounts. Contacts of accounts that returned none are not marked as "
                    "removed. %s",
                    error,
                )
                return []
        endpoint = self.vendor.contacts
        account_id = endpoint.account_id(endpoint.default_filters({}, self.settings), self.settings)
        return [account_id] if account_id else []
