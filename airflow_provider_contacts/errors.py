"""The errors that this package raises.

::

    ContactsError
    ├── InvalidConnection       permanent
    ├── AuthenticationError     permanent   fails every request
    ├── PermissionDenied        permanent   fails every request
    ├── NotFound                permanent
    ├── OptedOut                permanent
    ├── InvalidRequest          permanent
    ├── UnsupportedByVendor     permanent
    │   └── UnansweredCondition permanent
    ├── QuotaExhausted          permanent   fails every request
    ├── RateLimited
    ├── Conflict
    ├── VendorUnavailable
    └── MalformedResponse
        ├── IncompleteListing
        └── MalformedRecord     permanent

None derives from ``AirflowException``: Airflow turns an ``AirflowException`` that leaves a deferred
sensor with ``soft_fail`` into a skip, and an invalid key must not be skipped over.

Messages say what failed, where, and what to do. They never contain a credential, a query, a request
body or personal data.
"""

from __future__ import annotations

import copy
from typing import ClassVar, Self

import msgspec

__all__ = [
    "MAX_RETRY_AFTER_SECONDS",
    "AuthenticationError",
    "Conflict",
    "ContactsError",
    "IncompleteListing",
    "InvalidConnection",
    "InvalidRequest",
    "MalformedRecord",
    "MalformedResponse",
    "NotFound",
    "OptedOut",
    "PermissionDenied",
    "QuotaExhausted",
    "RateLimited",
    "UnansweredCondition",
    "UnsupportedByVendor",
    "VendorUnavailable",
    "deserialize_error",
    "serialize_error",
    "wrap_unexpected",
]

# Longer ``Retry-After`` values are ignored.
MAX_RETRY_AFTER_SECONDS = 86_400.0


class ContactsError(Exception):
    """Base class of all errors of this package.

    :param message: what failed, where, and what to do next.
    :param retry_after: seconds that the vendor asks to wait before the next attempt, if it says so.
    :param transient: whether the same request may succeed when it is sent again.
    :param status: HTTP status of the response, if there was one.
    """

    _permanent: ClassVar[bool] = False
    _fails_every_request: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        retry_after: float | None = None,
        transient: bool = False,
        status: int | None = None,
    ) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.transient = transient
        self.status = status

    @property
    def permanent(self) -> bool:
        """Whether retrying cannot help until the cause is fixed.

        Subclasses decide. A plain ``ContactsError`` is permanent unless it is transient.
        """
        return self._permanent or (type(self) is ContactsError and not self.transient)

    @property
    def aborts_bulk_update(self) -> bool:
        """Whether every remaining request of a bulk update would fail with the same error."""
        return self._fails_every_request or (isinstance(self, RateLimited) and self.retry_after is not None)

    def at(self, where: str) -> Self:
        """Return a copy of this error whose message starts with the request that failed."""
        located = copy.copy(self)
        located.args = (f"{where}: {self}",)
        return located


class InvalidConnection(ContactsError):
    """The Airflow connection is incomplete, of the wrong type, or has a forbidden host."""

    _permanent = True


class AuthenticationError(ContactsError):
    """The vendor rejected the credentials."""

    _permanent = True
    _fails_every_request = True


class PermissionDenied(ContactsError):
    """The credentials are valid but do not allow this request."""

    _permanent = True
    _fails_every_request = True


class NotFound(ContactsError):
    """The vendor does not know the requested object."""

    _permanent = True


class OptedOut(ContactsError):
    """The contact has opted out at the vendor, so it was not changed."""

    _permanent = True


class InvalidRequest(ContactsError):
    """A filter, an argument or a request is invalid."""

    _permanent = True


class UnsupportedByVendor(ContactsError):
    """The vendor's API cannot do what was asked.

    :param condition: JSON name of the unsupported condition, if the error is about one.
    """

    _permanent = True

    def __init__(self, message: str, *, condition: str | None = None) -> None:
        super().__init__(message)
        self.condition = condition


class UnansweredCondition(UnsupportedByVendor):
    """No record of a listing reports what the condition asks."""


class RateLimited(ContactsError):
    """The vendor throttled the request. ``retry_after`` is in seconds, or None."""


class QuotaExhausted(ContactsError):
    """The account has used up its credits; waiting does not help."""

    _permanent = True
    _fails_every_request = True


class Conflict(ContactsError):
    """Another task is changing the contact, so it was not changed."""


class VendorUnavailable(ContactsError):
    """The vendor is unreachable or fails on its side."""


class MalformedResponse(ContactsError):
    """The vendor's response does not match its API docs."""


class IncompleteListing(MalformedResponse):
    """A listing could not be proven complete."""


class MalformedRecord(MalformedResponse):
    """A record has no usable id, or a value that the target cannot store.

    :param message: the position of the record and the request.
    :param raw: the record's own bytes. They are personal data and appear in no message.
    """

    _permanent = True

    def __init__(self, message: str, raw: bytes = b"") -> None:
        super().__init__(message)
        self.raw = raw


def wrap_unexpected(error: Exception) -> ContactsError:
    """Return a :class:`ContactsError` unchanged, and a transient one for any other exception.

    Its message names the exception's class and the line that raised it. The exception's text is
    dropped because it may contain personal data.
    """
    if isinstance(error, ContactsError):
        return error
    place = ""
    frame = error.__traceback__
    while frame is not None:
        place = f" at {frame.tb_frame.f_globals.get('__name__', '?')}:{frame.tb_lineno}"
        frame = frame.tb_next
    return ContactsError(f"Unexpected {type(error).__name__}{place}", transient=True)


class _SerializedError(msgspec.Struct, forbid_unknown_fields=True):
    type: str
    message: str
    retry_after: float | None
    transient: bool


def serialize_error(error: ContactsError) -> dict[str, object]:
    """Return an error as JSON types."""
    serialized: dict[str, object] = msgspec.to_builtins(
        _SerializedError(type(error).__name__, str(error), error.retry_after, error.transient)
    )
    return serialized


def deserialize_error(serialized: object) -> ContactsError:
    """Return the error that :func:`serialize_error` serialized.

    :raises ValueError: if ``serialized`` does not come from this version of the package.
    """
    try:
        fields = msgspec.convert(serialized, _SerializedError)
    except msgspec.ValidationError:
        raise ValueError("not a serialized ContactsError") from None
    error_class = next(
        (subclass for subclass in _class_tree(ContactsError) if subclass.__name__ == fields.type), None
    )
    if error_class is None:
        raise ValueError("not a serialized ContactsError")
    error = error_class(fields.message)
    error.retry_after = fields.retry_after
    error.transient = fields.transient
    return error


def _class_tree(error_class: type[ContactsError]) -> set[type[ContactsError]]:
    return {error_class}.union(*(_class_tree(subclass) for subclass in error_class.__subclasses__()))
