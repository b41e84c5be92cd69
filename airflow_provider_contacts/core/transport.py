"""The only place that opens a socket.

One try of a request is written once, as a generator that yields what to send and is given what came back
(:meth:`Transport._try`). What is tried again, after which wait and how often is written once too
(:meth:`Transport._policy`). :meth:`Transport.send` runs both with ``requests``, :meth:`Transport.asend`
with ``httpx``.
"""

from __future__ import annotations

import contextlib
import contextvars
import email.utils
import logging
import math
import os
import re
import ssl
import threading
from collections.abc import Awaitable, Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar
from urllib.parse import quote, quote_plus, urlencode, urljoin

import msgspec
import tenacity

from airflow_provider_contacts import __version__
from airflow_provider_contacts.core.budget import combined, shared
from airflow_provider_contacts.core.decoding import Failure, ReportedFailure, failure_in, json_of
from airflow_provider_contacts.core.settings import Settings, origin
from airflow_provider_contacts.core.vendor import Request, Vendor
from airflow_provider_contacts.errors import (
    AuthenticationError,
    ContactsError,
    InvalidConnection,
    InvalidRequest,
    MalformedResponse,
    NotFound,
    PermissionDenied,
    QuotaExhausted,
    RateLimited,
    VendorUnavailable,
)

if TYPE_CHECKING:
    import httpx
    import requests

Result = TypeVar("Result")

USER_AGENT = f"airflow-provider-contacts/{__version__}"

# A longer wait than this is the scheduler's to sit out, not a worker's.
MAX_WAIT = 120.0
_MAX_REDIRECTS = 5
_MAX_TEXT = 300
_TRANSIENT_STATUSES = frozenset({408, 429, 500, 502, 503, 504})
_STATUS_ERRORS: Mapping[int, type[ContactsError]] = {
    401: AuthenticationError,
    402: QuotaExhausted,
    403: PermissionDenied,
    404: NotFound,
    410: NotFound,
    408: VendorUnavailable,
    429: RateLimited,
}
# What OpenSSL calls an answer in plain text.
_NO_TLS = frozenset(
    {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG", "HTTP_REQUEST"}
)
_EMAIL = re.compile(r"[^\s@<>\"'(),;:]+@[^\s@<>\"'(),;:]+")
_PHONE = re.compile(r"\+?\d[\d().\s-]{6,}\d")


@dataclass(frozen=True, slots=True, repr=False)
class _Wire:
    """A request as it is sent: with its address and its credentials."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None


@dataclass(frozen=True, slots=True, repr=False)
class _Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, repr=False)
class _Secret:
    """A token that has just been fetched and must not appear in a log."""

    value: str


# What a try asks of whoever runs it. Only a _Wire is answered.
_Steps = Generator["_Wire | _Secret", "_Answer | None", Result]


class _Silence(logging.Filter):
    """Drops what the HTTP libraries log of our own requests, since it would show their queries."""

    active: contextvars.ContextVar[bool] = contextvars.ContextVar("contacts_request", default=False)

    def filter(self, record: logging.LogRecord) -> bool:
        return not self.active.get()


_HTTP_LOGGERS = (
    "httpx",
    "httpcore.connection",
    "httpcore.http11",
    "httpcore.proxy",
    "urllib3.connectionpool",
    "urllib3.util.retry",
)
for _name in _HTTP_LOGGERS:
    logging.getLogger(_name).addFilter(_Silence())


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    token = _Silence.active.set(True)
    try:
        yield
    finally:
        _Silence.active.reset(token)


class Transport:
    """Sends requests to one vendor with one connection's settings.

    A transport may be used by several threads at once.

    :param vendor: what the vendor's API pages say.
    :param settings: the connection's settings.
    :param log: takes one line for each request that is sent again.
    :param on_secret: is given a token that was fetched at run time, to keep it out of logs.
    :param on_secret_async: the same, from inside an event loop.
    """

    def __init__(
        self,
        vendor: Vendor,
        settings: Settings,
        *,
        log: logging.Logger | Any,
        on_secret: Callable[[str], None] = lambda _secret: None,
        on_secret_async: Callable[[str], Awaitable[None]] | None = None,
    ) -> None:
        self._vendor = vendor
        self._settings = settings
        self._log = log
        self._on_secret = on_secret
        self._on_secret_async = on_secret_async
        self._credentials = vendor.credentials(settings)
        self._token: str | None = None
        self._origin = origin(settings.base_url)
        self.budget = shared(
            (settings.conn_id, settings.base_url), combined(vendor.rates, settings.requests_per_minute)
        )
        self._session: requests.Session | None = None
        self._session_lock = threading.Lock()
        self._environment: dict[str, Any] = {}
        self.requests_sent = 0

    # -- sending ---------------------------------------------------------------------------------------

    def send(
        self, request: Request, parse: Callable[[bytes], Result], stop: threading.Event | None = None
    ) -> Result:
        """Send a request, again where that can help, and return what ``parse`` makes of the answer's body.

        :param stop: ends waiting for another try as soon as it is set.
        :raises ContactsError: of the class that fits what went wrong.
        """
        stop = stop or threading.Event()
        retrying = tenacity.Retrying(
            **self._policy(request, tenacity.stop_when_event_set(stop)),
            sleep=tenacity.sleep_using_event(stop),
        )
        result: Result = retrying(self._send_once, request, parse)
        return result

    async def asend(
        self, request: Request, parse: Callable[[bytes], Result], client: httpx.AsyncClient
    ) -> Result:
        """Do what :meth:`send` does, inside an event loop.

        :param client: a client from :meth:`client`.
        """
        import asyncio

        retrying = tenacity.AsyncRetrying(**self._policy(request), sleep=asyncio.sleep)
        result: Result = await retrying(self._asend_once, request, parse, client)
        return result

    def _policy(self, request: Request, *stops: Any) -> dict[str, Any]:
        backoff = tenacity.wait_random_exponential(multiplier=1, max=60)

        def wait(state: tenacity.RetryCallState) -> float:
            return max(backoff(state), _error_of(state).retry_after or 0.0)

        def stop(state: tenacity.RetryCallState) -> bool:
            tried_enough = state.attempt_number > self._settings.retry_limit
            return tried_enough or (_error_of(state).retry_after or 0.0) > MAX_WAIT

        def before_sleep(state: tenacity.RetryCallState) -> None:
            self._log.warning(
                "%s Trying again in %.1f s (retry %d of %d).",
                _error_of(state),
                state.upcoming_sleep,
                state.attempt_number,
                self._settings.retry_limit,
            )

        return {
            "retry": tenacity.retry_if_exception(lambda e: isinstance(e, ContactsError) and e.transient),
            "wait": wait,
            "stop": lambda state: stop(state) or any(also(state) for also in stops),
            "before_sleep": before_sleep,
            "reraise": True,
        }

    def _send_once(self, request: Request, parse: Callable[[bytes], Result]) -> Result:
        steps = self._try(request, parse)
        answer: _Answer | None = None
        while True:
            try:
                step = steps.send(answer)
            except StopIteration as finished:
                return finished.value  # type: ignore[no-any-return]
            if isinstance(step, _Secret):
                self._on_secret(step.value)
                answer = None
            else:
                answer = self._exchange(request, step)

    async def _asend_once(
        self, request: Request, parse: Callable[[bytes], Result], client: httpx.AsyncClient
    ) -> Result:
        steps = self._try(request, parse)
        answer: _Answer | None = None
        while True:
            try:
                step = steps.send(answer)
            except StopIteration as finished:
                return finished.value  # type: ignore[no-any-return]
            if isinstance(step, _Secret):
                if self._on_secret_async is not None:
                    await self._on_secret_async(step.value)
                answer = None
            else:
                answer = await self._aexchange(request, step, client)

    def _try(self, request: Request, parse: Callable[[bytes], Result]) -> _Steps[Result]:
        """One try: log in where needed, send, follow redirects of the same origin, check, parse."""
        used = self._token
        if self._credentials.login and used is None:
            used = yield from self._log_in()
        answer = yield from self._follow(request, used)
        if answer.status == 401 and self._credentials.login:
            # Another thread may have a newer token already; only the first one logs in again.
            used = self._token if self._token != used else (yield from self._log_in())
            answer = yield from self._follow(request, used)
        self._check(request, answer)
        try:
            return parse(answer.body)
        except ReportedFailure as reported:
            self._fail(request, answer, reported.failure)
        except MalformedResponse as error:
            # Errors of decoding do not know which request they belong to.
            error.args = (f"{self._where(request)}: {error}",)
            raise

    def _follow(self, request: Request, token: str | None) -> Generator[_Wire, _Answer | None, _Answer]:
        headers = {"User-Agent": USER_AGENT, "Accept": "application/json", **self._credentials.headers}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        body = None
        if request.json is not None:
            headers["Content-Type"] = "application/json"
            body = msgspec.json.encode(request.json)
        url = self._settings.base_url + request.path
        if request.params:
            url += "?" + urlencode(request.params)
        for _ in range(_MAX_REDIRECTS + 1):
            answer = yield _Wire(request.method, url, headers, body)
            assert answer is not None
            location = answer.headers.get("location")
            if answer.status not in (301, 302, 303, 307, 308) or not location:
                return answer
            url = self._redirect(request, answer.status, urljoin(url, location))
        raise InvalidConnection(
            f"{self._where(request)} is redirected without end. Check Host of connection "
            f"{self._settings.conn_id!r}"
        )

    def _redirect(self, request: Request, status: int, url: str) -> str:
        try:
            target = origin(url)
        except ValueError:
            target = ("", "", None)
        if target != self._origin:
            raise InvalidConnection(
                f"{self._where(request)} is redirected to another address "
                f"({target[0] or 'unknown'}://{target[1]}), where credentials are not sent. If that is the API's "
                f"new address, enter it as Host of connection {self._settings.conn_id!r}"
            )
        if request.method != "GET" and status not in (307, 308):
            raise InvalidConnection(
                f"{self._where(request)} is redirected in a way that would turn it into a GET. Check Host of "
                f"connection {self._settings.conn_id!r}"
            )
        return url

    def _log_in(self) -> Generator[_Wire | _Secret, _Answer | None, str]:
        login = self._credentials.login
        assert login is not None
        request = Request("POST", login.path, json=login.body)
        answer = yield from self._follow(request, None)
        self._check(request, answer)
        token = login.token(json_of(answer.body))
        if not token:
            raise MalformedResponse(f"{self._where(request)} answered without a token")
        yield _Secret(token)
        self._token = token
        return token

    # -- one exchange ----------------------------------------------------------------------------------

    def _exchange(self, request: Request, wire: _Wire) -> _Answer:
        import requests
        import urllib3

        session = self.session
        self.requests_sent += 1
        if self.budget is not None:
            self.budget.take()
        prepared = session.prepare_request(
            requests.Request(wire.method, wire.url, headers=dict(wire.headers), data=wire.body)
        )
        try:
            with _silent():
                response = session.send(
                    prepared,
                    timeout=self._settings.timeout,
                    allow_redirects=False,
                    **{**self._environment, "stream": True},
                )
                try:
                    # One read in place of the pieces of 10 kB that `response.content` is made of.
                    body = response.raw.read(decode_content=True)
                finally:
                    response.close()
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            timed_out = isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError)
            raise self._broken(request, error, timed_out) from None
        return _Answer(response.status_code, response.headers, body)

    async def _aexchange(self, request: Request, wire: _Wire, client: httpx.AsyncClient) -> _Answer:
        import httpx

        self.requests_sent += 1
        if self.budget is not None:
            await self.budget.atake()
        try:
            with _silent():
                response = await client.request(
                    wire.method, wire.url, headers=wire.headers, content=wire.body
                )
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise self._broken(request, error, isinstance(error, httpx.TimeoutException)) from None
        return _Answer(response.status_code, response.headers, response.content)

    @property
    def session(self) -> requests.Session:
        """A session that carries the connection's credentials to the vendor's origin, and nowhere else."""
        with self._session_lock:
            if self._session is None:
                from airflow_provider_contacts.core.sessions import bound_session

                self._session = bound_session(
                    self._settings.base_url, self._credentials.headers, self._settings.max_concurrency
                )
                self._environment = dict(  # once: the environment does not change below a task
                    self._session.merge_environment_settings(self._settings.base_url, {}, False, True, None)
                )
            return self._session

    def client(self) -> httpx.AsyncClient:
        """Return an HTTP client for :meth:`asend`; use it in an ``async with`` block."""
        import httpx

        return httpx.AsyncClient(
            timeout=self._settings.timeout,
            verify=_trusted(),
            follow_redirects=False,
            limits=httpx.Limits(max_connections=self._settings.max_concurrency),
        )

    def close(self) -> None:
        """Close the connections of the session."""
        with self._session_lock:
            if self._session is not None:
                self._session.close()
                self._session = None

    # -- errors ----------------------------------------------------------------------------------------

    def _where(self, request: Request) -> str:
        return f"{self._vendor.title}: {request!r}"

    def _broken(self, request: Request, error: BaseException, timed_out: bool) -> VendorUnavailable:
        settings = self._settings
        if _has_cause(error, lambda cause: isinstance(cause, ssl.SSLCertVerificationError)):
            return VendorUnavailable(
                f"{self._where(request)}: the server's certificate is not trusted. If a proxy re-signs traffic, "
                "point REQUESTS_CA_BUNDLE at its CA file"
            )
        if _has_cause(error, lambda cause: isinstance(cause, ssl.SSLError) and cause.reason in _NO_TLS):
            return VendorUnavailable(
                f"{self._where(request)}: the server does not speak TLS. If it only speaks http, write http:// in "
                f"Host of connection {settings.conn_id!r}"
            )
        if timed_out:
            what = f"no answer within {settings.timeout:g} s (timeout of connection {settings.conn_id!r})"
        else:
            what = (
                f"the connection failed or broke off ({type(error).__name__}). If it never worked, check Host of "
                f"connection {settings.conn_id!r}"
            )
        return VendorUnavailable(f"{self._where(request)}: {what}.", transient=True)

    def _check(self, request: Request, answer: _Answer) -> None:
        if 200 <= answer.status < 300:
            return
        try:
            failure = failure_in(answer.body) or Failure()
        except MalformedResponse:
            failure = Failure()
        self._fail(request, answer, failure)

    def _fail(self, request: Request, answer: _Answer, failure: Failure) -> NoReturn:
        status = failure.status if answer.status < 300 and failure.status else answer.status
        kind = self._vendor.error_labels.get(failure.label) or _kind_of(status)
        retry_after = _retry_after(answer.headers.get("retry-after"))
        said = ": ".join(part for part in (failure.label, failure.message) if part)
        said = f" ({self._masked(said, request)})" if said else ""
        reported = f"answered {answer.status}" + (" with an error in its body" if answer.status < 300 else "")
        transient = kind is RateLimited or (kind is VendorUnavailable and status in _TRANSIENT_STATUSES)
        if transient and retry_after is not None and retry_after > MAX_WAIT:
            kind = RateLimited
        hint = "" if kind is NotFound and said else self._hint(kind, retry_after)
        raise kind(
            f"{self._where(request)} {reported}{said}.{hint}", retry_after=retry_after, transient=transient
        )

    def _hint(self, kind: type[ContactsError], retry_after: float | None) -> str:
        conn = f"connection {self._settings.conn_id!r}"
        if kind is RateLimited and retry_after is not None and retry_after > MAX_WAIT:
            return f" The vendor asks to wait {retry_after:.0f} s, which is longer than a worker should."
        hints: Mapping[type[ContactsError], str] = {
            AuthenticationError: f" Check the field {self._vendor.credential_field} of {conn}.",
            PermissionDenied: f" The credentials of {conn} are accepted, but lack the right to do this.",
            NotFound: f" If every request ends like this, check Host of {conn}.",
            QuotaExhausted: " The account's credits are used up; waiting does not help.",
            RateLimited: f" Lower `requests_per_minute` of {conn}, or share an Airflow pool among its tasks.",
        }
        return hints.get(kind, "")

    def _masked(self, said: str, request: Request) -> str:
        """Return the vendor's words without what was sent, addresses and numbers, on one line."""
        settings, headers = self._settings, self._credentials.headers
        # Names and short words such as "true" say nothing about a person, and would leave holes everywhere.
        sent = {value for _, value in request.params if len(value) > 2} | set(_texts(request.json))
        sent |= {settings.login, settings.password, self._token or "", *headers.values()}
        sent |= {part for value in headers.values() for part in value.split()[1:]}
        sent |= {encoded for value in sent for encoded in (quote(value, safe=""), quote_plus(value))}
        for value in sorted(filter(None, sent), key=len, reverse=True):
            said = re.sub(re.escape(value), "***", said, flags=re.IGNORECASE)
        said = _PHONE.sub("***", _EMAIL.sub("***", said))
        said = " ".join("".join(char if char.isprintable() else " " for char in said).split())
        return said if len(said) <= _MAX_TEXT else said[:_MAX_TEXT] + "…"


def _kind_of(status: int) -> type[ContactsError]:
    if status < 300:
        return MalformedResponse
    return _STATUS_ERRORS.get(status, VendorUnavailable if status >= 500 else InvalidRequest)


def _error_of(state: tenacity.RetryCallState) -> ContactsError:
    error = state.outcome.exception() if state.outcome else None
    return error if isinstance(error, ContactsError) else ContactsError(str(type(error)))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str) and len(value) > 2:
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)


def _retry_after(value: str | None) -> float | None:
    """Return the seconds of a ``Retry-After`` header, which is a number or an HTTP date."""
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            moment = email.utils.parsedate_to_datetime(value)
        except ValueError:
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=timezone.utc)
        seconds = (moment - datetime.now(timezone.utc)).total_seconds()
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _has_cause(error: BaseException, test: Callable[[BaseException], bool]) -> bool:
    seen: set[int] = set()
    waiting: list[Any] = [error]
    while waiting:
        cause = waiting.pop()
        if not isinstance(cause, BaseException) or id(cause) in seen:
            continue
        if test(cause):
            return True
        seen.add(id(cause))
        waiting += [cause.__cause__, cause.__context__, getattr(cause, "reason", None), *cause.args]
    return False


def _trusted() -> ssl.SSLContext | bool:
    """Return for ``httpx`` what ``requests`` reads from the environment by itself."""
    bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    if not bundle:
        return True
    if os.path.isdir(bundle):
        return ssl.create_default_context(capath=bundle)
    return ssl.create_default_context(cafile=bundle)
