"""Send requests to a vendor, with retries, rate limiting and token renewal."""

from __future__ import annotations

import asyncio
import random
import threading
import weakref
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypedDict, TypeVar

import tenacity

from airflow_provider_contacts.core.error_bodies import ErrorInBody
from airflow_provider_contacts.core.http.context import ConnectionContext
from airflow_provider_contacts.core.http.exchange import TokenRejected, attempt, log_in
from airflow_provider_contacts.core.http.limits import compute_rates, get_limiter, get_slots
from airflow_provider_contacts.core.http.status import MAX_SLEEP_SECONDS
from airflow_provider_contacts.core.logs import Log
from airflow_provider_contacts.core.request import Flow, Request, Response
from airflow_provider_contacts.core.settings import Settings
from airflow_provider_contacts.core.vendor import Vendor
from airflow_provider_contacts.errors import ContactsError, MalformedResponse, RateLimited

# The HTTP libraries are imported when the first request is sent, because every DAG parse would pay
# for them.
if TYPE_CHECKING:
    from airflow_provider_contacts.core.http.environment import Environment
    from airflow_provider_contacts.core.http.httpx_backend import HttpxBackend
    from airflow_provider_contacts.core.http.requests_backend import RequestsBackend

Result = TypeVar("Result")

_MAX_BACKOFF_SECONDS = 60.0
_JITTER_FRACTION = 0.5


def _ignore(_secret: str) -> None:
    pass


async def _aignore(_secret: str) -> None:
    pass


class Transport:
    """Sends requests to one vendor with one connection's settings. Threads may share it.

    :param vendor: the vendor, as its API docs describe it.
    :param settings: the connection's settings.
    :param log: gets one line per request that is sent again.
    :param mask_secret: is called with each fetched token, to keep it out of logs.
    :param amask_secret: does the same in an event loop.
    :raises InvalidConnection: if credentials are missing or invalid.
    """

    def __init__(
        self,
        vendor: Vendor,
        settings: Settings,
        log: Log,
        *,
        mask_secret: Callable[[str], None] = _ignore,
        amask_secret: Callable[[str], Awaitable[None]] = _aignore,
    ) -> None:
        self.vendor = vendor
        self.settings = settings
        self.log = log
        self.requests_sent = 0
        self._count_lock = threading.Lock()
        self._warnings: set[str] = set()
        self._mask_secret = mask_secret
        self._amask_secret = amask_secret
        self._context = ConnectionContext.create(vendor, settings)
        owner = (settings.conn_id, settings.base_url)
        self._limiter = get_limiter(owner, compute_rates(vendor.rates, settings.requests_per_minute))
        self._slots = get_slots(owner, settings.max_concurrency)
        self._environment: Environment | None = None
        self._backend: RequestsBackend | None = None
        self._backend_lock = threading.Lock()
        self._token: str | None = None
        self._login_lock = threading.Lock()
        # An asyncio lock belongs to one event loop.
        self._login_locks: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = (
            weakref.WeakKeyDictionary()
        )

    def send(
        self,
        request: Request,
        parse: Callable[[Response], Result],
        stop: threading.Event | None = None,
        *,
        received: Response | None = None,
    ) -> Result:
        """Send a request, with retries, and return ``parse(response)``.

        :param stop: cancels pending retries when it is set.
        :param received: the response to the request, if it has been sent. It is sent again only if
            that has to be retried.
        :raises ContactsError: if the request fails; the subclass states the cause.
        """
        stop = stop or threading.Event()
        retrying = tenacity.Retrying(
            **self._retry_policy(lambda _state: stop.is_set()), sleep=tenacity.sleep_using_event(stop)
        )
        result: Result = retrying(
            self._send_once, request, parse, stop, [] if received is None else [received]
        )
        return result

    async def asend(
        self, request: Request, parse: Callable[[Response], Result], backend: HttpxBackend
    ) -> Result:
        """Async version of :meth:`send`.

        :param backend: from :meth:`open_backend`.
        """
        retrying = tenacity.AsyncRetrying(**self._retry_policy(lambda _state: False), sleep=asyncio.sleep)
        result: Result = await retrying(self._asend_once, request, parse, backend)
        return result

    def run(self, flow: Flow[Result], stop: threading.Event | None = None) -> Result:
        """Run a vendor's flow, such as an update, and return its result.

        :param stop: cancels pending retries when it is set.
        """
        request: Request | None = None
        response: Response | None = None
        failure: ContactsError | None = None
        while True:
            try:
                if failure is not None:
                    request = flow.throw(failure)
                else:
                    request = next(flow) if response is None else flow.send(response)
            except StopIteration as finished:
                result: Result = finished.value
                return result
            except MalformedResponse as error:
                if request is None or error is failure:
                    raise
                # A vendor file does not say which request the response belongs to.
                raise error.at(self._context.describe(request)) from None
            failure = None
            try:
                response = self.send(request, self._require_no_error, stop)
            except ContactsError as error:
                # A flow may catch the error and continue.
                failure = error

    def open_backend(self) -> HttpxBackend:
        """Return the backend for :meth:`asend`. Call it in a thread: it reads certificate files."""
        from airflow_provider_contacts.core.http.httpx_backend import HttpxBackend

        return HttpxBackend(self._context, self._read_environment())

    @property
    def backend(self) -> RequestsBackend:
        """The backend for :meth:`send`."""
        with self._backend_lock:
            if self._backend is None:
                from airflow_provider_contacts.core.http.requests_backend import RequestsBackend

                self._backend = RequestsBackend(self._context, self._read_environment())
            return self._backend

    def warn_once(self, message: str) -> None:
        """Log a warning, unless this transport has logged it already."""
        if message not in self._warnings:
            self._warnings.add(message)
            self.log.warning("%s", message)

    def close(self) -> None:
        """Close all connections of :meth:`send`."""
        with self._backend_lock:
            if self._backend is not None:
                self._backend.close()
                self._backend = None

    def _retry_policy(self, is_stopped: Callable[[tenacity.RetryCallState], bool]) -> _RetryPolicy:
        backoff = tenacity.wait_random_exponential(multiplier=1, max=_MAX_BACKOFF_SECONDS)
        retry_limit = self.settings.retry_limit

        def stop(state: tenacity.RetryCallState) -> bool:
            needs_long_wait = (_error_of(state).retry_after or 0.0) > MAX_SLEEP_SECONDS
            return state.attempt_number > retry_limit or needs_long_wait or is_stopped(state)

        def log_retry(state: tenacity.RetryCallState) -> None:
            error = _error_of(state)
            if isinstance(error, RateLimited):
                # The other threads would be throttled too.
                self._limiter.pause(state.upcoming_sleep)
            self.log.warning(
                "%s Trying again in %.1f s (retry %d of %d).",
                error,
                state.upcoming_sleep,
                state.attempt_number,
                retry_limit,
            )

        return {
            "retry": tenacity.retry_if_exception(lambda e: isinstance(e, ContactsError) and e.transient),
            "wait": lambda state: max(backoff(state), self._requested_wait(_error_of(state))),
            "stop": stop,
            "before_sleep": log_retry,
            "reraise": True,
        }

    def _requested_wait(self, error: ContactsError) -> float:
        """Return the seconds to wait: ``Retry-After``, or the published window with jitter."""
        if error.retry_after is None and isinstance(error, RateLimited):
            # Other processes of this connection wait too, and must not all resume at the same
            # moment.
            return self._limiter.window_seconds * random.uniform(1, 1 + _JITTER_FRACTION)
        return error.retry_after or 0.0

    # Sync and async differ in how they wait and send, so each step below exists twice.

    def _send_once(
        self,
        request: Request,
        parse: Callable[[Response], Result],
        stop: threading.Event,
        received: list[Response],
    ) -> Result:
        """Send a request, and again with another token if the vendor rejects the first one.

        :param received: responses that stand for those of the first requests.
        """
        needs_login = self._context.credentials.login is not None
        token = self._token
        if needs_login and token is None:
            token = self._renew_token(None, stop)
        try:
            flow = attempt(self._context, request, parse, token=token, can_renew_token=needs_login)
            return self._drive(flow, token, stop, received)
        except TokenRejected:
            token = self._renew_token(token, stop)
        flow = attempt(self._context, request, parse, token=token, can_renew_token=False)
        return self._drive(flow, token, stop, received)

    async def _asend_once(
        self, request: Request, parse: Callable[[Response], Result], backend: HttpxBackend
    ) -> Result:
        needs_login = self._context.credentials.login is not None
        token = self._token
        if needs_login and token is None:
            token = await self._arenew_token(None, backend)
        try:
            flow = attempt(self._context, request, parse, token=token, can_renew_token=needs_login)
            return await self._adrive(flow, token, backend)
        except TokenRejected:
            token = await self._arenew_token(token, backend)
        flow = attempt(self._context, request, parse, token=token, can_renew_token=False)
        return await self._adrive(flow, token, backend)

    def _renew_token(self, rejected: str | None, stop: threading.Event) -> str:
        """Return a token other than the rejected one. Only one thread fetches it."""
        with self._login_lock:
            if self._token is None or self._token == rejected:
                self._token = self._drive(log_in(self._context), None, stop, [])
                self._mask_secret(self._token)
            return self._token

    async def _arenew_token(self, rejected: str | None, backend: HttpxBackend) -> str:
        lock = self._login_locks.setdefault(asyncio.get_running_loop(), asyncio.Lock())
        async with lock:
            if self._token is None or self._token == rejected:
                token = await self._adrive(log_in(self._context), None, backend)
                await self._amask_secret(token)
                self._token = token
            return self._token

    def _drive(
        self, flow: Flow[Result], token: str | None, stop: threading.Event, received: list[Response]
    ) -> Result:
        """Run a flow: send what it yields, and return its result."""
        try:
            request = next(flow)
            while True:
                response = received.pop() if received else self._exchange(request, token, stop)
                request = flow.send(response)
        except StopIteration as finished:
            result: Result = finished.value
            return result

    async def _adrive(self, flow: Flow[Result], token: str | None, backend: HttpxBackend) -> Result:
        try:
            request = next(flow)
            while True:
                request = flow.send(await self._aexchange(request, token, backend))
        except StopIteration as finished:
            result: Result = finished.value
            return result

    def _exchange(self, request: Request, token: str | None, stop: threading.Event) -> Response:
        backend = self.backend
        with self._slots.hold(stop):
            self._limiter.acquire(stop)
            if stop.is_set():
                raise ContactsError(f"{self._context.describe(request)} was cancelled.")
            with self._count_lock:
                self.requests_sent += 1
            return backend.send(request, token)

    async def _aexchange(self, request: Request, token: str | None, backend: HttpxBackend) -> Response:
        async with self._slots.ahold():
            await self._limiter.aacquire()
            with self._count_lock:
                self.requests_sent += 1
            return await backend.send(request, token)

    def _require_no_error(self, response: Response) -> Response:
        if reported := self.vendor.error_format.find_error(response.body):
            raise ErrorInBody(reported)
        return response

    def _read_environment(self) -> Environment:
        if self._environment is None:
            from airflow_provider_contacts.core.http.environment import read_environment

            self._environment = read_environment(self.settings.base_url, self.settings.conn_id)
        return self._environment


class _RetryPolicy(TypedDict):
    retry: tenacity.retry_if_exception
    wait: Callable[[tenacity.RetryCallState], float]
    stop: Callable[[tenacity.RetryCallState], bool]
    before_sleep: Callable[[tenacity.RetryCallState], None]
    reraise: bool


def _error_of(state: tenacity.RetryCallState) -> ContactsError:
    error = state.outcome.exception() if state.outcome else None
    return error if isinstance(error, ContactsError) else ContactsError(str(type(error)))
