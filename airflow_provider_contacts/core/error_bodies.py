"""Parse errors reported in response bodies."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from airflow_provider_contacts.errors import MalformedResponse

# The keys under which a body reports an error, whatever its HTTP status.
_ERROR_KEYS = ("error", "errors")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True, repr=False)
class ReportedError:
    """An error that a response body reports, without a repr: vendors may echo personal data.

    :param label: the vendor's name or code for the error, or an empty string.
    :param message: the vendor's explanation, or an empty string.
    :param status: the HTTP status that the body names, or None.
    """

    label: str = ""
    message: str = ""
    status: int | None = None


class ErrorInBody(Exception):
    """A response with a successful HTTP status whose body reports an error."""

    def __init__(self, reported: ReportedError) -> None:
        super().__init__("the response body reports an error")
        self.reported = reported


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorFormat:
    """How a vendor's response bodies report errors.

    The defaults cover what most APIs do: ``{"error": {"code", "message"}}``, ``{"error": "label",
    "message"}``, ``{"errors": [...]}``, ``{"success": false, "message"}``, and an array of these. A
    null or empty ``error`` is not an error. A vendor declares what else its API docs show.

    :param status_key: body key of the HTTP status (400 or above is an error), or an empty string.
    :param accepts_bare_message: whether a body of only ``code`` and ``message`` is an error, even
        with status 200.
    """

    status_key: str = ""
    accepts_bare_message: bool = True

    def find_error(self, body: bytes, *, has_error_status: bool = False) -> ReportedError | None:
        """Return the error that a response body reports, or None.

        :param has_error_status: whether the response's HTTP status is an error. Only then is a body
            with nothing but a ``message`` an error: a successful update may be confirmed by one.
        :raises MalformedResponse: if the body is not JSON.
        """
        value = decode_json(body)
        if isinstance(value, list) and value and isinstance(value[0], dict):
            value = value[0] if any(value[0].get(key) for key in _ERROR_KEYS) else {}
        if not isinstance(value, dict):
            return None
        for key in _ERROR_KEYS:
            if value.get(key):
                return self._reported(value[key], value)
        status = value.get(self.status_key) if self.status_key else None
        reports_status = isinstance(status, int) and status >= 400
        is_bare_message = (
            self.accepts_bare_message
            and "message" in value
            and ("code" in value or has_error_status)
            and not value.keys() - {"message", "code"}
        )
        if value.get("success") is False or reports_status or is_bare_message:
            return self._reported(value, value)
        return None

    def _reported(self, error: object, body: dict[str, object]) -> ReportedError:
        if isinstance(error, list):
            error = error[0] if error else {}
        label: object = error
        message = body.get("message")
        statuses = [body.get(self.status_key)]
        if isinstance(error, dict):
            label = error.get("code") or error.get("error") or error.get("type")
            message = error.get("message") or error.get("detail") or message
            statuses = [error.get(self.status_key), *statuses, label]
        return ReportedError(
            str(label) if isinstance(label, str | int) else "",
            message if isinstance(message, str) else "",
            next((status for status in statuses if type(status) is int and 300 <= status < 600), None),
        )


def decode_json(body: bytes) -> object:
    """Return the JSON value of a response body.

    :raises MalformedResponse: if the body is not JSON. It is transient if the body starts like
        JSON, because it was then cut short or garbled.
    """
    body = strip_byte_order_mark(body)
    try:
        value: object = msgspec.json.decode(body)
    except (UnicodeDecodeError, RecursionError):
        raise MalformedResponse("The response's JSON is nested too deeply or is not UTF-8.") from None
    except msgspec.DecodeError:
        pass
    else:
        return value
    start = body.lstrip()[:1]
    if start in (b"{", b"["):
        raise MalformedResponse("The response's JSON is truncated or invalid.", transient=True)
    what = "a web page, not JSON" if start == b"<" else "not JSON"
    raise MalformedResponse(f"The response is {what}. Check that Host is the URL of the API.")


def strip_byte_order_mark(body: bytes) -> bytes:
    """Return a response body without the byte order mark that some servers prepend."""
    return body.removeprefix(_BYTE_ORDER_MARK)
