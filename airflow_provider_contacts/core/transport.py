"""The only place that opens a socket.

One try of a request is written once, as a generator that yields what to send and is given what came back
(:meth:`Transport._try`). What is tried again, after which wait and how often is written once too
(:meth:`Transport._policy`). :meth:`Transport.send` runs both with ``requests``, :meth:`Transport.asend`
with ``httpx``.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import email.utils
import logging
import math
import re
import ssl
import threading
import weakref
from collections.abc import Awaitable, Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar
from urllib.parse import parse_qsl, quote, quote_plus, urlencode, urljoin, urlsplit

import msgspec
import tenacity

from airflow_provider_contacts import __version__
from airflow_provider_contacts.core.budget import combined, shared
from airflow_provider_contacts.core.decoding import Failure, ReportedFailure, failure_in, json_of
from airflow_provider_contacts.core.request import Request
from airflow_provider_contacts.core.settings import Settings, origin
from airflow_provider_contacts.core.vendor import Vendor
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

    from airflow_provider_contacts.core.sessions import Surroundings

Result = TypeVar("Result")

USER_AGENT = f"airflow-provider-contacts/{__version__}"

# A longer wait than this is the scheduler's to sit out, not a worker's.
MAX_WAIT = 120.0
_MAX_REDIRECTS = 5
_ENCODINGS = {"Accept-Encoding": "gzip, deflate"}
_MAX_TEXT = 300
_MAX_BODY = 128 << 20
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


@dataclass(frozen=True, slots=True)
class _NewToken:
    """A wish for another token than ``used``, which one of several at a time may fetch."""

    used: str | None


# What a try asks of whoever runs it. Only a _Wire is answered.
_Steps = Generator["_Wire | _Secret | _NewToken", "_Answer | None", Result]


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
    "urllib3.connection",
    "urllib3.connectionpool",
    "urllib3.poolmanager",
    "urllib3.response",
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
        if not all(_fits_header(value) for value in self._credentials.headers.values()):
            raise InvalidConnection(
                f"connection {settings.conn_id!r} has characters in its credentials that no request can carry; "
                f"check the field {vendor.credential_field}"
            )
        self._token: str | None = None
        self._origin = origin(settings.base_url)
        self.budget = shared(
            (settings.conn_id, settings.base_url), combined(vendor.rates, settings.requests_per_minute)
        )
        self._session: requests.Session | None = None
        self._session_lock = threading.Lock()
        self._surroundings: Surroundings | None = None
        self._login_lock = threading.Lock()
        self._login_locks: weakref.WeakKeyDictionary[Any, asyncio.Lock] = weakref.WeakKeyDictionary()
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
        result: Result = retrying(self._send_once, request, parse, stop)
        return result

    async def asend(
        self, request: Request, parse: Callable[[bytes], Result], client: httpx.AsyncHTTPTransport
    ) -> Result:
        """Do what :meth:`send` does, inside an event loop.

        :param client: a client from :meth:`client`.
        """
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

    def _send_once(self, request: Request, parse: Callable[[bytes], Result], stop: threading.Event) -> Result:
        return self._run(request, self._try(request, parse), stop)

    def _run(self, request: Request, steps: _Steps[Result], stop: threading.Event) -> Result:
        answer: _Answer | None = None
        while True:
            try:
                step = steps.send(answer)
            except StopIteration as finished:
                return finished.value  # type: ignore[no-any-return]
            answer = None
            if isinstance(step, _Secret):
                self._on_secret(step.value)
            elif isinstance(step, _NewToken):
                with self._login_lock:
                    if self._token == step.used:
                        self._run(*self._log_in(), stop)
            else:
                answer = self._exchange(request, step, stop)

    async def _asend_once(
        self, request: Request, parse: Callable[[bytes], Result], client: httpx.AsyncHTTPTransport
    ) -> Result:
        return await self._arun(request, self._try(request, parse), client)

    async def _arun(
        self, request: Request, steps: _Steps[Result], client: httpx.AsyncHTTPTransport
    ) -> Result:
        answer: _Answer | None = None
        while True:
            try:
                step = steps.send(answer)
            except StopIteration as finished:
                return finished.value  # type: ignore[no-any-return]
            answer = None
            if isinstance(step, _Secret):
                if self._on_secret_async is not None:
                    await self._on_secret_async(step.value)
            elif isinstance(step, _NewToken):
                async with self._async_login_lock():
                    if self._token == step.used:
                        await self._arun(*self._log_in(), client)
            else:
                answer = await self._aexchange(request, step, client)

    def _async_login_lock(self) -> asyncio.Lock:
        loop = asyncio.get_running_loop()
        return self._login_locks.setdefault(loop, asyncio.Lock())

    def _try(self, request: Request, parse: Callable[[bytes], Result]) -> _Steps[Result]:
        """One try: log in where needed, send, follow redirects of the same origin, check, parse."""
        login = self._credentials.login
        if login and self._token is None:
            yield _NewToken(None)
        used = self._token
        answer = yield from self._follow(request, used)
        if answer.status == 401 and login:
            yield _NewToken(used)
            answer = yield from self._follow(request, self._token)
        self._check(request, answer)
        # Not raised inside the `except`: a chained exception would show the vendor's words unmasked.
        failure: Failure | None = None
        try:
            return parse(answer.body)
        except ReportedFailure as reported:
            failure = reported.failure
        except MalformedResponse as error:
            # Errors of decoding do not know which request they belong to.
            error.args = (f"{self._where(request)}: {error}",)
            raise
        self._fail(request, answer, failure)

    def _follow(
        self, request: Request, token: str | None
    ) -> Generator[_Wire | _Secret | _NewToken, _Answer | None, _Answer]:
        headers = {
            "User-Agent": USER_AGENT,
            "Accept": "application/json",
            **_ENCODINGS,
            **self._credentials.headers,
        }
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        body = None
        if request.json is not None:
            headers["Content-Type"] = "application/json"
            body = msgspec.json.encode(request.json)
        path, query = urlsplit(self._settings.base_url).path + request.path, urlencode(request.params)
        server = "{0.scheme}://{0.netloc}".format(urlsplit(self._settings.base_url))
        for _ in range(_MAX_REDIRECTS + 1):
            answer = yield _Wire(
                request.method, server + path + (f"?{query}" if query else ""), headers, body
            )
            assert answer is not None
            location = answer.headers.get("location")
            if answer.status not in (301, 302, 303, 307, 308) or not location:
                return answer
            path = self._redirect(request, answer.status, location, server + path, query)
        raise self._misled(request, "is redirected without end")

    def _redirect(self, request: Request, status: int, location: str, url: str, query: str) -> str:
        """Return the path that a redirect leads to.

        Only that is taken from it, so that no way of writing an address can lead credentials elsewhere.
        """
        try:
            target = urlsplit(urljoin(url, location))
            where = origin(target)
        except ValueError:
            raise self._misled(request, "is redirected to something that is no address") from None
        odd = (
            not location.isascii()
            or not location.isprintable()
            or any(char in location for char in '\\ @"<>')
        )
        if odd or where != self._origin:
            shown = "another address" if odd else f"another address ({where[0]}://{where[1]})"
            raise self._misled(request, f"is redirected to {shown}, where credentials are not sent")
        if request.method != "GET" and status not in (307, 308):
            raise self._misled(request, "is redirected in a way that would turn it into a GET")
        if sorted(parse_qsl(target.query, keep_blank_values=True)) != sorted(
            parse_qsl(query, keep_blank_values=True)
        ):
            raise self._misled(request, "is redirected to another query than the one it asked")
        return target.path or "/"

    def _misled(self, request: Request, how: str) -> InvalidConnection:
        return InvalidConnection(
            f"{self._where(request)} {how}. Check Host of connection {self._settings.conn_id!r}"
        )

    def _log_in(self) -> tuple[Request, _Steps[None]]:
        login = self._credentials.login
        assert login is not None
        request = Request("POST", login.path, json=login.body)

        def steps() -> _Steps[None]:
            answer = yield from self._follow(request, None)
            self._check(request, answer)
            try:
                token = login.token(json_of(answer.body))
            except MalformedResponse as error:
                error.args = (f"{self._where(request)}: {error}",)
                raise
            if not token:
                raise MalformedResponse(f"{self._where(request)} answered without a token")
            if not _fits_header(token):
                raise MalformedResponse(
                    f"{self._where(request)} answered with a token that no header can carry"
                )
            yield _Secret(token)
            self._token = token

        return request, steps()

    # -- one exchange ----------------------------------------------------------------------------------

    def _exchange(self, request: Request, wire: _Wire, stop: threading.Event) -> _Answer:
        import requests
        import urllib3

        session = self.session
        if stop.is_set() or (self.budget is not None and not self.budget.take(stop)) or stop.is_set():
            raise ContactsError(f"{self._where(request)} is not wanted any more")
        self.requests_sent += 1
        try:
            prepared = session.prepare_request(
                requests.Request(wire.method, wire.url, headers=dict(wire.headers), data=wire.body)
            )
            if origin(prepared.url or "") != self._origin:
                raise self._misled(request, "would go to another address")
            with _silent():
                # Not `session.send`: it reads cookies and works out redirects, also where it does not follow them.
                response = session.get_adapter(wire.url).send(
                    prepared,
                    stream=True,
                    timeout=self._settings.timeout,
                    proxies=self.surroundings.proxies,
                    verify=self.surroundings.verify,
                )
                try:
                    # One read in place of the pieces of 10 kB that `response.content` is made of.
                    body = response.raw.read(_MAX_BODY + 1, decode_content=True)
                finally:
                    response.close()
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            timed_out = isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError)
            raise self._broken(request, error, timed_out) from None
        answer = _Answer(response.status_code, response.headers, body)
        if answer.status < 200:
            # The real answer is still to come on this connection, and must not become that of another request.
            for adapter in session.adapters.values():
                adapter.close()
        return self._whole(request, answer)

    async def _aexchange(self, request: Request, wire: _Wire, client: httpx.AsyncHTTPTransport) -> _Answer:
        import httpx

        if self.budget is not None:
            await self.budget.atake()
        self.requests_sent += 1
        body = bytearray()
        try:
            with _silent():
                response = await client.handle_async_request(
                    httpx.Request(
                        wire.method,
                        wire.url,
                        headers=wire.headers,
                        content=wire.body,
                        extensions={"timeout": httpx.Timeout(self._settings.timeout).as_dict()},
                    )
                )
                try:
                    async for chunk in response.aiter_bytes():
                        body += chunk
                        if len(body) > _MAX_BODY:
                            break
                finally:
                    await response.aclose()
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, ValueError) as error:
            raise self._broken(request, error, isinstance(error, httpx.TimeoutException)) from None
        return self._whole(request, _Answer(response.status_code, response.headers, bytes(body)))

    def _whole(self, request: Request, answer: _Answer) -> _Answer:
        if len(answer.body) > _MAX_BODY:
            raise MalformedResponse(
                f"{self._where(request)} answered with more than {_MAX_BODY >> 20} MiB; ask for smaller pages"
            )
        framed = "content-length" in answer.headers or "transfer-encoding" in answer.headers
        if answer.status < 200 or (answer.status == 200 and not answer.body and not framed):
            raise VendorUnavailable(f"{self._where(request)}: the answer broke off.", transient=True)
        return answer

    @property
    def surroundings(self) -> Surroundings:
        """The proxies and certificates of the environment, the same for both HTTP libraries."""
        if self._surroundings is None:
            from airflow_provider_contacts.core.sessions import surroundings

            self._surroundings = surroundings(self._settings.base_url, self._settings.conn_id)
        return self._surroundings

    @property
    def session(self) -> requests.Session:
        """A session that carries the connection's credentials to the vendor's origin, and nowhere else."""
        with self._session_lock:
            if self._session is None:
                from airflow_provider_contacts.core.sessions import bound_session

                self._session = bound_session(
                    self._settings.base_url, self._credentials.headers, self._settings.max_concurrency
                )
            return self._session

    def client(self) -> httpx.AsyncHTTPTransport:
        """Return what sends for :meth:`asend`; making it reads files, so make it in a thread.

        It is not ``httpx.AsyncClient``, which keeps cookies, logs queries and works out redirects.
        """
        import httpx

        from airflow_provider_contacts.core.sessions import tls_context

        around = self.surroundings
        proxy = around.proxies.get(self._origin[0]) or around.proxies.get("all")
        try:
            return httpx.AsyncHTTPTransport(
                verify=tls_context(around.verify),
                proxy=httpx.Proxy(proxy) if proxy else None,
                limits=httpx.Limits(max_connections=self._settings.max_concurrency),
            )
        except (ImportError, ValueError, OSError, httpx.InvalidURL) as error:
            raise InvalidConnection(
                f"the proxy settings or certificates of the environment cannot be used ({type(error).__name__})"
            ) from None

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
        if isinstance(error, ValueError):
            return VendorUnavailable(
                f"{self._where(request)} cannot be sent or its answer not be read ({type(error).__name__}). If it "
                f"never worked, check Host of connection {settings.conn_id!r}."
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


def _fits_header(value: str) -> bool:
    return value.isascii() and value.isprintable()


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
        except (ValueError, OverflowError):
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
