"""The errors that this package raises, all below :class:`ContactsError`.

None derives from ``AirflowException``: Airflow turns an ``AirflowException`` that leaves a deferred
sensor with ``soft_fail`` into a skip, and a broken key is not a skip.

Messages name what happened, where, and what to mend. They never hold a credential, a query, a request
body or personal data.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class ContactsError(Exception):
    """Anything that went wrong between a DAG and a vendor.

    :param message: what happened, where, and what to do next.
    :param retry_after: seconds that the vendor asks to wait before the next try, where it says so.
    :param transient: whether the same request may succeed if it is sent again.
    """

    def __init__(self, message: str, *, retry_after: float | None = None, transient: bool = False) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.transient = transient


class InvalidConnection(ContactsError):
    """The Airflow connection lacks something, has the wrong type, or leads somewhere it must not."""


class AuthenticationError(ContactsError):
    """The vendor does not accept the credentials."""


class PermissionDenied(ContactsError):
    """The credentials are good, but not for this."""


class NotFound(ContactsError):
    """The vendor does not know what was asked for."""


class InvalidRequest(ContactsError):
    """A filter, an argument or a request is wrong; sending it again cannot help."""


class UnsupportedByVendor(ContactsError):
    """This vendor's API cannot do what was asked.

    :param condition: the name of the condition that it cannot tell, where it is one.
    """

    def __init__(self, message: str, *, condition: str | None = None) -> None:
        super().__init__(message)
        self.condition = condition


class RateLimited(ContactsError):
    """The vendor asks to slow down; ``retry_after`` is its wait in seconds, or None."""


class QuotaExhausted(ContactsError):
    """The account has used up what it paid for; waiting does not help."""


class VendorUnavailable(ContactsError):
    """The vendor cannot be reached or fails on its side."""


class MalformedResponse(ContactsError):
    """The vendor's answer is not what its API page describes."""


class IncompleteListing(MalformedResponse):
    """A listing cannot be shown to be complete."""


class MalformedRecord(MalformedResponse):
    """One record cannot be told from another, because it has no id.

    :param message: which record of which request.
    :param raw: the record's own bytes. They are personal data and in no message.
    """

    def __init__(self, message: str, raw: bytes = b"") -> None:
        super().__init__(message)
        self.raw = raw


# Another try meets the same again, until somebody mends something.
CANNOT_HEAL = (
    AuthenticationError,
    InvalidConnection,
    InvalidRequest,
    MalformedRecord,
    NotFound,
    PermissionDenied,
    QuotaExhausted,
    UnsupportedByVendor,
)


def unexpected(error: Exception) -> ContactsError:
    """Return a :class:`ContactsError` for an error that nobody foresaw, without its text, which may hold anything."""
    place, frame = "", error.__traceback__
    while frame is not None:
        place = f" at {frame.tb_frame.f_globals.get('__name__', '?')}:{frame.tb_lineno}"
        frame = frame.tb_next
    return ContactsError(f"unexpected {type(error).__name__}{place}", transient=True)


def to_form(error: ContactsError) -> dict[str, Any]:
    """Return an error as JSON."""
    return {
        "type": type(error).__name__,
        "message": str(error),
        "retry_after": error.retry_after,
        "transient": error.transient,
    }


def from_form(form: Any) -> ContactsError:
    """Return the error of what :func:`to_form` gave.

    :raises ValueError: if the form is none of this version.
    """
    if not isinstance(form, Mapping) or set(form) != {"type", "message", "retry_after", "transient"}:
        raise ValueError("this is no error's form")
    kind = next((one for one in _all(ContactsError) if one.__name__ == form["type"]), None)
    if kind is None or not isinstance(form["message"], str) or not isinstance(form["transient"], bool):
        raise ValueError("this is no error's form")
    wait = form["retry_after"]
    if wait is not None and (isinstance(wait, bool) or not isinstance(wait, int | float)):
        raise ValueError("this is no error's form")
    error = kind(form["message"])
    error.retry_after, error.transient = wait, form["transient"]
    return error


def _all(kind: type[ContactsError]) -> set[type[ContactsError]]:
    return {kind}.union(*(_all(one) for one in kind.__subclasses__()))
